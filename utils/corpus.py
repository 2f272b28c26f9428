"""What a corpus module in `local/` gives to the rest: utterance rows and the protocols' folds.

A module `local/<corpus>.py` defines

    CORPUS: Corpus                                    # name, targets, published counts
    def rows(corpus_dir: Path) -> Iterable[Row]       # raw layout -> utterance rows
    def protocols(rows: Sequence[Row]) -> list[Protocol]

and nothing else in the repository knows the corpus's file names.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.names import plain_name

PARTS = ("train", "dev", "test")
KINDS = ("class", "number", "track")
OF = ("utterance", "dialogue", "session")
UNLABELLED = "-"


class CorpusNotice(UserWarning):
    """What a corpus module tells that is no mistake."""


def notice(text: str) -> None:
    """Tell the user something while a corpus is read: steps/prepare_data.sh prints it and keeps it with the data."""
    warnings.warn(text, CorpusNotice, stacklevel=2)


def notice_some(some: Sequence[str], whole: int, what: str) -> None:
    """Tell of how many things something holds, if of any, and name the first few."""
    if some:
        notice(f"{len(some)} of {whole} {what}: {', '.join(some[:3])}{' ...' if len(some) > 3 else ''}")


@dataclass(frozen=True)
class Row:
    """One utterance.

    Attributes:
        id: unique in the corpus.
        path: the recording; None when the corpus has features only, or text only (Corpus.text_only).
        start, end: seconds within the recording; end None means to its end.
        fields: registered fields (conf/fields.yaml): speaker, gender, text, emotion, ...; absent means unknown.
        features: a .npy file of float32 (T, F), or (F,) for the whole utterance, where there is no recording.
        frame_shift: seconds between the rows of `features`; without it `end` must say how long the utterance is.
        where: where the row was read, for messages, e.g. "corpus.tsv, line 7".
        group: rows of one group have the same sound; preparation sets it, automatic folds keep it whole.
    """

    id: str
    path: Path | None = None
    start: float = 0.0
    end: float | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    features: Path | None = None
    frame_shift: float | None = None
    where: str = field(default="", compare=False)
    group: str = ""

    @property
    def speaker(self) -> str | None:
        return self.fields.get("speaker")


@dataclass(frozen=True)
class Target:
    """What is predicted: a field, and how it is read.

    Attributes:
        field: its registered name (conf/fields.yaml); it names the target everywhere.
        kind: "class": one of `classes`; "number": one number; "track": a value every `step` seconds.
        classes: in the order of every score table; of kind "class" only.
        positive: of two classes the one that F1 is of; dev chooses the threshold on its posterior.
        threshold: of a number that is also read as yes or no (F1 of "at least"), e.g. 10 for phq8.
        step: seconds between the values of a track; None: as its labels have it.
        of: what has one value: every utterance, or a whole dialogue or session.
    """

    field: str = "emotion"
    kind: str = "class"
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float | None = None
    step: float | None = None
    of: str = "utterance"

    @property
    def name(self) -> str:
        """The field."""
        return self.field

    def to_json(self) -> dict[str, Any]:
        """Its attributes but those that have their default; field and kind are always there."""
        always = ("field", "kind")
        given = {item.name: value for item in dataclasses.fields(self)
                 if (value := getattr(self, item.name)) != item.default or item.name in always}
        return given | ({"classes": list(self.classes)} if self.classes else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Target:
        """
        Raises:
            TypeError: a key that a target has not.
        """
        return cls(**{**values, "classes": tuple(values.get("classes") or ())})


@dataclass(frozen=True)
class Corpus:
    """What is known of a corpus before a file is read.

    Attributes:
        targets: what may be predicted; the first is the default. Empty where a corpus only trains a
            recognizer.
        published: counts of the whole corpus, e.g. {"utterances": 1440, "speakers": 24, "emotion": {"happy": 192}}.
        fields: further fields that this corpus registers: name -> {"type": ..., "help": ...} as in conf/fields.yaml.
        source: where a reader gets it, and its license.
        text_only: rows may have neither a recording nor features, but a text; `end` is then how long it took, if known.
    """

    name: str
    targets: tuple[Target, ...] = ()
    language: str | None = None
    published: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: str = ""
    synthetic: bool = False
    text_only: bool = False

    @property
    def learned(self) -> str:
        """The field that training needs: that of the first target; without targets the text."""
        return learned_target(self.targets).field


def learned_target(targets: Sequence[Target]) -> Target:
    """What training needs to know of an utterance: the first target, or without one the text."""
    return targets[0] if targets else Target("text")


@dataclass(frozen=True)
class Protocol:
    """Folds of a corpus: for each fold (numbered from 1) the part of every utterance that takes part.

    Attributes:
        folds: fold k+1 is folds[k]: {utterance id: "train" | "dev" | "test"}.
        speaker_overlap: True only where the published protocol shares speakers between parts; every result is marked.
        automatic: made from the rows, since nothing is published: preparation then looks for the same sound first.
        random: whoever speaks; every result is marked.
        context: "dialogue" where a published protocol divides dialogues and a subsystem may read all utterances of
            one, of other parts too (without labels); every result is marked.
    """

    name: str
    folds: Sequence[Mapping[str, str]]
    description: str = ""
    speaker_overlap: bool = False
    automatic: bool = False
    random: bool = False
    context: str = ""


def speaker_folds(name: str, rows: Sequence[Row], groups: Sequence[Iterable[str]], description: str = "") -> Protocol:
    """k-fold protocol by speaker: group k is the test part of fold k, the next group its dev part, the rest train.

    Args:
        groups: speakers of each fold, disjoint; speakers of no group are left out of the protocol. Speakers that no
            row has (an incomplete corpus) are passed over, and so is a group of none but them.
    """
    present = {row.speaker for row in rows} - {None}
    members = [members for group in groups if (members := present.intersection(group))]
    folds = []
    for k, test in enumerate(members):
        dev = members[(k + 1) % len(members)]
        part_of = {speaker: "train" for group in members for speaker in group}
        part_of |= {speaker: "dev" for speaker in dev} | {speaker: "test" for speaker in test}
        folds.append({row.id: part_of[row.speaker] for row in rows if row.speaker in part_of})
    return Protocol(name, folds, description)


def one_speaker_out(name: str, rows: Sequence[Row], description: str = "") -> Protocol:
    """Every speaker is the test part once; the next speaker is dev."""
    speakers = sorted({row.speaker for row in rows if row.speaker is not None})
    return speaker_folds(name, rows, [[speaker] for speaker in speakers], description)


def safe_ids(names: Sequence[str]) -> list[str]:
    """An id for each name (a path without its suffix): unsafe characters become "_", directories are joined by "-".

    Names that would end as the same id get a short hash of the name each.
    """
    plain = [re.sub(r"[^\w.@+-]", "_", plain_name(name).replace("/", "-")).lstrip(".-") or "_"
             for name in names]
    count = Counter(plain)
    short = [hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8] for name in names]
    return [f"{key[:180]}-{code}" if count[key] > 1 or len(key) > 190 else key
            for key, code in zip(plain, short, strict=True)]
