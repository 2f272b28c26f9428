"""What a test part shares with the parts that anything was learned or chosen on: train (classifier, normaliser) and dev
(epoch, hyper-parameters, calibration, the weights of a fusion and which one is primary; and the classifier too where a
model is refitted on both). A fusion takes each fold's weights from that fold's own dev part.

    utterance   the same id                        always a leak
    audio       the same samples under two ids     always a leak
    speaker     a leak, unless the protocol declares `speaker_overlap`, as a few published ones do
    session, dialogue   told: in some corpora the partner of the test speaker is in dev
    sentence    told, with its share: a corpus of fixed sentences shares all of them
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from steps.data.dataset import Dataset, Item
from steps.data.splits import Split
from steps.data.trained_on import read_hashes

KINDS = ("utterance", "audio", "speaker", "sentence", "session", "dialogue")
EXAMPLES = 5
TRAINED = {"classifier": "train, and dev where it is refitted", "normaliser": "train",
           "per-speaker normalisation": "each speaker's own unlabelled audio, test too (marked in the results)",
           "epoch, hyper-parameters": "dev", "calibration": "dev", "fusion": "dev"}


def audit(data: Dataset, split: Split) -> dict[str, Any]:
    """Overlaps of one protocol.

    Returns:
        {"overlaps": [{kind, with, folds: {fold: n}, shared, affected, tested, verdict, examples}], "trained": ...,
        "leaks": [one line each]}. `shared` counts distinct values, `affected` the test utterances that have one, over
        folds; `verdict` is "none", "leak", "told", "declared" or "unknown".
    """
    hashes = read_hashes(data.path / "audio_hashes.tsv")
    overlaps = [overlap(data, split, kind, other, value_of(kind, hashes)) for kind in KINDS
                for other in ("train", "dev")]
    leaks = [f"{entry['affected']} of {entry['tested']} test utterances share the {entry['kind']} with {entry['with']}"
             ": " + ", ".join(entry["examples"]) for entry in overlaps if entry["verdict"] == "leak"]
    return {"protocol": split.name, "speaker_overlap": split.speaker_overlap, "trained": TRAINED,
            "overlaps": overlaps, "leaks": leaks}


def overlap(data: Dataset, split: Split, kind: str, other: str, value: Callable[[Item], str | None]) -> dict[str, Any]:
    """What the test parts share with the parts `other`, over all folds."""
    shared: set[str] = set()
    examples: list[str] = []
    folds: dict[str, int] = {}
    affected = tested = known = 0
    for fold in split.folds:
        seen = {value(data.items[key]) for key in split.ids(fold, other)} - {None}
        here = 0
        for key in split.ids(fold, "test"):
            found = value(data.items[key])
            tested += 1
            known += found is not None
            if found in seen:
                shared.add(str(found))
                here += 1
                if len(examples) < EXAMPLES:
                    examples.append(f"{key} (fold {fold})")
        affected += here
        if here:
            folds[str(fold)] = here
    return {"kind": kind, "with": other, "shared": len(shared), "affected": affected, "tested": tested, "known": known,
            "folds": folds, "verdict": verdict(kind, affected, known, split.speaker_overlap), "examples": examples}


def verdict(kind: str, affected: int, known: int, speaker_overlap: bool) -> str:
    if not known:
        return "unknown"
    if not affected:
        return "none"
    if kind in ("utterance", "audio"):
        return "leak"
    if kind == "speaker":
        return "declared" if speaker_overlap else "leak"
    return "told"


def value_of(kind: str, hashes: Mapping[str, str]) -> Callable[[Item], str | None]:
    """What of an item is compared; None where the corpus does not say."""
    if kind == "utterance":
        return lambda item: item.id
    if kind == "audio":
        return lambda item: hashes.get(item.id)
    if kind == "sentence":
        return sentence_of
    return lambda item: getattr(item, kind)


def sentence_of(item: Item) -> str | None:
    """The sentence's own name where the corpus has one, else the text without case, width and punctuation."""
    if item.fields.get("sentence") is not None:
        return str(item.fields["sentence"])
    if item.text is None:
        return None
    plain = re.sub(r"[^\w\s]", " ", unicodedata.normalize("NFKC", item.text).casefold())
    return " ".join(plain.split()) or None
