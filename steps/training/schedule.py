"""Learning-rate schedules as pure functions of the step, so that a resumed run has nothing to restore."""

from __future__ import annotations

import math

from steps.training.config import ScheduleConfig


def factor(config: ScheduleConfig, step: int, steps_per_epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by at `step` (counted from 0).

    constant: 1. step: `step_factor` once every `step_epochs` epochs. cosine: from 1 to `final` over all epochs.
    warmup: rises over the warm-up, then falls as 1/sqrt(step). Every kind rises linearly over the first
    `warmup_steps` steps.
    """
    warmup = max(config.warmup_steps, 1 if config.kind == "warmup" else 0)
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    epoch = step / max(1, steps_per_epoch)
    if config.kind == "step":
        return rise * config.step_factor ** int(epoch // config.step_epochs)
    if config.kind == "cosine":
        total = max(1, steps_per_epoch * epochs - warmup)
        progress = min(1.0, max(0, step - warmup) / total)
        return rise * (config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * progress)))
    if config.kind == "warmup":
        return min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))
    return rise
