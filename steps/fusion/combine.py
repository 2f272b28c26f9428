"""A fusion of subsystems: calibrated log-posteriors of each in, calibrated log-posteriors out; or predictions of each
(numbers or tracks) in, their weighted mean out. numpy only.

Every way of fusing is one formula. Of an item's log-posteriors l[k, c] (subsystem k, class c)

    z[c] = sum over k of weights[k] * l[k, c] + biases[c]        log-posteriors = floor(log softmax(z / temperature))

Predictions are one column (C is 1), there are no classes, and z is the result.

`equal`: weights 1 / K, no biases. `simplex`: weights of sum 1, found for MAF, of predictions for CCC.
`logistic`: weights and biases found by multinomial logistic regression. model.json:

    {"how", "subsystems": [[name, variant], ...], "weights": [...], "biases": [...], "temperature", "classes", "chosen"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steps.scoring.calibration import apply_temperature
from utils.errors import UserError, reading
from utils.files import read_json, write_json
from utils.shape import Number, OneOf

HOWS = ("equal", "simplex", "logistic")  # also the order in which a tie on dev is decided: the least fitted first
OF_PREDICTIONS = ("equal", "simplex")
MODEL = "model.json"
AGAIN = "run steps/fuse_subsystems.sh again"
FORM = {"how": OneOf(*HOWS), "subsystems": [[str]], "classes": [str], "weights": [float], "biases": [float],
        "temperature": Number(1e-9, 1e9), "chosen?": {str: Any}}


@dataclass(frozen=True)
class Fusion:
    """See the module's text.

    Attributes:
        subsystems: (name, variant) of each. classes: () of predictions. weights: (K,). biases: (C,).
        chosen: what else was found on dev, for the report.
    """

    how: str
    subsystems: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    weights: np.ndarray
    biases: np.ndarray
    temperature: float = 1.0
    chosen: Mapping[str, float] = field(default_factory=dict)

    def logits(self, stacked: np.ndarray) -> np.ndarray:
        """(N, C) uncalibrated sums of stacked log-posteriors (N, K, C)."""
        return np.einsum("nkc,k->nc", np.asarray(stacked, dtype=np.float64), self.weights) + self.biases

    def combine(self, stacked: np.ndarray) -> np.ndarray:
        """Log-posteriors (N, C) of stacked log-posteriors (N, K, C), subsystems in the order of `subsystems`; or (N, 1)
        of stacked predictions (N, K, 1)."""
        if not self.classes:
            return self.logits(stacked)
        return apply_temperature(self.logits(stacked), self.temperature)

    def log_posteriors(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Log-posteriors (N, C) of {subsystem: (N, C)}; subsystems that are not fused are ignored.

        Raises:
            UserError: a subsystem is missing, or its table has another shape.
        """
        names = [name for name, _ in self.subsystems]
        missing = [name for name in names if name not in scores]
        if missing:
            raise UserError(f"the fusion of {', '.join(names)} needs the scores of {', '.join(missing)} too")
        tables = [np.asarray(scores[name], dtype=np.float64) for name in names]
        for name, table in zip(names, tables, strict=True):
            if table.shape != (len(tables[0]), len(self.classes)):
                raise UserError(f"the scores of {name} have the shape {table.shape}; the fusion expects "
                                f"{(len(tables[0]), len(self.classes))}: items and {', '.join(self.classes)}")
        return self.combine(np.stack(tables, axis=1))

    def save(self, directory: Path, name: str = MODEL) -> None:
        """Write model.json."""
        write_json(directory / name, {
            "how": self.how, "subsystems": [list(member) for member in self.subsystems],
            "weights": self.weights.tolist(), "biases": self.biases.tolist(), "temperature": self.temperature,
            "classes": list(self.classes), "chosen": dict(self.chosen)})

    @classmethod
    def load(cls, directory: Path, name: str = MODEL) -> Fusion:
        """Read model.json, or what `save` wrote by another name.

        Raises:
            UserError: there is none, or it is no fusion.
        """
        path = Path(directory) / name
        if not path.is_file():
            raise UserError(f"{path} does not exist; run steps/fuse_subsystems.sh")
        with reading(path, AGAIN):
            content = read_json(path, FORM, AGAIN)
            fusion = cls(content["how"], tuple((name, variant) for name, variant in content["subsystems"]),
                         tuple(content["classes"]), np.array(content["weights"], dtype=np.float64),
                         np.array(content["biases"], dtype=np.float64), float(content["temperature"]),
                         content.get("chosen", {}))
        if fusion.weights.shape != (len(fusion.subsystems),) or fusion.biases.shape != (len(fusion.classes) or 1,):
            raise UserError(f"{path} has {len(fusion.subsystems)} subsystems and {len(fusion.classes)} classes, but "
                            f"weights {fusion.weights.shape} and biases {fusion.biases.shape}")
        return fusion
