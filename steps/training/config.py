"""Options of the trainer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.config import option
from utils.errors import UsageError
from utils.renamed import renamed

# Options that never change a score: a run may be resumed with other values of these.
FREE_KEYS = ("training.checkpoint_every_seconds", "training.checkpoint_every_epochs",
             "training.checkpoint_every_batches", "training.tensorboard", "training.workers", "keep_model",
             "keep_embeddings")
# Options that were added later, with the value that means the earlier behavior: an identity leaves them out where
# they have this value, so that what was made before they existed stays valid. A group that holds nothing else is left
# out, too: model.encoder once held what differs from the defaults.
LATER_KEYS = {"training.targets": "labels", "training.per_unit": 0, "training.backbone_lr_scale": 1.0,
              "model.encoder": None, "model.encoder.dim": 96, "model.encoder.layers": 6, "model.encoder.heads": 4,
              "model.encoder.expansion": 4, "model.encoder.kernel": 15, "model.encoder.channels": 32,
              "model.encoder.dropout": 0.1, "training.objective": "supervised", "training.fixmatch": None,
              "self_training": None, "selection": "dev", "rules": ["one_against_rest"], "losses": ["hinge"]}
# The key of a task below which its configuration lies (steps/experiments/plan.py).
CONFIG = "config"
# Metrics of which less is better; of every other metric, more.
MINIMIZED = ("loss", "MAE", "error", "WER")


@dataclass
class OptimizerConfig:
    """The optimizer and its learning rate at the schedule's factor 1."""

    kind: str = option("adamw", choices=("adamw", "sgd"))
    learning_rate: float = option(1e-4, above=0.0, max=1000.0)
    weight_decay: float = option(0.0, min=0.0, max=1000.0)
    momentum: float = option(0.9, min=0.0, max=1.0, help="of sgd")


@dataclass
class ScheduleConfig:
    """How the learning rate changes; see schedule.factor."""

    kind: str = option("constant", choices=("constant", "step", "cosine", "warmup"))
    warmup_steps: int = option(0, min=0, max=10**9)
    step_epochs: int = option(20, min=1, max=10**6)
    step_factor: float = option(0.1, min=0.0, max=1.0)
    final: float = option(0.0, min=0.0, max=1.0, help="cosine: factor at the end")


@dataclass
class TrainingConfig:
    """How a network is trained.

    The best epoch is the one with the best `metric` on the dev part; training stops when it has not improved for
    `patience` epochs (0: never).
    """

    epochs: int = option(30, min=1, max=10**6)
    batch_size: int = option(64, min=1, max=10**6, help="items a step over all processes")
    accumulate: int = option(1, min=1, max=10**6, help="batches of each process that make one step")
    patience: int = option(0, min=0, max=10**6,
                           help="epochs without a better dev metric before training stops; 0: never stop")
    metric: str = option("UA", choices=("UA", "WA", "MAF", "loss", "CCC", "MAE", "F1", "error", "WER"))
    class_weights: str = option("balanced", choices=("balanced", "equal"))
    clip_norm: float = option(5.0, min=0.0, max=1e9, help="largest norm of the gradient; 0: not clipped")
    precision: str = option("auto", choices=("auto", "float32", "bf16"), help="auto: bf16 on a GPU, float32 on a CPU")
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    checkpoint_every_seconds: float = option(60.0, min=0.0, max=1e9, help="0: not by time")
    checkpoint_every_epochs: int = option(0, min=0, max=10**9, help="0: not by epochs")
    checkpoint_every_batches: int = option(0, min=0, max=10**9, help="0: not by batches")
    tensorboard: bool = option(True)


def identity(config: Any, key: str = "") -> dict[str, Any]:
    """The options that a result depends on, by their present names: without FREE_KEYS, and without LATER_KEYS at their
    earlier value.

    Args:
        config: a dataclass or mapping: a configuration, a part of one, or a task that holds one below `config`.
        key: dotted key of this part within the configuration ("training"); "" for the whole.
    """
    plain = dataclasses.asdict(config) if dataclasses.is_dataclass(config) else dict(config)  # type: ignore[call-overload]
    kept = {}
    # Below a task's own keys lies its configuration.
    for name, value in (plain if not key and CONFIG in plain else renamed(plain, f"{key}.".lstrip("."))).items():
        inner = "" if (key, name) == ("", CONFIG) else f"{key}.{name}".lstrip(".")
        value = identity(value, inner) if isinstance(value, dict) else value
        if inner in FREE_KEYS or (inner in LATER_KEYS and value in (LATER_KEYS[inner], {})):
            continue
        kept[name] = value
    return kept


def first_difference(before: Any, now: Any, prefix: str = "") -> tuple[str, Any, Any] | None:
    """The first key (dotted) in which two plain configurations differ, with both values; None if they are equal."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*now, *before]):
            found = first_difference(before.get(key), now.get(key), f"{prefix}{key}.")
            if found:
                return found
        return None
    same = list(before) == list(now) if isinstance(before, (list, tuple)) and isinstance(now, (list, tuple)) \
        else before == now
    return None if same else (prefix.rstrip("."), before, now)


def refuse(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """
    Raises:
        UsageError: the two configurations differ; names the key and both values.
    """
    difference = first_difference(identity(before), identity(now))  # what was stored may have earlier names
    if difference:
        key, old, new = difference
        raise UsageError(f"{where} was made with {key} = {old}, now {key} = {new}: "
                         "restore the value, or move that directory away")
