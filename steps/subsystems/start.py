"""A trained model that another network starts from (`--init MODEL`): its trunk is loaded, its heads are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arrays import arrays_digest
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from steps.data.trained_on import Record

TRUNK = "trunk."  # what the names of its tensors begin with


@dataclass(frozen=True)
class Start:
    """
    Attributes:
        tensors: of the trunk, without its name. model: the options that shape it, see `shape_of`. kind: of subsystem.
        features: {"kind", "dim", "options"} as the model read them. normalized: whether it wants normalized features.
        trained_on: records (steps/data/trained_on.py); None: it does not say.
    """

    path: Path
    name: str
    kind: str
    tensors: Mapping[str, np.ndarray]
    model: dict[str, Any]
    features: dict[str, Any]
    trained_on: list[Record] | None
    normalized: bool = True

    @property
    def about(self) -> dict[str, Any]:
        """What belongs to the identity of an experiment that starts from it."""
        return {"name": self.name, "fingerprint": arrays_digest(self.tensors, described=False)}

    def load_into(self, model: nn.Module) -> None:
        """Give `model.trunk` the weights.

        Raises:
            UserError: another shape; names the first tensor.
        """
        import torch

        own = model.trunk.state_dict()  # type: ignore[union-attr,operator]
        for key in sorted(own.keys() | self.tensors.keys()):
            mine, theirs = (tuple(one[key].shape) if key in one else None for one in (own, self.tensors))
            if mine != theirs:
                raise UserError(f"--init {self.path}: {TRUNK}{key} has the shape {theirs}, here it is {mine}: that is "
                                "another network")
        model.trunk.load_state_dict({key: torch.tensor(value) for key, value in self.tensors.items()})  # type: ignore[union-attr,operator]
