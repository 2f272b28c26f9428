"""Means of the weights of the last epochs; dev says of how many (Vaswani et al. 2017, section 6.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from steps.scoring.choice import middle_of_best
from utils.errors import UserError

if TYPE_CHECKING:
    from steps.asr.config import AsrConfig

Evaluate = Callable[[nn.Module], dict[str, float]]


def epoch_path(directory: Path, epoch: int) -> Path:
    """Where the weights of an epoch lie."""
    return directory / f"epoch-{epoch}.safetensors"


def average(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the weights in some files, summed in float64."""
    total: dict[str, Tensor] = {}
    for path in paths:
        for key, value in load_file(path).items():
            total[key] = total[key] + value.double() if key in total else value.double()
    return {key: (value / len(paths)).to(torch.float32) for key, value in total.items()}


def choose(model: nn.Module, directory: Path, config: AsrConfig,
           evaluate: Evaluate | None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The best average of last epochs on dev (without dev: of the most epochs); the model holds it afterwards.

    Returns:
        weights, and {"epochs": how many, "first", "last", "tried": {number: dev WER}}.

    Raises:
        UserError: no epoch is there.
    """
    epochs = sorted(int(path.stem.split("-")[1]) for path in directory.glob("epoch-*.safetensors"))
    if not epochs:
        raise UserError(f"{directory} holds no epoch to average; remove the experiment's directory and train again")
    tried: dict[int, float] = {}
    for count in sorted({min(count, len(epochs)) for count in config.average}):
        model.load_state_dict(average([epoch_path(directory, epoch) for epoch in epochs[-count:]]))
        model.eval()
        tried[count] = evaluate(model)["WER"] if evaluate is not None else -float(count)
    counts = list(tried)
    number = counts[middle_of_best(counts, [-rate for rate in tried.values()])]
    best = average([epoch_path(directory, epoch) for epoch in epochs[-number:]])
    model.load_state_dict(best)
    return best, {"epochs": number, "first": epochs[-number], "last": epochs[-1],
                  "tried": {str(count): round(value, 2) for count, value in tried.items()} if evaluate else {}}
