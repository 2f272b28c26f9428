"""Several processes training one model (torchrun), and the settings of one process.

`launch(n)` gives the command prefix; torchrun's `--standalone` takes a free port, so that two trainings on one machine
never meet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from steps.training.objective import Objective


@dataclass(frozen=True)
class World:
    """This process among the processes that train one model."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0


def launch(processes: int) -> list[str]:
    """Command prefix that starts `processes` copies of `python -m module ...` on this machine; [python] for one."""
    if processes <= 1:
        return [sys.executable]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]


def start(device: str = "auto") -> World:
    """Set threads and determinism, and join the other processes if torchrun started this one.

    Args:
        device: cpu, cuda or auto (cuda where there is one).
    """
    # The threads of a task are shared by the processes that torchrun started in it.
    together = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
    torch.set_num_threads(max(1, int(os.environ.get("EMOTION_NUM_THREADS") or 1) // together))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    cuda = torch.cuda.is_available() if device == "auto" else device.startswith("cuda")
    if cuda:
        index = int(os.environ.get("LOCAL_RANK", 0))
        torch.cuda.set_device(index)
        device = f"cuda:{index}"
    else:
        device = "cpu"
    if size > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if cuda else "gloo")
    return World(rank, size, device)


def stop() -> None:
    """Leave the process group."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def total_each(values: Mapping[str, Any], world: World) -> dict[str, Tensor]:
    """The sums over all processes of named numbers (tensors or plain), as float64 on this process's device."""
    tensors = [torch.as_tensor(value, dtype=torch.float64, device=world.device).detach() for value in values.values()]
    if world.size > 1:
        packed = torch.stack(tensors)
        distributed.all_reduce(packed)
        tensors = list(packed)
    return dict(zip(values, tensors, strict=True))


def from_main(value: Any, world: World) -> Any:
    """The main process's value (plain Python), in every process."""
    if world.size == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def gathered(tensors: Mapping[str, Tensor], world: World) -> list[dict[str, Tensor]]:
    """Tensors of the same names, shapes and types in every process -> those of each process, by rank."""
    if world.size == 1:
        return [dict(tensors)]
    found: list[dict[str, Tensor]] = [{} for _ in range(world.size)]
    for name, tensor in tensors.items():
        each = [torch.empty_like(tensor, device=world.device) for _ in found]
        distributed.all_gather(each, tensor.detach().to(world.device).contiguous())
        for own, value in zip(found, each, strict=True):
            own[name] = value
    return found


class _Loss(nn.Module):
    """Makes an objective's loss the forward pass, which DistributedDataParallel watches."""

    def __init__(self, objective: Objective):
        super().__init__()
        self.network = objective.network  # the parameters with gradients to exchange
        self.objective = objective

    def forward(self, batch: Any) -> Any:
        return self.objective.loss(batch)


def parallel(objective: Objective, world: World) -> nn.Module:
    """The loss of an objective as a module to call, with gradients that the processes exchange."""
    loss = _Loss(objective)
    if world.size == 1:
        return loss
    devices = [torch.device(world.device).index] if world.device.startswith("cuda") else None
    return nn.parallel.DistributedDataParallel(loss, device_ids=devices)
