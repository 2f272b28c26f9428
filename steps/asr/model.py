"""The CTC recognizer as a network: normalization, Conformer, linear layer to the units, loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from steps.models.conformer import FEWEST_FRAMES, Conformer, ConformerConfig


class CtcLoss(Protocol):
    """What computes the loss: an engine (steps/asr/decode/engine)."""

    def ctc_loss(self, log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
        """log_probs (N, T, V), lengths (N,) -> (N,) nats, see Engine.ctc_loss."""


class CtcModel(nn.Module):
    """fbank (N, T, F) -> log-posteriors of the units (N, T', V).

    Args:
        inputs: features a frame F. units: number of units V, the blank (0) included.
        engine: what computes the loss; not needed to recognize.
        intermediate: weight of a second CTC loss half-way up the encoder, through the same output layer.
        states: number of phone states C of an alignment; 0 without one. A second output layer half-way up learns them,
            which tells a network that knows nothing yet where the sounds are; it serves training only.
        alignment: weight of that loss.

    The mean and deviation of the training features are buffers, so that a model directory needs nothing beside it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, inputs: int, units: int, config: ConformerConfig, engine: CtcLoss | None = None,
                 intermediate: float = 0.0, states: int = 0, alignment: float = 0.0):
        super().__init__()
        self.encoder = Conformer(inputs, config)
        self.output = nn.Linear(config.dim, units)
        self.engine, self.intermediate = engine, intermediate
        self.states = nn.Linear(config.dim, states) if states else None
        self.alignment = alignment
        self.half = max(1, config.layers // 2) if intermediate > 0 or states else None
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))

    def encode(self, features: Tensor, lengths: Tensor,
               also: int | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """(N, T, F), (N,) -> states (N, T', D), lengths (N,), states of layer `also`."""
        if features.shape[1] < FEWEST_FRAMES:
            features = nn.functional.pad(features, (0, 0, 0, FEWEST_FRAMES - features.shape[1]))
        return self.encoder((features - self.mean) / self.std, lengths, also)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, F), (N,) -> log-posteriors (N, T', V), lengths (N,)."""
        states, lengths, _ = self.encode(features, lengths)
        return self._log_posteriors(states), lengths

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The trainer's contract; items are output frames, so that the loss is a mean over frames.

        Args:
            batch: "features" (N, T, F), "lengths" (N,), "targets" (S,) units of all utterances, "target_lengths" (N,);
                with an alignment "states" (N, T'), -1 where it is not known.
        """
        assert self.engine is not None, "a model without an engine cannot be trained"
        states, lengths, between = self.encode(batch["features"], batch["lengths"], self.half)
        targets = [part.tolist() for part in batch["targets"].cpu().split(batch["target_lengths"].tolist())]
        frames = lengths.sum().clamp(min=1)
        last = self.engine.ctc_loss(self._log_posteriors(states), lengths, targets).sum() / frames
        result: dict[str, Any] = {"loss": last, "items": float(frames), "loss_ctc": last}
        if between is not None:
            half = self.engine.ctc_loss(self._log_posteriors(between), lengths, targets).sum() / frames
            result |= {"loss": (1 - self.intermediate) * last + self.intermediate * half, "loss_half": half}
            if self.states is not None:
                scores = self.states(between).float().transpose(1, 2)  # (N, C, T')
                aligned = nn.functional.cross_entropy(scores, batch["states"], ignore_index=-1, reduction="sum")
                aligned = aligned / frames
                result |= {"loss": result["loss"] + self.alignment * aligned, "loss_states": aligned}
        return result

    def _log_posteriors(self, states: Tensor) -> Tensor:
        return self.output(states).float().log_softmax(dim=-1)


def batch_of(features: Sequence[np.ndarray], targets: Sequence[Sequence[int]] = ()) -> dict[str, Tensor]:
    """Pad: "features" (N, T, F), "lengths" (N,), "targets" (S,) utterance after utterance, "target_lengths" (N,)."""
    lengths = torch.tensor([len(rows) for rows in features])
    padded = torch.zeros(len(features), int(lengths.max()), features[0].shape[1])
    for row, values in zip(padded, features, strict=True):
        row[:len(values)] = torch.from_numpy(np.array(values, dtype=np.float32))
    return {"features": padded, "lengths": lengths,
            "targets": torch.tensor([unit for target in targets for unit in target], dtype=torch.int64),
            "target_lengths": torch.tensor([len(target) for target in targets], dtype=torch.int64)}
