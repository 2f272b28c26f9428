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

from steps.components.directory import ABOUT, ADVICE, FUSION, SUBSYSTEMS, check, read_about
from steps.data.audio import RATE, Recording, TooLong, read_sound
from steps.data.dataset import Item
from steps.experiments.apply_tracks import TrackExperiment
from steps.inference.listener import Listener
from steps.inference.windows import windows_of
from utils.errors import UserError

LONGEST = 300.0  # seconds that are predicted at once; a longer recording is cut into pieces
PIECE = 60.0  # seconds

Record = dict[str, Any]


@dataclass(frozen=True)
class TrackModel:
    """Open it with `TrackModel.open`.

    Attributes:
        about: model.yaml. subsystems: by name. weights: {target: {subsystem: weight in the mean}}.
    """

    about: dict[str, Any]
    listener: Listener
    subsystems: dict[str, TrackExperiment]
    weights: dict[str, dict[str, float]]

    @property
    def targets(self) -> list[str]:
        """Their names, in the order of the tables."""
        return list(self.about["tracks"])

    @property
    def step(self) -> float:
        """Seconds between values."""
        return next(iter(self.subsystems.values())).step

    @classmethod
    def open(cls, directory: str | Path) -> TrackModel:
        """
        Raises:
            UserError: no model there, one of another format, or a damaged file.
        """
        directory = Path(directory)
        about = read_about(directory)
        check(directory)
        subsystems = {name: TrackExperiment.open(directory / SUBSYSTEMS / name)
                      for name in about["subsystems"]}
        for name, one in subsystems.items():
            if one.targets != about["tracks"] or one.step != next(iter(subsystems.values())).step:
                raise UserError(f"{directory / SUBSYSTEMS / name}: it predicts other tracks than "
                                f"the model; {ADVICE}")
        return cls(about, Listener.open(directory, about, False), subsystems,
                   weights_of(directory, about))

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
        heard = self.listener(str(path), samples, len(samples) / RATE, speaker)
        item = Item(id=heard.key, speaker=speaker or heard.key, duration=heard.seconds)
        found: dict[str, dict[str, np.ndarray]] = {}
        for name, one in self.subsystems.items():
            features = self.about["subsystems"][name]["features"]
            if features in heard.failed:
                raise UserError(f"{path}: {features}: {heard.failed[features]}")
            shift = self.listener.extractors[features].frame_shift
            predicted = one.predict([item], [heard.features[features]], shift)
            found[name] = {target: tracks[0] for target, tracks in predicted.items()}
        return {target: sum((weight * found[name][target] for name, weight in weights.items()),
                            np.zeros(1)) for target, weights in self.weights.items()}

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


def weights_of(directory: Path, about: dict[str, Any]) -> dict[str, dict[str, float]]:
    """{target: {subsystem: weight}}; of a single subsystem 1.

    Raises:
        UserError: a fusion is missing, or of other subsystems than model.yaml names.
    """
    from steps.fusion.combine import MODEL, Fusion

    names = list(about["subsystems"])
    if not about["fusion"]:
        return {target: {names[0]: 1.0} for target in about["tracks"]}
    found = {}
    for number, target in enumerate(about["tracks"]):
        fusion = Fusion.load(directory / FUSION, MODEL if number == 0 else f"model.{target}.json")
        if {name for name, _ in fusion.subsystems} != set(names) or fusion.classes:
            raise UserError(f"{directory / FUSION}: it fuses other subsystems than {ABOUT} names; "
                            f"{ADVICE}")
        found[target] = {name: float(weight) for (name, _), weight
                         in zip(fusion.subsystems, fusion.weights, strict=True)}
    return found
