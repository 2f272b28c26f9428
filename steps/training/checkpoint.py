"""Checkpoints: tensors in safetensors, the rest in JSON, one directory that is replaced as a whole. No pickle.

    checkpoint/state.json              counters, curve, best metric, optimizer's scalars, what was asked for
    checkpoint/model.safetensors       the weights now
    checkpoint/optimizer.safetensors   the optimizer's tensors, named <parameter>/<state>
    checkpoint/best.safetensors        the weights of the best epoch so far
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from utils.arrays import AGAIN, tensor_shapes
from utils.errors import UserError, reading
from utils.files import atomic_directory, read_json, recover_directory, write_json
from utils.renamed import present_path, present_tensors

STATE = "state.json"


def save(directory: Path, state: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]],
         unchanged: tuple[str, ...] = ()) -> None:
    """Replace the checkpoint.

    Args:
        state: JSON values.
        tensors: file name without suffix -> name -> tensor.
        unchanged: files of the checkpoint that is there now which stay as they are (linked, not written again).
    """
    with atomic_directory(directory) as new:
        for name, content in tensors.items():
            save_file({key: value.detach().contiguous() for key, value in content.items()}, new / f"{name}.safetensors")
        for name in unchanged:
            os.link(directory / f"{name}.safetensors", new / f"{name}.safetensors")
        write_json(new / STATE, dict(state))


def load_state(directory: Path) -> dict[str, Any] | None:
    """The checkpoint's JSON; None where there is no checkpoint. Mends what a kill left half renamed."""
    if directory.parent.is_dir():
        recover_directory(directory)
    if not (directory / STATE).is_file():
        return None
    return read_json(directory / STATE, {str: Any}, f"remove {directory} to train anew")


def load_tensors(directory: Path, name: str, device: str = "cpu") -> dict[str, Tensor]:
    """The tensors of one file."""
    path = present_path(directory / f"{name}.safetensors")
    try:
        return present_tensors(load_file(path, device=device))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is damaged or missing ({error}); remove {directory} to train anew") from error


def load_module(build: Callable[[], nn.Module], path: Path, advice: str = AGAIN) -> nn.Module:
    """The network that `build` makes, with the weights of a safetensors file of anybody's.

    Its sizes come from files, too: it is built without memory first, and for good only if the file holds such weights.

    Raises:
        DamagedFile: other tensors, or values that are not finite; names the first tensor.
    """
    found = present_tensors(tensor_shapes(path, advice))
    with reading(path, advice, SafetensorError):
        # Before torch 2.0 a device is no context: then the network is built with its memory.
        with torch.device("meta") if hasattr(torch.device, "__enter__") else contextlib.nullcontext():
            wanted = {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                raise ValueError(f"{name} has the shape {found.get(name)}, the configuration says {wanted.get(name)}")
        tensors = present_tensors(load_file(path))
        for name, tensor in tensors.items():
            if not torch.isfinite(tensor).all():
                raise ValueError(f"{name} holds values that are not finite")
        model = build()
        model.load_state_dict(tensors)
    return model


def split_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's state as (tensors, JSON values): tensors of no dimension (step counts) go with the values."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for number, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor) and value.dim() > 0:
                tensors[f"{number}/{key}"] = value
            else:
                scalars.setdefault(str(number), {})[key] = float(value) if isinstance(value, Tensor) else value
    return tensors, {"scalars": scalars, "groups": state["param_groups"]}


def join_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Give an optimizer back what `split_optimizer` took apart."""
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, key = name.split("/", 1)
        state.setdefault(int(number), {})[key] = tensor
    for number, entries in values["scalars"].items():
        for key, value in entries.items():
            # The optimizers of torch hold their step count as a float tensor.
            state.setdefault(int(number), {})[key] = torch.tensor(value) if key == "step" else value
    optimizer.load_state_dict({"state": state, "param_groups": values["groups"]})
