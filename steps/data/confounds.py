"""What beside the voice determines the label: a speaker, sentence, session, ... that has one label only.

A system may then learn who speaks, or what is said, in place of the emotion. How far a field determines the label is
measured by the accuracy of the most frequent label of each of its values, corrected by what permuted labels give:

    strength = (accuracy - chance) / (1 - chance)        0: says nothing, 1: determines it

Values that only one utterance (or whatever carries the label) has say nothing of this and are left out. A field from
half the way on (NEARLY) gives a warning of validation, is shown by the report, and marked in
results where it can be made use of:
where train or dev share values with test, and of the speaker also with features normalized per speaker, which take the
speaker's mean, and with it most of the label, away. Speaker, sentence and gender of RAVDESS and
EMO-DB have strengths of -0.08 to 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from steps.data.sentences import sentence_of
from utils.corpus import learned_target

if TYPE_CHECKING:
    from steps.data.dataset import Dataset, Item
    from steps.data.splits import Split
    from utils.corpus import Target

NEARLY, WHOLLY = 0.5, 0.99
FEWEST = 20  # labelled units, below which nothing is measured
DRAWS = 200  # permutations
SEED = 11
FEW = 3  # utterances of a speaker, with which normalization per speaker takes most of what they differ in


def format_of(item: Item) -> str | None:
    """Rate and channels of the file: classes from several sources differ in them."""
    return f"{item.sampling_rate} Hz, {item.channels} channels" if item.path else None


FIELDS: Mapping[str, Callable[[Item], str | None]] = {
    "speaker": lambda item: item.speaker, "sentence": sentence_of, "session": lambda item: item.session,
    "gender": lambda item: item.gender, "language": lambda item: item.language, "file format": format_of}


@dataclass(frozen=True)
class Confound:
    """How far `field` determines the label.

    Attributes:
        values: that two units or more have; pure: of these, those with one label only.
        accuracy: of the most frequent label given the value. chance: its mean on permuted labels, highest: the most.
    """

    field: str
    values: int
    pure: int
    accuracy: float
    chance: float
    highest: float

    @property
    def strength(self) -> float:
        return (self.accuracy - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0

    @property
    def tells(self) -> bool:
        """Whether it is to be told."""
        return self.strength >= NEARLY and self.accuracy > self.highest

    def mark(self, label: str) -> str:
        """For a row of results."""
        return f"{self.field} {'' if self.strength >= WHOLLY else 'nearly '}determines {label}"

    def describe(self, label: str) -> str:
        """For a warning."""
        return (f"{self.mark(label)}: {self.pure} of {self.values} {self.field}s have one {label} only; the "
                f"{self.field} alone gives {100 * self.accuracy:.0f} % of the labels, by chance "
                f"{100 * self.chance:.0f} %")

    def to_json(self) -> dict[str, Any]:
        """For validation.json."""
        numbers = {**asdict(self), "strength": self.strength}
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in numbers.items()} | {
            "tells": self.tells}


@lru_cache(maxsize=8)
def confounds(data: Dataset, target: Target) -> list[Confound]:
    """Every field that could be measured; [] where the target has no classes."""
    if not target.classes:
        return []
    labelled = [(data.items[keys[0]], str(value)) for keys in data.groups(target.of).values()
                if (value := data.items[keys[0]].value(target)) is not None]
    measured = (measure(name, [(of(item), label) for item, label in labelled])
                for name, of in FIELDS.items() if name != target.of)
    return [found for found in measured if found is not None]


def measure(field: str, pairs: list[tuple[str | None, str]]) -> Confound | None:
    """
    Args:
        pairs: (value, label) of each unit; None is unknown.

    Returns:
        None where there are too few units, one value or one label.
    """
    import numpy as np

    number = Counter(value for value, _ in pairs)
    pairs = [(value, label) for value, label in pairs if value is not None and number[value] > 1]
    values, value_of = np.unique([value for value, _ in pairs], return_inverse=True)
    labels, label_of = np.unique([label for _, label in pairs], return_inverse=True)
    if len(pairs) < FEWEST or len(values) < 2 or len(labels) < 2:
        return None

    def table(of: np.ndarray) -> np.ndarray:
        return np.bincount(value_of * len(labels) + of, minlength=len(values) * len(labels)).reshape(len(values), -1)

    rng, counts = np.random.default_rng(SEED), table(label_of)
    draws = [table(rng.permutation(label_of)).max(axis=1).sum() / len(pairs) for _ in range(DRAWS)]
    return Confound(field, len(values), int(((counts > 0).sum(axis=1) == 1).sum()),
                    float(counts.max(axis=1).sum() / len(pairs)), float(np.mean(draws)), float(np.max(draws)))


def confound_marks(data: Dataset, split: Split, target: Target, per_speaker: bool = False) -> list[str]:
    """Marks of results on a protocol.

    Args:
        per_speaker: of features normalized per speaker.
    """
    return [found.mark(target.name) for found in confounds(data, target)
            if found.tells and (shares(data, split, FIELDS[found.field]) or (per_speaker and found.field == "speaker"))]


def shares(data: Dataset, split: Split, of: Callable[[Item], str | None]) -> bool:
    """Whether a value of some test part is in train or dev, too."""
    for fold in split.folds:
        learned = {of(data.items[key]) for part in ("train", "dev") for key in split.ids(fold, part)} - {None}
        if any(of(data.items[key]) in learned for key in split.ids(fold, "test")):
            return True
    return False


def few_utterances(data: Dataset, target: Target, split: Split | None = None) -> list[str]:
    """A line for speakers with one utterance, and with at most FEW; of all speakers, or of those of the test parts.

    Of a track the frames of one utterance differ, too: [].
    """
    if target.kind == "track":
        return []
    number = Counter(item.speaker for item in data.items.values() if item.speaker is not None)
    asked = set(number) if split is None else {data.items[key].speaker for fold in split.folds
                                               for key in split.ids(fold, "test")} - {None}
    one = sum(number[speaker] == 1 for speaker in asked)
    few = sum(1 < number[speaker] <= FEW for speaker in asked)
    lines = [f"{one} of {len(asked)} speakers have one utterance"] if one else []
    return lines + ([f"{few} of {len(asked)} speakers have two or three utterances"] if few else [])


def warnings_of(data: Dataset) -> list[str]:
    """What validation says of the default target."""
    target = learned_target(data.targets)
    lines = [found.describe(target.name) for found in confounds(data, target) if found.tells]
    if any(found.tells and found.field == "speaker" for found in confounds(data, target)):
        lines[0] += ". Features normalized per speaker lose it; folds that share speakers make use of it"
    after = {"one utterance": "normalized per speaker they are all alike",
             "two or three utterances": "too few to normalize per speaker"}
    return lines + [f"{line}: {text}" for line in few_utterances(data, target)
                    for end, text in after.items() if line.endswith(end)]
