"""Read a data set: items, classes and splits, from the files alone (no lhotse, no torch, no numpy at import).

    data = Dataset.open("data/ravdess")
    data.classes                          # ["neutral", "calm", ...]; empty for regression
    data.items["03-01-05-01-01-01-01"]    # Item(label="angry", speaker="01", gender="male", ...)
    split = data.split("six_folds")
    split.ids(1, "train")                 # sorted list of utterance ids
    data.units                            # {unit id: [utterance ids in order]}; the unit carries one label

What carries a label (`info["unit"]`) and what the label is (`info["task"]`):

    classification        Item.label is one of Dataset.classes
    regression            Item.label is a float
    sequence-regression   Item.label is a Sequence: values every `step` seconds from the item's start
    transcription         Item.label is the text (steps/asr)
    unlabelled            Item.label is None; score tables print it as "-"

With unit "dialogue" or "session" every utterance of the unit carries the unit's label, and a split keeps units whole.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.data.splits import SPLITS, Split, read_split
from utils.corpus import TASKS, UNITS, UNLABELLED
from utils.errors import UserError, reading
from utils.files import read_json
from utils.shape import Maybe, OneOf

if TYPE_CHECKING:
    import lhotse
    import numpy

CUTS, CORPUS = "cuts.jsonl.gz", "corpus.json"
AGAIN = "run steps/prepare_data.sh again"
ABOUT = {  # of corpus.json
    "name": str, "task": OneOf(*TASKS, "unlabelled"), "unit": OneOf(*UNITS), "label": str, "classes?": Maybe([str]),
    "positive?": Maybe(str), "threshold?": Maybe(float), "numbers?": Maybe({str: Any}),
    "size?": Maybe(str), "speakers_known?": bool, "missing?": Maybe([Any]), "utterances?": int}
NATIVE = ("speaker", "gender", "language", "text")
LONGEST_SHARED = 32  # characters of a value of which all utterances share one copy: a class, a speaker, a language


@dataclass(frozen=True)
class Sequence:
    """A label that moves: values[i] holds from i * step to (i + 1) * step seconds after the item's start."""

    step: float
    values: tuple[float, ...]

    def array(self) -> numpy.ndarray:
        """The values as float32 (T,)."""
        import numpy

        return numpy.asarray(self.values, dtype=numpy.float32)


