"""Read a data set: items, targets and splits, from the files alone (no lhotse, no torch, no numpy at import).

    data = Dataset.open("data/ravdess")
    data.target()                         # the first: Target("emotion", "class", ("neutral", ...))
    item = data.items["03-01-05-01-01-01-01"]    # Item(speaker="01", fields={...}, ...)
    item.value(data.target("emotion"))    # "angry"
    split = data.split("six_folds")
    split.ids(1, "train")                 # sorted list of utterance ids
    data.groups("dialogue")               # {dialogue: [utterance ids in order of turn]}

The value of a target, by its kind (utils/corpus.py):

    class     one of the target's classes
    number    a float
    track     a Sequence: values every `step` seconds from the item's start
    None      unlabelled; score tables print it as "-"

A target of a dialogue or session has one value there: all its utterances carry it, and a split keeps
them together.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.data.layers import read_layers
from steps.data.splits import SPLITS, Split, read_split
from utils.corpus import KINDS, OF, UNLABELLED, Target, learned_target
from utils.errors import UserError, reading
from utils.files import read_json
from utils.shape import Maybe, OneOf, check

if TYPE_CHECKING:
    import lhotse
    import numpy

CUTS, CORPUS = "cuts.jsonl.gz", "corpus.json"
AGAIN = "run steps/prepare_data.sh again"
TARGET = {"field": str, "kind": OneOf(*KINDS), "classes?": [str], "positive?": Maybe(str),
          "threshold?": Maybe(float), "step?": Maybe(float), "of?": OneOf(*OF)}
ABOUT = {  # of corpus.json
    "name": str, "targets": [TARGET], "size?": Maybe(str), "speakers_known?": bool,
    "missing?": Maybe([Any]), "utterances?": int}
NATIVE = ("speaker", "gender", "language", "text")
LONGEST_SHARED = 32  # characters of a value of which all utterances share one copy: a class, a speaker, a language
# corpus.json as it was before there were targets, and what its tasks are called now
TASKS = {"classification": "class", "regression": "number", "sequence-regression": "track"}
EARLIER = {
    "task": OneOf(*TASKS, "transcription", "unlabelled"), "unit": OneOf(*OF), "label": str,
    "classes?": Maybe([str]), "positive?": Maybe(str), "threshold?": Maybe(float),
    "numbers?": Maybe({str: Any})}


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
        speaker, gender, language, text, dialogue, session: None where the corpus does not say.
        turn: place within the dialogue; None where the corpus does not say.
        path: the recording, None for an item with features only, or with text only. start, duration: seconds within it.
        sampling_rate, channels: of the recording as it lies on disk; 0 without one.
        features: for an item with given features: {"path": .npy, "num_frames", "num_features", "frame_shift"}.
        fields: every known field by its registered name, those above included.
    """

    id: str
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

    def value(self, target: Target) -> Label:
        """The label of this utterance; None where it is unknown."""
        return self.fields.get(target.field)


