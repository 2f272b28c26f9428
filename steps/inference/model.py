"""An exported model in use:

    from steps.inference.model import EmotionModel
    model = EmotionModel.open("model")
    print(model.classify("a.wav")["emotion"])

A record is plain values, ready for JSON:

    {"file", "emotion", "posteriors": {class: p}, "subsystems": {name: {class: p}}, "transcript", "seconds"}

of a model of numbers

    {"file", "phq8": number, "subsystems": {name: {"phq8": number}}, "transcript", "seconds"}

and, where they say something,

    "notes"     what is to be said of the sound: digital silence, channels that cancel, bytes that were not read, ...
    "prior"     {subsystem: why it knows the class prior, or the mean of the training part, only}
    "dialogue", "turn"    where it stands, of a model that reads dialogues
    "speaker"   the speaker who gave the statistics of normalization ("average": the average training speaker,
                for lack of utterances of one speaker)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.audio import RATE, Recording, Remark, TooLong, read_sound, remarks_of, show_path
from steps.data.dataset import Item
from steps.inference.graph import Graph, Heard
from steps.inference.nodes.subsystem import NOBODY
from steps.inference.outputs import outputs_of
from steps.inference.windows import Windows, starts_of, windows_of
from utils.errors import UserError

Record = dict[str, Any]
Learned = Mapping[str, Mapping[str, Any]]  # {node: {speaker: Normalizer}}
Turn = tuple[str | None, int | None]  # the dialogue, and the place in it

BLOCK = 32  # recordings that are scored together
LONGEST = 300  # seconds; what a recognizer's attention takes grows by their square
FEWEST = 5  # utterances of a speaker from which his own mean and deviation are worth more than the average speaker's
MOST = 1000  # windows of a recording that its speaker's mean and deviation are learned from


class EmotionModel:
    """Open it with `EmotionModel.open`.

    Attributes:
        graph: the nodes. outputs: what records say. subsystems: names of those that predict by themselves.
        by_speaker: whether features are normalized by speaker, so that several utterances of one are wanted.
        by_dialogue: whether it judges an utterance with the others of its dialogue.
    """

    def __init__(self, graph: Graph):
        self.graph, self.about = graph, graph.about
        self.outputs = outputs_of(graph.about["targets"])
        self.subsystems, self.by_speaker = graph.predictions, graph.by_speaker
        self.by_dialogue = graph.by_dialogue

    @classmethod
    def open(cls, directory: str | Path, transcribe: bool = True) -> EmotionModel:
        """
        Args:
            transcribe: False: no transcript, unless a subsystem reads it.

        Raises:
            UserError: no model there, one of another format or of tracks, or a damaged file.
        """
        graph = Graph.open(Path(directory), transcribe)
        if any(told["kind"] == "track" for told in graph.about["targets"].values()):
            raise UserError(f"{directory} predicts tracks: open it as a TrackModel (steps/inference/track_model.py)")
        return cls(graph)

    @property
    def classes(self) -> list[str]:
        """In the order of the tables."""
        return self.outputs.columns

    def classify(self, path: str | Path, speaker: str | None = None) -> Record:
        """
        Raises:
            UserError: not audio that can be read.
        """
        return self.score([self.hear(path, speaker)])[0]

    def classify_many(self, paths: Iterable[str | Path], speakers: Iterable[str | None] | None = None,
                      threads: int = 1, turns: Iterable[Turn] | None = None) -> Iterator[Record]:
        """A record for each path, in their order; {"file", "error"} for one that cannot be read.

        Args:
            speakers: of each path. A model with per-speaker normalization hears all recordings before it gives the
                first record: the statistics of a speaker are those of all of his.
            threads: recordings that are heard at the same time.
            turns: of each path (dialogue, turn), for a model that reads dialogues; it, too, hears all recordings first.
        """
        paths = list(paths)
        queue = zip(paths, [None] * len(paths) if speakers is None else speakers,
                    [(None, None)] * len(paths) if turns is None else turns, strict=True)
        with ThreadPoolExecutor(threads) as pool:
            while block := list(queue) if self.by_speaker or self.by_dialogue else list(islice(queue, BLOCK)):
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
                yield list(pool.map(lambda one: (one[0], replace(
                    self._listen(f"{path} {one[0]}", one[1], speaker), dialogue=str(path), turn=one[0])), block))

        found = Windows(self.outputs, self.subsystems)
        with ThreadPoolExecutor(threads) as pool:
            blocks: Iterable[list[tuple[int, Heard]]] = heard()
            learned = None
            if self.by_speaker:
                # Statistics come before the first score: of few windows what was heard is kept, many are heard twice.
                every = -(-number // MOST)
                sample = list(heard(every))
                learned = self.learn([one for block in sample for _, one in block])
                blocks = sample if every == 1 else blocks
            if self.by_dialogue:
                blocks = [[one for block in blocks for one in block]]
            for block in blocks:
                for (start, _), record in zip(block, self.score([one for _, one in block], learned), strict=True):
                    begin = start / RATE
                    end = round(begin + record.pop("seconds"), 3)
                    for key in ("file", "dialogue", "turn"):
                        record.pop(key, None)
                    found.append(round(begin, 3), end, record)
        notes = list(map(str, survey.remarks))
        return {"file": str(path), "seconds": round(length / RATE, 3), **self.outputs.mean(found.scores[:, 0]),
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
        heard = self.graph.hear(key, samples, len(samples) / RATE, speaker)
        return replace(heard, notes=tuple(map(str, remarks_of(samples) if remarks is None else remarks)))

    def learn(self, heard: Sequence[Heard]) -> Learned:
        """Statistics of the one speaker of windows, by subsystem; none where too few were heard."""
        return self.graph.learn(heard) if len(heard) >= FEWEST else {}

    def _try_to_hear(self, source: tuple[str | Path, str | None, Turn]) -> Heard | Record:
        try:
            dialogue, turn = source[2]
            return replace(self.hear(*source[:2]), dialogue=dialogue, turn=turn)
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
        items = [self._item(one, speaker, str(number))
                 for number, (one, speaker) in enumerate(zip(heard, speakers, strict=True))]
        found = {name: self.outputs.scores(told) for name, told in self.graph.judge(items, heard, learned).items()}
        return [self._record(one, speakers[number], {name: scores[number] for name, scores in found.items()})
                for number, one in enumerate(heard)]

    def _item(self, heard: Heard, speaker: str, key: str) -> Item:
        """What a subsystem sees of a recording beside its features."""
        from steps.asr.transcripts.transcribe import fields_of

        fields = {"speaker": speaker, **fields_of(self.graph.transcript(heard)),
                  **({} if heard.dialogue is None else {"dialogue": heard.dialogue, "turn": heard.turn})}
        return Item(id=key, speaker=speaker, dialogue=heard.dialogue, turn=heard.turn, duration=heard.seconds,
                    fields=fields)

    def _record(self, heard: Heard, speaker: str, scores: Mapping[str, np.ndarray]) -> Record:
        transcript = self.graph.transcript(heard)
        record: Record = {
            "file": heard.key, **self.outputs.told(scores[self.graph.result]),
            "subsystems": {name: self.outputs.table(scores[name]) for name in self.subsystems},
            "transcript": None if transcript is None else transcript.text,
            "seconds": round(heard.seconds, 3)}
        prior = {name: self.graph.missing(name, heard) for name in self.subsystems}
        if any(prior.values()):
            record["prior"] = {name: reason for name, reason in prior.items() if reason}
        if self.by_speaker:
            record["speaker"] = "average" if speaker == NOBODY else speaker
        if self.by_dialogue and heard.dialogue is not None:
            record |= {"dialogue": heard.dialogue, "turn": heard.turn}
        if heard.notes:
            record["notes"] = list(heard.notes)
        return record
