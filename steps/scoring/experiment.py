"""The directory of one trained model, as other stages read it: its score tables and metrics.json.

    scores/<target>/<part>.tsv    see steps/scoring/scores.py
    metrics.json                  {"targets": {target: {"dev", "test": metrics, "temperature",
                                  "prior_scored": [ids], "log_prior": {class: value}, "threshold"}},
                                  and what holds for all of them: "chosen", "best_epoch",
                                  "parameters", "train_seconds", ...}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.files import read_json
from utils.shape import Maybe, Number

METRICS = "metrics.json"
AGAIN = "run the training stage again"
NUMBER = Number(0, 10**6, whole=True)
OF_TARGET = {  # as far as it is read
    "prior_scored?": [str], "threshold?": float, "temperature?": float,
    "test?": {"n": NUMBER, "UA?": float, "WA?": float, "MAF?": float}}
OF_ALL = {"chosen?": Maybe({str: Any}), "train_seconds?": float, "parameters?": Maybe(float),
          "best_epoch?": Maybe(float)}


def scores_path(directory: Path, target: str, part: str) -> Path:
    """Where the scores of a target lie."""
    return directory / "scores" / target / f"{part}.tsv"


def read_metrics(directory: Path, target: str) -> dict[str, Any]:
    """What metrics.json says of all targets and of this one; {} where there is none.

    A file as it was before there were targets says the same without "targets", of one target alone.

    Raises:
        DamagedFile: it is of another shape.
    """
    path = directory / METRICS
    if not path.is_file():
        return {}
    content = read_json(path, {**OF_ALL, "targets?": {str: OF_TARGET}}, AGAIN)
    if "targets" not in content:
        return read_json(path, {**OF_ALL, **OF_TARGET}, AGAIN)
    own = content.pop("targets").get(target, {})
    return {**content, **own}


@dataclass(frozen=True)
class Experiment:
    """One trained model: exp/<subsystem>/<protocol>/<variant>/fold<k>/seed<s>."""

    path: Path
    subsystem: str
    variant: str
    fold: int
    seed: int

    def scores(self, target: str, part: str) -> Path:
        """The table of a target; scores/<part>.tsv as it was before there were targets."""
        path = scores_path(self.path, target, part)
        earlier = path.parents[1] / path.name
        return earlier if earlier.is_file() and not path.is_file() else path

    def metrics(self, target: str) -> dict[str, Any]:
        """See `read_metrics`."""
        return read_metrics(self.path, target)
