"""Which text of an utterance a subsystem reads: what a recognizer heard, its n-best list, or the reference.

Every source gives weighted texts, [(text, weight), ...] with weights that sum to 1: a single text weighs 1, the texts
of an n-best list their posteriors, normalized over the list. Counts weighted by them are expected counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from steps.data.layers import layers_of
from steps.text.normal_form import normalize
from utils.errors import UserError

if TYPE_CHECKING:
    from steps.data.dataset import Dataset

ASR, NBEST, REFERENCE = "asr", "nbest", "reference"
SOURCES = (ASR, NBEST, REFERENCE)
# Fields that a source reads; they belong to the fingerprint of an experiment.
FIELDS = {ASR: ("asr_text", "language"), NBEST: ("asr_nbest", "asr_text", "language"), REFERENCE: ("text", "language")}
LAYERS = {ASR: "asr", NBEST: "asr"}  # that have these fields, where the data set itself does not
EMPTY = "empty text"

Weighted = list[tuple[str, float]]


def weighted_texts(fields: Mapping[str, object], source: str) -> Weighted:
    """The texts of an utterance in normal form (normal_form.py) and their weights; [] where nothing was said, or
    nothing is known of it. Empty texts of an n-best list keep their weight to themselves.

    Args:
        fields: of the item. An utterance without n-best list has its one transcript.
    """
    language = fields.get("language")
    name = "text" if source == REFERENCE else "asr_text"
    found: list[tuple[object, float]] = [(fields.get(name) or "", 0.0)]
    if source == NBEST and fields.get("asr_nbest"):
        found = [(text, float(log_posterior)) for text, log_posterior in fields["asr_nbest"]]  # type: ignore
    best = max(log_posterior for _, log_posterior in found)
    masses = [math.exp(log_posterior - best) for _, log_posterior in found]
    whole = sum(masses)
    texts = [(normalize(str(text), language and str(language)), mass / whole)  # type: ignore[arg-type]
             for (text, _), mass in zip(found, masses, strict=True)]
    return [(text, weight) for text, weight in texts if text and weight > 0]


def layers_for(data: Path, sources: Iterable[str]) -> list[str]:
    """Those layers of a data set that these sources read."""
    there = layers_of(data)
    return sorted({LAYERS[source] for source in sources if LAYERS.get(source) in there})


def check_source(data: Dataset, source: str) -> None:
    """
    Raises:
        UserError: no utterance has that text; says how to come by it.
    """
    names = FIELDS[source][:-1]
    if any(item.fields.get(name) is not None for item in data.items.values() for name in names[:1]):
        return
    advice = "the corpus has no reference transcripts" if source == REFERENCE else "run steps/transcribe.sh first"
    raise UserError(f"{data.path} has no {names[0]}: {advice}")
