"""An exported model of tracks in use:

    from steps.inference.track_model import TrackModel
    model = TrackModel.open("model")
    print(model.predict("a.wav")["tracks"]["arousal"]["values"])

A record is plain values, ready for JSON: {"file", "seconds", "tracks": {target: {"step",
"values"}}}, and "notes", what is to be said of the sound. Value k holds from k * step to (k + 1) *
step seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.components.directory import ADVICE
from steps.data.audio import RATE, Recording, TooLong, read_sound
from steps.data.dataset import Item
from steps.inference.graph import Graph
from steps.inference.windows import windows_of
from utils.errors import UserError

LONGEST = 300.0  # seconds that are predicted at once; a longer recording is cut into pieces
PIECE = 60.0  # seconds

Record = dict[str, Any]


@dataclass(frozen=True)
class TrackModel:
    """Open it with `TrackModel.open`.

    Attributes:
        graph: the nodes. step: seconds between values.
    """

    graph: Graph
    step: float

    @property
    def targets(self) -> list[str]:
        """Their names, in the order of the tables."""
        return list(self.graph.about["targets"])

    @classmethod
    def open(cls, directory: str | Path) -> TrackModel:
        """
        Raises:
            UserError: no model there, one of another format, not of tracks, or a damaged file.
        """
        graph = Graph.open(Path(directory), transcribe=False)
        steps = {getattr(graph.nodes[name].experiment, "step", None)  # type: ignore[attr-defined]
                 for name in graph.predictions}
        if len(steps) != 1 or None in steps:
            raise UserError(f"{directory}: its subsystems predict no tracks, or such of several steps; {ADVICE}")
        return cls(graph, steps.pop())

    def predict_many(self, named: Iterable[tuple[str | Path, str | None]],
                     threads: int = 1) -> Iterator[Record]:
        """A record for each (path, speaker), in their order; {"file", "error"} for one that cannot
        be read.

        Args:
            threads: recordings that are heard at the same time.
        """
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(lambda source: self._try(*source), named)

    def predict(self, path: str | Path, speaker: str | None = None) -> Record:
        """The record of a recording of any length.

        Raises:
            UserError: not audio that can be read, or too short for features.
        """
        try:
            sound = read_sound(path, rate=RATE, longest=LONGEST)
        except TooLong:
            return self._predict_pieces(path, speaker)
        tracks = self._tracks(path, sound.samples, speaker)
        return self._record(path, len(sound.samples), tracks, list(map(str, sound.remarks)))

    def _predict_pieces(self, path: str | Path, speaker: str | None) -> Record:
        """As `predict`, in pieces that hold a whole number of values; bounded memory."""
        recording = Recording(path)
        survey = recording.survey()
        length, size = survey.length(), round(max(1, round(PIECE / self.step)) * self.step * RATE)
        pieces = [self._tracks(path, samples, speaker) for _, samples in
                  windows_of(recording.resampled(survey.channel), length, size, size)]
        tracks = {name: np.concatenate([piece[name] for piece in pieces]) for name in self.targets}
        return self._record(path, length, tracks, list(map(str, survey.remarks)))

    def _tracks(self, path: str | Path, samples: np.ndarray,
                speaker: str | None) -> dict[str, np.ndarray]:
        """{target: (T,)}, fused."""
        heard = self.graph.hear(str(path), samples, len(samples) / RATE, speaker)
        for name in self.graph.predictions:
            if reason := self.graph.missing(name, heard):
                raise UserError(f"{path}: {', '.join(self.graph.nodes[name].inputs)}: {reason}")
        item = Item(id=heard.key, speaker=speaker or heard.key, duration=heard.seconds)
        found = self.graph.judge([item], [heard])[self.graph.result]
        return {target: found[target][0] for target in self.targets}

    def _record(self, path: str | Path, samples: int, tracks: dict[str, np.ndarray],
                notes: Sequence[str]) -> Record:
        return {"file": str(path), "seconds": round(samples / RATE, 3),
                "tracks": {name: {"step": self.step, "values": track.tolist()}
                           for name, track in tracks.items()},
                **({"notes": list(notes)} if notes else {})}

    def _try(self, path: str | Path, speaker: str | None) -> Record:
        try:
            return self.predict(path, speaker)
        except UserError as error:
            return {"file": str(path), "error": str(error)}
        except (RuntimeError, ValueError, MemoryError) as error:  # of a library
            return {"file": str(path), "error": f"{path}: cannot be processed ({error!s:.200})"}
