"""What a model says of a recording: which keys of a record, which columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.errors import UserError

Record = dict[str, Any]
# Keys of a record that say something else, so that no number may be called so.
TAKEN = (
    "file",
    "seconds",
    "start",
    "end",
    "subsystems",
    "transcript",
    "notes",
    "prior",
    "speaker",
    "dialogue",
    "turn",
    "error",
    "windows",
    "picture",
)


@dataclass(frozen=True)
class Classes:
    """The posterior of each class, and the class that is decided.

    Attributes:
        columns: the classes. heading: columns of a table before them.
    """

    columns: list[str]
    heading: tuple[str, ...] = ("emotion",)

    def scores(self, found: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N, C) log-posteriors of {target: what a node says}."""
        [values] = found.values()
        return values

    def table(self, scores: np.ndarray) -> dict[str, float]:
        """{class: posterior} of log-posteriors (C,)."""
        return dict(zip(self.columns, np.exp(scores).tolist(), strict=True))

    def told(self, scores: np.ndarray) -> Record:
        """What a record says of log-posteriors (C,)."""
        return {"emotion": self.columns[int(scores.argmax())], "posteriors": self.table(scores)}

    def mean(self, values: np.ndarray) -> Record:
        """What a record says of the mean of posteriors (N, C)."""
        mean = values.mean(axis=0)
        return {
            "emotion": self.columns[int(mean.argmax())],
            "posteriors": dict(zip(self.columns, mean.tolist(), strict=True)),
        }

    def values(self, record: Mapping[str, Any]) -> Mapping[str, float]:
        """{class: posterior} of a record; {} of one that is an error."""
        return record.get("posteriors", {})

    def words(self, record: Mapping[str, Any]) -> Record:
        """A record without its numbers."""
        return {
            key: value for key, value in record.items() if key not in ("posteriors", "subsystems")
        }

    def restored(self, values: Record, words: Record) -> Record:
        """The first keys of a record, of its `values` and `words`."""
        return {"emotion": words.pop("emotion"), "posteriors": values}

    def picture(self, record: Mapping[str, Any], shift: float) -> str:  # noqa: ARG002 - as Numbers
        """SVG of a recording in windows."""
        from steps.inference.picture import timeline

        return timeline(record, self.columns)


@dataclass(frozen=True)
class Numbers:
    """A number of each target, in its own unit.

    Attributes:
        columns: the targets. heading: columns of a table before them.
    """

    columns: list[str]
    heading: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.columns:
            if name in TAKEN:
                raise UserError(
                    f"a target is called {name}, as another key of a record; rename it"
                )

    def scores(self, found: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N, targets) of {target: (N, 1)}."""
        return np.concatenate([found[name] for name in self.columns], axis=1)

    def table(self, scores: np.ndarray) -> dict[str, float]:
        """{target: number} of (targets,)."""
        return dict(zip(self.columns, scores.tolist(), strict=True))

    def told(self, scores: np.ndarray) -> Record:
        return self.table(scores)

    def mean(self, values: np.ndarray) -> Record:
        return self.table(values.mean(axis=0))

    def values(self, record: Mapping[str, Any]) -> Mapping[str, float]:
        return {name: record[name] for name in self.columns if name in record}

    def words(self, record: Mapping[str, Any]) -> Record:
        return {
            key: value for key, value in record.items() if key not in (*self.columns, "subsystems")
        }

    def restored(self, values: Record, words: Record) -> Record:  # noqa: ARG002 - as Classes
        return values

    def picture(self, record: Mapping[str, Any], shift: float) -> str:
        """SVG of a curve a target; a window stands for `shift` seconds."""
        from steps.inference.track_picture import track_timeline

        curves = {
            name: {"step": shift, "values": [window[name] for window in record["windows"]]}
            for name in self.columns
        }
        return track_timeline({**record, "tracks": curves})


Outputs = Classes | Numbers


def outputs_of(targets: Mapping[str, Mapping[str, Any]]) -> Outputs:
    """
    Args:
        targets: of model.yaml, all of one kind.
    """
    classes: Sequence[str] = next(iter(targets.values())).get("classes", ())
    return Classes(list(classes)) if classes else Numbers(list(targets))