class Dataset:
    """A data directory. Open it with `Dataset.open`; everything is read when first asked for.

    Attributes:
        info: corpus.json. targets: what may be predicted; the first is the default.
        layers: names of layers; the utterances get their fields, too (steps/data/layers.py).
    """

    def __init__(self, path: Path, info: dict[str, Any], layers: Iterable[str] = ()):
        self.path = path
        self.info = info
        self.layers = tuple(layers)
        self._grouped: dict[str, dict[str, list[str]]] = {}
        self.targets = tuple(Target.from_json({key: values[key] for key in _keys(TARGET) if key in values})
                             for values in info["targets"])

    @classmethod
    def open(cls, path: str | Path, layers: Iterable[str] = ()) -> Dataset:
        """
        Raises:
            UserError: the directory is not a prepared data set.
        """
        path = Path(path)
        for name in (CORPUS, CUTS):
            if not (path / name).is_file():
                raise UserError(f"{path} is no prepared data set: {name} is missing; run steps/prepare_data.sh")
        info = read_json(path / CORPUS, {"name": str}, AGAIN)
        info = info if "targets" in info else of_earlier_form(info, path / CORPUS)
        check(info, ABOUT, path / CORPUS, AGAIN)
        return cls(path, info, layers)

    @property
    def name(self) -> str:
        return self.info["name"]

    def with_layers(self, names: Iterable[str]) -> Dataset:
        """The same data set, with the fields of these layers."""
        return Dataset(self.path, self.info, names)

    def target(self, name: str = "") -> Target:
        """The target of that name; without one the default, which is the first.

        Raises:
            UserError: no such target.
        """
        found = next((target for target in self.targets if name in ("", target.name)), None)
        if found is None:
            known = f"it has {', '.join(target.name for target in self.targets)}" if self.targets else \
                "its corpus module declares none (utils/corpus.py)"
            raise UserError(f"{self.path} has no target {name}".rstrip() + f" to predict; {known}", 2)
        return found

    @property
    def learned(self) -> str:
        """The field that training needs: of the default target; without targets the text."""
        return learned_target(self.targets).field

    @cached_property
    def items(self) -> dict[str, Item]:
        """Every utterance by its id, sorted by id."""
        found: dict[str, Item] = {}
        path = self.path / CUTS
        number = 0
        with reading(path, AGAIN, OSError, zlib.error), gzip.open(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                with reading(f"{path}, line {number},", AGAIN):
                    item = item_of_cut(json.loads(line))
                    self._check_values(item)
                if item.id in found:
                    raise UserError(f"{path}, line {number}: the id {item.id!r} occurs twice")
                found[item.id] = item
        if not number:
            raise UserError(f"{path} holds no utterance; {AGAIN}")
        found = {key: found[key] for key in sorted(found)}
        if not self.layers:
            return found
        added = read_layers(self.path, self.layers, found)
        for key, more in added.items():
            fields = {**found[key].fields, **{name: _plain(value) for name, value in more.items()}}
            found[key] = replace(found[key], fields={name: value for name, value in fields.items()
                                                     if value is not None})
        return found

    def _check_values(self, item: Item) -> None:
        """
        Raises:
            ValueError: a value that the target does not have.
        """
        if not (isinstance(item.id, str) and item.duration >= 0):  # also of nan
            raise ValueError(f"the utterance {item.id!r} of {item.duration} s")
        for target in self.targets:
            value = item.value(target)
            if value is not None and not (
                    value in target.classes if target.kind == "class" else
                    isinstance(value, Sequence if target.kind == "track" else (int, float))):
                raise ValueError(f"{item.id} has the {target.name} {value!r}, which {CORPUS} does not know")

    def groups(self, of: str) -> dict[str, list[str]]:
        """{name: its utterances in order of turn, start and id}, by name.

        Args:
            of: one of utils.corpus.OF; an utterance is its own group. Utterances without a dialogue
                (session) are in no group of that kind.
        """
        if of not in self._grouped:
            self._grouped[of] = {key: [key] for key in self.items} if of == "utterance" else self._groups(of)
        return self._grouped[of]

    def group_of(self, key: str, of: str) -> str:
        """The dialogue or session that utterance `key` belongs to; with "utterance" itself."""
        return key if of == "utterance" else str(self.items[key].fields[of])

    def value_of(self, name: str, target: Target) -> Label:
        """The one value that a target has of an utterance, dialogue or session; None: not known."""
        return self.items[self.groups(target.of)[name][0]].value(target)

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


def of_earlier_form(info: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """corpus.json with "targets", from one that has task, unit, label, classes, positive, threshold and numbers.

    Raises:
        DamagedFile: it is not of that form either.
    """
    check(info, EARLIER, where, AGAIN)
    of, classes = info["unit"], info.get("classes") or ()
    numbers = [Target(field, "number", threshold=threshold, of=of)
               for field, threshold in (info.get("numbers") or {}).items()]
    if kind := TASKS.get(info["task"]):
        positive = info.get("positive")
        numbers.insert(0, Target(info["label"], kind, tuple(classes), positive if positive in classes else None,
                                 info.get("threshold") if kind == "number" else None, of=of))
    return {**{key: value for key, value in info.items() if key not in _keys(EARLIER)},
            "targets": [target.to_json() for target in numbers]}


def _keys(shape: Mapping[str, Any]) -> list[str]:
    return [key.rstrip("?") for key in shape]


def item_of_cut(cut: Mapping[str, Any]) -> Item:
    """One line of cuts.jsonl.gz as an Item."""
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
    return Item(id=cut["id"], duration=cut["duration"], start=cut["start"], path=source,
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
