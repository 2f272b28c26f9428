"""How far the confidences of words can be trusted, and a map that mends them.

A word of a hypothesis is right where the alignment gives it the same word of the reference; deleted words have no
confidence. The calibration error and the AUC come from a histogram, see steps/scoring/metrics.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from steps.asr.decode.hypothesis import EDGE, calibrated
from steps.asr.error_rate import Transcript
from steps.scoring.calibration import fit_platt
from steps.scoring.metrics import confidence_histogram
from utils.errors import UserError
from utils.files import write_json

UNCALIBRATED = (1.0, 0.0)  # leaves a confidence as it is


def gather(transcripts: Iterable[Transcript],
           confidences: Iterable[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Confidences (N,) of all words of the hypotheses, and whether they are right (N,) bool.

    Args:
        confidences: of each transcript's words; an utterance that has none for its words is left out.
    """
    values: list[float] = []
    right: list[bool] = []
    for transcript, mine in zip(transcripts, confidences, strict=True):
        if len(mine) == len(transcript.right):
            values += mine
            right += transcript.right
    return np.array(values, dtype=np.float64), np.array(right, dtype=bool)


def histogram(confidences: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """What a row of results keeps of the confidences; None where no word has one."""
    return confidence_histogram(confidences, right) if len(confidences) else None


def fit_calibration(confidences: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """(a, b) so that 1 / (1 + exp(-(a logit(c) + b))) is the chance that a word of confidence c is right.

    Platt scaling (Platt 1999) of the confidence's logit, to be learned on the dev part.

    Raises:
        UserError: there is no word.
    """
    if not len(confidences):
        raise UserError("calibration: no word of the part has a confidence; decode it with --method prefix or graph")
    inside = np.clip(np.asarray(confidences, dtype=np.float64), EDGE, 1 - EDGE)
    a, b = fit_platt(np.log(inside / (1 - inside)), np.asarray(right, dtype=np.int64))
    return -a, -b


def apply_calibration(confidences: np.ndarray, calibration: Sequence[float]) -> np.ndarray:
    """Calibrated confidences (N,)."""
    return np.array([calibrated(float(value), calibration) for value in confidences])


def write_calibration(path: str | Path, calibration: Sequence[float]) -> None:
    """Write {"calibration": [a, b]}."""
    write_json(path, {"calibration": [float(value) for value in calibration]})