Label = str | float | Sequence | None


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance, as plain values.

    Attributes:
        label: see the module's text; None is unlabelled.
        speaker, gender, language, text, dialogue, session: None where the corpus does not say.
        turn: place within the dialogue; None where the corpus does not say.
        path: the recording, None for an item with features only, or with text only. start, duration: seconds within it.
        sampling_rate, channels: of the recording as it lies on disk; 0 without one.
        features: for an item with given features: {"path": .npy, "num_frames", "num_features", "frame_shift"}.
        fields: every known field by its registered name, those above included.
    """

    id: str
    label: Label = None
    speaker: str | None = None
    gender: str | None = None
    language: str | None = None
    text: str | None = None
    dialogue: str | None = None
    session: str | None = None
    turn: int | None = None
    duration: float = 0.0
    path: str | None = None
    start: float = 0.0
    sampling_rate: int = 0
    channels: int = 0
    features: Mapping[str, Any] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        return self.label is not None


class Dataset:
    """A data directory. Open it with `Dataset.open`; everything is read when first asked for."""

    def __init__(self, path: Path, info: dict[str, Any]):
        self.path = path
        self.info = info

    @classmethod
    def open(cls, path: str | Path) -> Dataset:
        """
        Raises:
            UserError: the directory is not a prepared data set.
        """
        path = Path(path)
        for name in (CORPUS, CUTS):
            if not (path / name).is_file():
                raise UserError(f"{path} is no prepared data set: {name} is missing; run steps/prepare_data.sh")
        return cls(path, read_json(path / CORPUS, ABOUT, AGAIN))

    @property
    def name(self) -> str:
        return self.info["name"]

    @property
    def task(self) -> str:
        return self.info["task"]

    @property
    def unit(self) -> str:
        return self.info["unit"]

    @property
    def classes(self) -> list[str]:
        return list(self.info.get("classes") or [])

    def predicting(self, label: str | None) -> Dataset:
        """The same data set with another label: a number that the corpus declares (Corpus.numbers).

        Args:
            label: its field; None, "" or the label itself: the data set as it is.

        Raises:
            UserError: no such number.
        """
        if not label or label == self.info["label"]:
            return self
        numbers = self.info.get("numbers") or {}
        if label not in numbers:
            raise UserError(f"--label {label}: {self.path} has no such number to predict; it has "
                            f"{', '.join([self.info['label'], *numbers])}", 2)
        return Dataset(self.path, {**self.info, "label": label, "task": "regression", "classes": [],
                                   "positive": None, "threshold": numbers[label]})

    @property
    def positive(self) -> str | None:
        """Of two classes the one whose F1 counts; None where there is none such."""
        found = self.info.get("positive")
        return found if found in self.classes else None

    @cached_property
    def items(self) -> dict[str, Item]:
        """Every utterance by its id, sorted by id."""
        label = self.info["label"]
        found: dict[str, Item] = {}
        path = self.path / CUTS
        number = 0
        with reading(path, AGAIN, OSError, zlib.error), gzip.open(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                with reading(f"{path}, line {number},", AGAIN):
                    item = item_of_cut(json.loads(line), label)
                    self._check_label(item)
                if item.id in found:
                    raise UserError(f"{path}, line {number}: the id {item.id!r} occurs twice")
                found[item.id] = item
        if not number:
            raise UserError(f"{path} holds no utterance; {AGAIN}")
        return {key: found[key] for key in sorted(found)}

    def _check_label(self, item: Item) -> None:
        """
        Raises:
            ValueError: the label is none that the corpus declares.
        """
        fits = isinstance(item.id, str) and item.duration >= 0 and (item.label is None or {
            "classification": item.label in self.classes, "regression": isinstance(item.label, (int, float)),
            "sequence-regression": isinstance(item.label, Sequence)}.get(self.task, True))
        if not fits:
            raise ValueError(f"{item.id} has the label {item.label!r}, which {CORPUS} does not know")

    @cached_property
    def units(self) -> dict[str, list[str]]:
        """{unit id: its utterances in order of turn, start and id}; an utterance is its own unit where unit says so."""
        if self.unit == "utterance":
            return {key: [key] for key in self.items}
        return self._groups(self.unit)

    @cached_property
    def dialogues(self) -> dict[str, list[str]]:
        """{dialogue: its utterances in order of turn}; empty where the corpus has none."""
        return self._groups("dialogue")

    def unit_of(self, key: str) -> str:
        """The unit that utterance `key` belongs to."""
        return key if self.unit == "utterance" else str(self.items[key].fields[self.unit])

    def unit_label(self, unit: str) -> Label:
        """The one label of a unit."""
        return self.items[self.units[unit][0]].label

    def _groups(self, name: str) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for key, item in self.items.items():
            if item.fields.get(name) is not None:
                groups.setdefault(str(item.fields[name]), []).append(key)
        for keys in groups.values():
            keys.sort(key=lambda key: (self.items[key].turn or 0, self.items[key].start, key))
        return dict(sorted(groups.items()))

    @property
    def protocols(self) -> list[str]:
        return sorted(path.stem for path in (self.path / SPLITS).glob("*.tsv"))

    def split(self, protocol: str) -> Split:
        """
        Raises:
            UserError: no such protocol, or a line that is not `id fold part`.
        """
        path = self.path / SPLITS / f"{protocol}.tsv"
        if protocol not in self.protocols:
            known = ", ".join(self.protocols) or "none"
            raise UserError(f"{self.path} has no protocol {protocol!r}; it has {known}", status=2)
        return read_split(path)

    def cuts(self) -> lhotse.CutSet:
        """The same as lhotse's CutSet (imports lhotse)."""
        from lhotse import CutSet

        return CutSet.from_file(self.path / CUTS)


def item_of_cut(cut: Mapping[str, Any], label: str) -> Item:
    """One line of cuts.jsonl.gz as an Item; `label` names the field that is predicted."""
    supervision = cut["supervisions"][0]
    custom = supervision.get("custom") or {}
    fields = {name: _plain(supervision[name]) for name in NATIVE if supervision.get(name) is not None}
    fields |= {sys.intern(name): _plain(value) for name, value in custom.items()
               if value is not None and value != UNLABELLED}
    recording, features = cut.get("recording"), cut.get("features")
    source = next(iter(recording["sources"]), {}).get("source") if recording else None
    given = None
    if features:
        given = {"path": str(Path(features["storage_path"]) / features["storage_key"]),
                 **{key: features[key] for key in ("num_frames", "num_features", "frame_shift")}}
    return Item(id=cut["id"], label=fields.get(label), duration=cut["duration"], start=cut["start"], path=source,
                sampling_rate=recording["sampling_rate"] if recording else 0,
                channels=len(recording.get("channel_ids") or [0]) if recording else 0, features=given,
                turn=fields.get("turn"), fields=fields,
                **{name: fields.get(name) for name in ("speaker", "gender", "language", "text", "dialogue", "session")})


def _plain(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= LONGEST_SHARED:
        return sys.intern(value)
    if isinstance(value, dict) and set(value) == {"step", "values"}:
        return Sequence(value["step"], tuple(value["values"]))
    return value
