"""An exported model in use:

    from steps.inference.model import EmotionModel
    model = EmotionModel.open("model")
    print(model.classify("a.wav")["emotion"])

A record is plain values, ready for JSON:

    {"file", "emotion", "posteriors": {class: p}, "subsystems": {name: {class: p}}, "transcript", "seconds"}

and, where they say something,

    "notes"     what is to be said of the sound: digital silence, channels that cancel, bytes that were not read, ...
    "prior"     {subsystem: why it knows the class prior only}
    "speaker"   the speaker who gave the statistics of normalization ("average": the average training speaker,
                for lack of utterances of one speaker)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.components.directory import ABOUT, ADVICE, AVERAGE, FUSION, SUBSYSTEMS, check, read_about
from steps.data.audio import RATE, Recording, Remark, TooLong, read_sound, remarks_of, show_path
from steps.data.dataset import Item
from steps.experiments.apply import TrainedExperiment, speaker_statistics
from steps.features.normalize import Normalizer
from steps.inference.listener import Heard, Listener
from steps.inference.windows import Windows, starts_of, windows_of
from utils.errors import UserError

if TYPE_CHECKING:
    from steps.fusion.combine import Fusion

    Record = dict[str, Any]
    Learned = Mapping[str, Mapping[str, Normalizer]]

BLOCK = 32  # recordings that are scored together
LONGEST = 300  # seconds; what a recognizer's attention takes grows by their square
FEWEST = 5  # utterances of a speaker from which his own mean and deviation are worth more than the average speaker's
MOST = 1000  # windows of a recording that its speaker's mean and deviation are learned from
NOBODY = "-"  # stands for a speaker of whom too little is known


@dataclass(frozen=True)
class Subsystem:
    """One member of a model.

    Attributes:
        features: their name; None for a kind that reads the transcript.
        average: statistics of the average training speaker, for per-speaker normalization; else None.
    """

    name: str
    experiment: TrainedExperiment
    features: str | None
    average: Normalizer | None = None

    def log_posteriors(self, items: Sequence[Item], heard: Sequence[Heard],
                       known: Mapping[str, Normalizer]) -> np.ndarray:
        """(N, C) natural log; `known` are speakers with statistics of their own, beside NOBODY."""
        if self.features is None:
            return self.experiment.log_posteriors(items)
        rows = [one.features.get(self.features) for one in heard]
        if self.average is None:
            return self.experiment.log_posteriors(items, rows)
        return self.experiment.log_posteriors(items, rows, {NOBODY: self.average, **known})

    def learn(self, heard: Sequence[Heard]) -> dict[str, Normalizer]:
        """Statistics of each speaker; none where nothing is normalized by speaker, or has features."""
        known = [] if self.average is None else [one for one in heard if self.features in one.features]
        if not known:
            return {}
        items = [Item(id=str(number), speaker=one.speaker) for number, one in enumerate(known)]
        return speaker_statistics(items, [one.features[str(self.features)] for one in known])


class EmotionModel:
    """Open it with `EmotionModel.open`.

    Attributes:
        about: model.yaml. classes: in the order of the tables. subsystems: by name.
        by_speaker: whether features are normalized by speaker, so that several utterances of one are wanted.
    """

    def __init__(self, about: dict[str, Any], listener: Listener, subsystems: Sequence[Subsystem],
                 fusion: Fusion | None):
        self.about, self.listener, self.fusion = about, listener, fusion
        self.classes: list[str] = list(about["classes"])
        self.subsystems = {subsystem.name: subsystem for subsystem in subsystems}
        self.by_speaker = any(subsystem.average is not None for subsystem in subsystems)

    @classmethod
    def open(cls, directory: str | Path, transcribe: bool = True) -> EmotionModel:
        """
        Args:
            transcribe: False: no transcript, unless a subsystem reads it.

        Raises:
            UserError: no model there, one of another format, or a damaged file.
        """
        directory = Path(directory)
        about = read_about(directory)
        check(directory)
        subsystems = [open_subsystem(directory / SUBSYSTEMS / name, about, name) for name in about["subsystems"]]
        reads = any(subsystem.features is None for subsystem in subsystems)
        if reads and not about.get("recognizer"):
            raise UserError(f"{directory / ABOUT}: a subsystem reads the transcript, and recognizer is null; {ADVICE}")
        fusion = open_fusion(directory, about) if about["fusion"] else None
        return cls(about, Listener.open(directory, about, transcribe or reads), subsystems, fusion)

    def classify(self, path: str | Path, speaker: str | None = None) -> Record:
        """
        Raises:
            UserError: not audio that can be read.
        """
        return self.score([self.hear(path, speaker)])[0]

    def classify_many(self, paths: Iterable[str | Path], speakers: Iterable[str | None] | None = None,
                      threads: int = 1) -> Iterator[Record]:
        """A record for each path, in their order; {"file", "error"} for one that cannot be read.

        Args:
            speakers: of each path. A model with per-speaker normalization hears all recordings before it gives the
                first record: the statistics of a speaker are those of all of his.
            threads: recordings that are heard at the same time.
        """
        queue = iter([(path, None) for path in paths] if speakers is None else zip(paths, speakers, strict=True))
        with ThreadPoolExecutor(threads) as pool:
            while block := list(queue) if self.by_speaker else list(islice(queue, BLOCK)):
                found = list(pool.map(self._try_to_hear, block))
                heard = [one for one in found if isinstance(one, Heard)]
                records = iter(self.score(heard))
                yield from (next(records) if isinstance(one, Heard) else one for one in found)

    def windows(self, path: str | Path, window: float = 3.0, shift: float = 1.0, speaker: str | None = None,
                threads: int = 1) -> Record:
        """A long recording in windows: {"file", "seconds", "emotion", "posteriors", "windows": [...]}.

        A window's record has "start" and "end" (seconds); the posteriors of the whole are the mean over its windows.
        The recording is read twice from front to end, and never held as a whole. A model with per-speaker
        normalization learns from all windows, of more than MOST from so many that are spread over the recording.

        Raises:
            UserError: not audio that can be read.
        """
        recording = Recording(path)
        survey = recording.survey()
        length, speaker = survey.length(), speaker or str(path)
        size, step = max(1, round(window * RATE)), max(1, round(shift * RATE))
        number = len(starts_of(length, size, step))

        def heard(every: int = 1) -> Iterator[list[tuple[int, Heard]]]:
            """Blocks of windows with where they start; of `every` windows the first."""
            cut = islice(windows_of(recording.resampled(survey.channel), length, size, step), 0, None, every)
            while block := list(islice(cut, BLOCK)):
                yield list(pool.map(lambda one: (one[0], self._listen(f"{path} {one[0]}", one[1], speaker)), block))

        found = Windows(self.classes, list(self.subsystems))
        with ThreadPoolExecutor(threads) as pool:
            blocks: Iterable[list[tuple[int, Heard]]] = heard()
            learned = None
            if self.by_speaker:
                # Statistics come before the first score: of few windows what was heard is kept, many are heard twice.
                every = -(-number // MOST)
                sample = list(heard(every))
                learned = self.learn([one for block in sample for _, one in block])
                blocks = sample if every == 1 else blocks
            for block in blocks:
                for (start, _), record in zip(block, self.score([one for _, one in block], learned), strict=True):
                    begin = start / RATE
                    end = round(begin + record.pop("seconds"), 3)
                    del record["file"]
                    found.append(round(begin, 3), end, record)
        mean = found.scores[:, 0].mean(axis=0)
        notes = list(map(str, survey.remarks))
        return {"file": str(path), "seconds": round(length / RATE, 3),
                "emotion": self.classes[int(mean.argmax())],
                "posteriors": dict(zip(self.classes, mean.tolist(), strict=True)),
                **({"notes": notes} if notes else {}), "windows": found}

    def hear(self, path: str | Path, speaker: str | None = None) -> Heard:
        """Features and transcript of one recording.

        Raises:
            UserError: not audio that can be read, or too long.
        """
        try:
            sound = read_sound(path, rate=RATE, longest=LONGEST)
        except TooLong as error:
            told = f"more than {LONGEST} s are no utterance; they" if error.seconds is None else (
                f"{error.seconds:.0f} s are no utterance; more than {LONGEST} s")
            raise UserError(f"{show_path(path)}: {told} are cut into windows (--timeline, EmotionModel.windows)"
                            ) from error
        return self._listen(str(path), sound.samples, speaker, sound.remarks)

    def _listen(self, key: str, samples: np.ndarray, speaker: str | None,
                remarks: Sequence[Remark] | None = None) -> Heard:
        """`remarks`: on the sound; None: it is looked at here."""
        heard = self.listener(key, samples, len(samples) / RATE, speaker)
        return replace(heard, notes=tuple(map(str, remarks_of(samples) if remarks is None else remarks)))

    def learn(self, heard: Sequence[Heard]) -> Learned:
        """Statistics of the one speaker of windows, by subsystem; none where too few were heard."""
        return {name: subsystem.learn(heard) for name, subsystem in self.subsystems.items()} if (
            len(heard) >= FEWEST) else {}

    def _try_to_hear(self, source: tuple[str | Path, str | None]) -> Heard | Record:
        try:
            return self.hear(*source)
        except UserError as error:
            return {"file": str(source[0]), "error": str(error)}
        except (RuntimeError, ValueError, MemoryError) as error:  # of a library; the other recordings are done
            return {"file": str(source[0]), "error": f"{source[0]}: cannot be processed ({error!s:.200})"}

    def score(self, heard: Sequence[Heard], learned: Learned | None = None) -> list[Record]:
        """The records of what was heard.

        Args:
            learned: statistics of speakers, by subsystem; None: they are learned from what was heard.
        """
        if not heard:
            return []
        counts = Counter(one.speaker for one in heard if one.speaker)
        known = {speaker for speaker, count in counts.items() if count >= FEWEST} if learned is None else {
            speaker for speakers in learned.values() for speaker in speakers}
        speakers = [one.speaker if one.speaker in known else NOBODY for one in heard]
        items = [item_of(one, speaker, str(number))
                 for number, (one, speaker) in enumerate(zip(heard, speakers, strict=True))]
        scores = {name: subsystem.log_posteriors(items, heard, (learned or {}).get(name, {}))
                  for name, subsystem in self.subsystems.items()}
        final = self.fusion.log_posteriors(scores) if self.fusion is not None else next(iter(scores.values()))
        return [self._record(heard[number], speakers[number], final[number],
                             {name: logp[number] for name, logp in scores.items()}) for number in range(len(heard))]

    def _record(self, heard: Heard, speaker: str, final: np.ndarray, scores: dict[str, np.ndarray]) -> Record:
        table = partial(posteriors, self.classes)
        record: Record = {
            "file": heard.key, "emotion": self.classes[int(final.argmax())], "posteriors": table(final),
            "subsystems": {name: table(logp) for name, logp in scores.items()},
            "transcript": None if heard.transcript is None else heard.transcript.text,
            "seconds": round(heard.seconds, 3)}
        prior = {name: self._reason(subsystem, heard) for name, subsystem in self.subsystems.items()}
        if any(prior.values()):
            record["prior"] = {name: reason for name, reason in prior.items() if reason}
        if self.by_speaker:
            record["speaker"] = "average" if speaker == NOBODY else speaker
        if heard.notes:
            record["notes"] = list(heard.notes)
        return record

    @staticmethod
    def _reason(subsystem: Subsystem, heard: Heard) -> str:
        """Why a subsystem has the class prior; "" where it does not."""
        if subsystem.features is None:
            return "" if heard.transcript is not None and heard.transcript.text else "nothing was recognized"
        return heard.failed.get(subsystem.features, "")


def open_subsystem(place: Path, about: dict[str, Any], name: str) -> Subsystem:
    """
    Raises:
        UserError: damaged, or another one than model.yaml describes.
    """
    told = about["subsystems"][name]
    features = told["features"]
    width = None if features is None else about["features"][features]["dim"]
    experiment = TrainedExperiment.open(place, inputs=width)
    for what, found, wanted in (("kind", experiment.run.kind, told["kind"]),
                                ("classes", experiment.classes, about["classes"]),
                                ("label", experiment.target, about["label"])):
        if found != wanted:
            raise UserError(f"{place}: {what} is not what {ABOUT} says of {name}; {ADVICE}")
    average = None
    if experiment.norm == "speaker":
        average = Normalizer.load(place / AVERAGE, width or "F", ADVICE)
    return Subsystem(name, experiment, features, average)


def open_fusion(directory: Path, about: dict[str, Any]) -> Fusion:
    """
    Raises:
        UserError: damaged, or of other subsystems or classes than model.yaml names.
    """
    from steps.fusion.combine import Fusion

    fusion = Fusion.load(directory / FUSION)
    if {name for name, _ in fusion.subsystems} != set(about["subsystems"]) or list(fusion.classes) != about["classes"]:
        raise UserError(f"{directory / FUSION}: it fuses other subsystems or classes than {ABOUT} names; {ADVICE}")
    return fusion


def item_of(heard: Heard, speaker: str, key: str) -> Item:
    """What a subsystem sees of a recording beside its features."""
    from steps.asr.transcripts.transcribe import fields_of

    fields = {"speaker": speaker, **fields_of(heard.transcript)}
    return Item(id=key, speaker=speaker, duration=heard.seconds, fields=fields)


def posteriors(classes: Sequence[str], logp: np.ndarray) -> dict[str, float]:
    return dict(zip(classes, np.exp(logp).tolist(), strict=True))
