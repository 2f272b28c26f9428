"""Training steps (forward, backward, SGD) of our networks beside a library's ResNet; see tests/bench/pyresnet.sh.

All take turns within each round, on the same batch, so that a disturbance hits all of them; the best round of each
counts. On a CPU processor time decides, as other work on the machine counts little in it. --profile says where the time
of a step goes by kind of layer.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
CLASSES = 4
LAYOUTS = {"contiguous": "contiguous_format", "channels_last": "channels_last"}
PROFILED = ("aten::convolution", "aten::convolution_backward", "aten::batch_norm", "aten::native_batch_norm_backward",
            "aten::cudnn_batch_norm_backward", "aten::max_pool2d", "aten::max_pool2d_with_indices_backward",
            "aten::relu", "aten::threshold_backward", "aten::cat", "aten::_to_copy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=50, choices=(50, 101, 152))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--mel", type=int, default=128)
    parser.add_argument("--frames", type=int, default=115)
    parser.add_argument("--rounds", type=int, default=5, help="after one to warm up")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precisions", default="float32 bf16")
    parser.add_argument("--layouts", default="contiguous channels_last")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else "one thread"
    print(f"batch {arguments.batch} x {arguments.mel} mel x {arguments.frames} frames; {where}; torch "
          f"{torch.__version__}; load of the machine {load}")
    for precision in arguments.precisions.split():
        for layout in arguments.layouts.split():
            compare(arguments, precision, layout)


def compare(arguments: argparse.Namespace, precision: str, layout: str) -> None:
    steps = {name: training_step(model, arguments, precision, layout)
             for name, model in networks(arguments.depth).items()}
    for step in steps.values():
        step()
    best: dict[str, float] = dict.fromkeys(steps, float("inf"))
    for _ in range(arguments.rounds):
        for name, step in steps.items():
            best[name] = min(best[name], seconds(step, arguments.device))
    reference = list(best)[-1]
    for name, taken in best.items():
        ratio = f", {best[reference] / taken:.2f} of {reference}'s rate" if name != reference else ""
        print(f"{precision}, {layout}: {name}: {1000 * taken:.0f} ms a step, {arguments.batch / taken:.2f} utterances "
              f"a second{ratio}", flush=True)
    if arguments.profile:
        for name, step in steps.items():
            print(f"  {name}: {shares(step, arguments.device)}", flush=True)


def networks(depth: int) -> dict[str, Any]:
    """PyResNet, ResNet and the library's ResNet, which is the last: (N, T, F) -> (N, CLASSES)."""
    import torch

    from steps.models.spectrogram_network import SpectrogramNetwork, SpectrogramNetworkConfig

    class Ours(torch.nn.Module):
        def __init__(self, architecture: str):
            super().__init__()
            config = SpectrogramNetworkConfig(architecture, head="average")
            self.network = SpectrogramNetwork(128, {"emotion": CLASSES}, config)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x, torch.full((len(x),), x.shape[1], device=x.device))["emotion"]

    name, reference = library(depth)
    return {f"PyResNet-{depth}": Ours(f"pyresnet{depth}"), f"ResNet-{depth}": Ours(f"resnet{depth}"), name: reference}


def library(depth: int) -> tuple[str, Any]:
    """A library's ResNet with one channel of input."""
    import torch

    class OnFrames(torch.nn.Module):
        def __init__(self, trunk: Any, head: Any):
            super().__init__()
            self.trunk, self.head = trunk, head

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.trunk(x.transpose(1, 2)[:, None])
            return self.head(x if isinstance(x, torch.Tensor) else x.pooler_output.flatten(1))

    try:
        import torchvision

        trunk = getattr(torchvision.models, f"resnet{depth}")(num_classes=CLASSES)
        trunk.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        return f"torchvision's ResNet-{depth}", OnFrames(trunk, torch.nn.Identity())
    except (ImportError, RuntimeError):  # the latter: built for another torch
        pass
    try:
        from transformers import ResNetConfig, ResNetModel
    except ImportError:
        sys.exit("tests/bench/pyresnet.sh compares with torchvision or transformers; install one of them")
    depths = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}[depth]
    return (f"transformers' ResNet-{depth}",
            OnFrames(ResNetModel(ResNetConfig(num_channels=1, depths=depths)), torch.nn.Linear(2048, CLASSES)))


def training_step(model: Any, arguments: argparse.Namespace, precision: str, layout: str) -> Callable[[], None]:
    import torch

    torch.manual_seed(0)
    device = arguments.device
    x = torch.randn(arguments.batch, arguments.frames, arguments.mel, device=device)
    labels = torch.arange(arguments.batch, device=device) % CLASSES
    model = model.train().to(device).to(memory_format=getattr(torch, LAYOUTS[layout]))
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            loss = torch.nn.functional.cross_entropy(model(x).float(), labels)
        loss.backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], device: str) -> float:
    """Of processor time on a CPU, of the clock on a GPU."""
    import torch

    if device == "cpu":
        began = time.process_time()
        step()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def shares(step: Callable[[], None], device: str) -> str:
    """Where the time of a step goes: percents by kind of layer, forward and backward together."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with profile(activities=activities, record_shapes=True) as found:
        step()
    spent: dict[str, float] = defaultdict(float)
    every = 0.0
    for event in found.events():
        own = event.self_cpu_time_total if device == "cpu" else event.self_device_time_total
        every += own
        if event.name in PROFILED:
            spent[kind(event)] += event.cpu_time_total if device == "cpu" else event.device_time_total
    rest = every - sum(spent.values())
    table = sorted(spent.items(), key=lambda pair: -pair[1]) + [("everything else", rest)]
    return ", ".join(f"{name} {100 * share / every:.0f} %" for name, share in table if share >= 0.005 * every)


def kind(event: Any) -> str:
    """The kind of layer of a profiled operation; a convolution's by its kernel and groups."""
    name = event.name.removeprefix("aten::")
    if not name.startswith("convolution"):
        for word, known in (("batch_norm", "batch norm"), ("max_pool", "max-pool"), ("relu", "ReLU"),
                            ("threshold", "ReLU"), ("cat", "concatenation"), ("_to_copy", "copies")):
            if word in name:
                return known
    # (input, weight, ...), or (gradient, input, weight, ...) of the backward pass.
    x, weight = event.input_shapes[:2] if name == "convolution" else event.input_shapes[1:3]
    if x[1] == 1:
        return "stem"
    groups = x[1] // weight[1]
    size = f"{weight[2]}x{weight[3]}"
    return size if groups == 1 else f"{size} in {groups} groups"


if __name__ == "__main__":
    main()
