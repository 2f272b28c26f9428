"""What is kept of a subsystem's scores: per fold, seed and speaker the counts or sums from which every metric,
interval and paired test is computed again, without the experiment. numpy only.

As JSON: {"kind": "confusion", "counts": {"<fold>/<seed>": {"<speaker>": "0:3 9 12:2"}}}: the non-zero cells of the
confusion matrix, row by row, cell 9 holding 1, with "positive", the number of the class whose F1 counts, where there is
one; or {"kind": "moments", "sums": {"<fold>/<seed>": {"<speaker>": [...]}}}, see `metrics.MOMENTS`, with four more
counts (reference x decision of "at least the threshold") where there is one, or with two more sums of tracks
(`metrics.ITEMS`, with "tracks": true); or {"kind": "errors", "counts":
{"<fold>/<seed>": {"<speaker>": [...]}}, "confidence": [[bin, ...], ...]} of transcripts, see `metrics.ERRORS` and
`metrics.confidence_histogram` (the bins that hold words; absent without confidences).
Unknown speakers are all called "?".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steps.scoring import metrics, statistics
from utils.corpus import Target

UNKNOWN = "?"
Key = tuple[int, int]  # fold, seed


@dataclass
class Summary:
    """Counts (C, C) or sums (7, 9 or 11) of each fold and seed's speakers.

    Attributes:
        classes: number of classes; 0 for regression. threshold: of a binary reading of a regression, or None.
        transcripts: whether errors of transcripts are counted. confidence: histogram of their words, or None.
        positive: number of the class for F1, or None. tracks: whether an item has many values.
    """

    classes: int = 0
    threshold: float | None = None
    cells: dict[Key, dict[str, np.ndarray]] = field(default_factory=dict)
    transcripts: bool = False
    confidence: np.ndarray | None = None
    positive: int | None = None
    tracks: bool = False

    @classmethod
    def of(cls, target: Target) -> Summary:
        """An empty one for a target."""
        positive = None if target.positive is None else target.classes.index(target.positive)
        return cls(len(target.classes), target.threshold, positive=positive, tracks=target.kind == "track")

    @property
    def folds(self) -> list[int]:
        return sorted({fold for fold, _ in self.cells})

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, seed in self.cells})

    @property
    def speakers(self) -> list[str]:
        return sorted({speaker for group in self.cells.values() for speaker in group})

    @property
    def known_speakers(self) -> int | None:
        """How many speakers; None where they are unknown."""
        speakers = self.speakers
        return None if UNKNOWN in speakers else len(speakers)

    @property
    def shape(self) -> tuple[int, ...]:
        if self.classes:
            return self.classes, self.classes
        if self.transcripts:
            return (len(metrics.ERRORS),)
        if self.tracks:
            return (len(metrics.MOMENTS) + len(metrics.ITEMS),)
        return (len(metrics.MOMENTS) + (4 if self.threshold is not None else 0),)

    def add_decisions(self, key: Key, speakers: Sequence[str | None], references: np.ndarray,
                      decisions: np.ndarray) -> None:
        """Count classification decisions; references < 0 are unlabelled."""
        names = np.array([UNKNOWN if speaker is None else speaker for speaker in speakers], dtype=object)
        group = self.cells.setdefault(key, {})
        for name in sorted(set(names)):
            mine = names == name
            group[name] = metrics.confusion(references[mine], decisions[mine], self.classes)

    def add_predictions(self, key: Key, speakers: Sequence[str | None], labels: np.ndarray,
                        predictions: np.ndarray) -> None:
        """Sum regression predictions; NaN labels are unlabelled. One entry a row (item or frame)."""
        names = np.array([UNKNOWN if speaker is None else speaker for speaker in speakers], dtype=object)
        group = self.cells.setdefault(key, {})
        for name in sorted(set(names)):
            mine = names == name
            sums = metrics.moments(labels[mine], predictions[mine])
            if self.threshold is not None:
                y, p = labels[mine], predictions[mine]
                reference = np.where(np.isnan(y), -1, (y >= self.threshold).astype(int))
                table = metrics.confusion(reference, (p >= self.threshold).astype(int), 2)
                sums = np.concatenate([sums, table.ravel()])
            group[name] = sums

    def add_tracks(self, key: Key, speakers: Sequence[str | None], items: Sequence[str], labels: np.ndarray,
                   predictions: np.ndarray) -> None:
        """As `add_predictions`, one entry a value; items: the item of each."""
        self.add_predictions(key, speakers, labels, predictions)
        names = np.array([UNKNOWN if speaker is None else speaker for speaker in speakers], dtype=object)
        of = np.array(items, dtype=object)
        for name, sums in self.cells[key].items():
            mine = names == name
            self.cells[key][name] = np.concatenate(
                [sums, metrics.item_sums(of[mine], labels[mine], predictions[mine])])

    def add_errors(self, key: Key, speakers: Sequence[str | None], counts: np.ndarray) -> None:
        """Sum the errors of utterances (N, 6), see metrics.ERRORS."""
        group = self.cells.setdefault(key, {})
        for speaker, count in zip(speakers, counts, strict=True):
            name = UNKNOWN if speaker is None else speaker
            group[name] = group.get(name, 0) + np.asarray(count, dtype=np.int64)

    def values(self, statistic: np.ndarray) -> dict[str, np.ndarray]:
        """Every metric of statistics (..., *shape)."""
        if self.classes:
            f1 = {} if self.positive is None else {"F1": metrics.f1(statistic)[..., self.positive]}
            return {**f1, **metrics.classification(statistic)}
        if self.transcripts:
            return metrics.transcription(statistic)
        if self.tracks:
            return metrics.track(statistic)
        found = metrics.regression(statistic[..., :len(metrics.MOMENTS)])
        if self.threshold is not None:
            table = statistic[..., len(metrics.MOMENTS):]
            found["F1"] = metrics.binary_f1(table.reshape(*table.shape[:-1], 2, 2))
        return found

    def by_speaker(self) -> np.ndarray:
        """Statistics pooled over folds (seeds, speakers, *shape)."""
        speakers = {name: index for index, name in enumerate(self.speakers)}
        seeds = {seed: index for index, seed in enumerate(self.seeds)}
        pooled = np.zeros((len(seeds), len(speakers), *self.shape))
        for (_, seed), group in self.cells.items():
            for speaker, cell in group.items():
                pooled[seeds[seed], speakers[speaker]] += cell
        return pooled

    def pooled(self) -> np.ndarray:
        """Statistics of each seed over all folds and speakers (seeds, *shape)."""
        return self.by_speaker().sum(axis=1)

    @property
    def labelled(self) -> int:
        """Labelled items (or frames, or words of the references) of a seed, pooled over folds."""
        total = self.pooled()
        if not len(total):
            return 0
        return round(float(total[0].sum() if self.classes else total[0][0]))

    def fold_values(self) -> dict[str, dict[str, float]]:
        """{fold: {metric: mean over seeds}}."""
        found = {}
        for fold in self.folds:
            stack = np.stack([sum(group.values(), np.zeros(self.shape)) for key, group in sorted(self.cells.items())
                              if key[0] == fold])
            found[str(fold)] = {name: plain(value.mean()) for name, value in self.values(stack).items()}
        return found

    def to_json(self) -> dict[str, Any]:
        if self.classes:
            positive = {} if self.positive is None else {"positive": self.positive}
            return {"kind": "confusion", **positive, "counts": self._entries(_pack)}
        if self.transcripts:
            return {"kind": "errors", "counts": self._entries(lambda counts: counts.tolist()),
                    **({} if self.confidence is None else {"confidence": _pack_histogram(self.confidence)})}
        threshold = {} if self.threshold is None else {"threshold": self.threshold}
        tracks = {"tracks": True} if self.tracks else {}
        return {"kind": "moments", **threshold, **tracks,
                "sums": self._entries(lambda sums: [plain(x, 9) for x in sums])}

    def _entries(self, pack: Any) -> dict[str, dict[str, Any]]:
        return {f"{fold}/{seed}": {speaker: pack(cell) for speaker, cell in sorted(group.items())}
                for (fold, seed), group in sorted(self.cells.items())}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], classes: int) -> Summary:
        confusion = content["kind"] == "confusion"
        summary = cls(classes, content.get("threshold"), transcripts=content["kind"] == "errors",
                      positive=content.get("positive"), tracks=content.get("tracks", False))
        if "confidence" in content:
            summary.confidence = _unpack_histogram(content["confidence"])
        for key, group in content["sums" if content["kind"] == "moments" else "counts"].items():
            fold, seed = key.split("/")
            summary.cells[int(fold), int(seed)] = {
                speaker: _unpack(cell, classes) if confusion else np.array(cell, dtype=np.float64)
                for speaker, cell in group.items()}
        return summary


def figures(summary: Summary) -> dict[str, Any]:
    """The part of a row of results that follows from its summary: metrics (mean over seeds of the scores pooled over
    folds), sd over seeds, intervals or why there are none, fold scores and, for classes, recall and precision."""
    if not summary.labelled:
        return {"metrics": {}, "sd": {}, "intervals": {}, "no_intervals": "no item is labelled", "fold_scores": {}}
    pooled = summary.pooled()
    values = summary.values(pooled)
    found: dict[str, Any] = {
        "metrics": {name: plain(value.mean()) for name, value in values.items()},
        "sd": {name: plain(value.std(ddof=1)) for name, value in values.items()} if len(pooled) > 1 else {},
        "intervals": {}}
    if summary.confidence is not None:
        found["metrics"] |= {name: plain(value) for name, value in metrics.confidence(summary.confidence).items()}
    reason = statistics.why_no_intervals(summary.known_speakers)
    if reason:
        found["no_intervals"] = reason
    else:
        intervals = statistics.jackknife(summary.by_speaker(), summary.values, metrics.SCALES, summary.labelled)
        found["intervals"] = {name: [plain(low), plain(high)] for name, (low, high) in intervals.items()}
    found["fold_scores"] = summary.fold_values()
    if summary.classes:
        detail = metrics.per_class(pooled)
        found["per_class"] = {name: [plain(value) for value in detail[name].mean(axis=0)]
                              for name in ("recall", "precision", "f1")}
    return found


def per_speaker(summary: Summary) -> dict[str, dict[str, float]]:
    """{metric: {speaker: value, mean over seeds}}: what the paired test compares.

    A speaker need not have every class, so UA and MAF of a speaker run over the classes in his own reference: the same
    classes for both systems. CCC of a speaker needs more than one label; MAE always exists, WER where he said a word.
    """
    statistic = summary.by_speaker()
    if summary.classes:
        present = statistic.sum(axis=-1) > 0  # (seeds, speakers, C)
        with np.errstate(invalid="ignore"):
            scores = np.where(present, metrics.f1(statistic), 0).sum(axis=-1) / present.sum(axis=-1)
        values = {"MAF": scores, "UA": metrics.ua(statistic), "WA": metrics.wa(statistic)}
    else:
        values = {name: value for name, value in summary.values(statistic).items() if name in ("CCC", "MAE", "WER")}
    return {name: dict(zip(summary.speakers, value.mean(axis=0).tolist(), strict=True))
            for name, value in values.items()}


def compare(system: Summary, reference: Summary) -> dict[str, Any] | None:
    """{metric: {difference, p, detectable}} of two summaries over the same speakers; None where speakers are unknown or
    differ. p is None where so few speakers cannot give one below 5 %; "smallest_p" is what they can."""
    if system.known_speakers is None or system.speakers != reference.speakers or not system.labelled:
        return None
    mine, theirs = per_speaker(system), per_speaker(reference)
    found: dict[str, Any] = {}
    for name in mine:
        test = statistics.sign_flip(np.array([mine[name][key] - theirs[name][key] for key in system.speakers]))
        if test.speakers:
            possible = test.smallest_p <= statistics.LEVEL  # else no outcome would be significant
            found[name] = {"difference": plain(test.difference), "p": plain(test.p, 9) if possible else None,
                           "speakers": test.speakers, "exact": test.exact, "detectable": plain(test.detectable),
                           **({} if possible else {"smallest_p": plain(test.smallest_p, 9)})}
    return found or None


def plain(value: Any, digits: int = 6) -> float | int | None:
    """A number for JSON: rounded, so that machines agree; whole numbers as integers; NaN as None."""
    value = round(float(value), digits)
    if value != value:
        return None
    return int(value) if value == int(value) else value


def _pack(counts: np.ndarray) -> str:
    flat = counts.ravel()
    return " ".join(f"{cell}:{flat[cell]}" if flat[cell] != 1 else str(cell) for cell in np.flatnonzero(flat).tolist())


def _pack_histogram(histogram: np.ndarray) -> list[list[float | int | None]]:
    return [[number, *(plain(value) for value in histogram[number])] for number in
            np.flatnonzero(histogram[:, 0]).tolist()]


def _unpack_histogram(rows: Sequence[Sequence[float]]) -> np.ndarray:
    histogram = np.zeros((metrics.CONFIDENCE_BINS, 3))
    for number, *values in rows:
        histogram[int(number)] = values
    return histogram


def _unpack(text: str, classes: int) -> np.ndarray:
    flat = np.zeros(classes * classes, dtype=np.int64)
    for token in text.split():
        cell, _, count = token.partition(":")
        flat[int(cell)] = int(count or 1)
    return flat.reshape(classes, classes)
