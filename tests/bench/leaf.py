"""LEAF beside SpeechBrain's with the same parameters, on real speech; see tests/bench/leaf.sh.

First what they compute: energies before PCEN, and the gradient of every parameter, at the
parameters that LEAF starts from and at others. Errors are relative to SpeechBrain's in float64. Of
energies: the norm of the difference over all frames and utterances by the norm, the worst band;
and the worst frame, where less than the floor counts as the floor. Of gradients: the same over
bands, and the worst value. Then the time: both take turns within each round, the best round of each
counts, and on a CPU processor time.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steps.models.band_energy import by_step
from steps.models.config import FrontEndConfig
from steps.models.front_end import FLOOR, HALF_WIDTH, RATE, FrontEnd, mel_filters

# Parameters of PCEN, ours: theirs, of which ours is the logarithm.
COMPRESSION = {"log_alpha": "alpha", "log_delta": "delta", "log_root": "root",
               "log_smooth": "ema._weights"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--stride", type=float, default=10.0, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=5, help="after one to warm up")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--profile", action="store_true", help="say where the time of ours goes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else "one thread"
    print(f"batch {arguments.batch} x {arguments.seconds:g} s, stride {arguments.stride:g} ms; "
          f"{where}; torch {torch.__version__}; load of the machine {os.getloadavg()[0]:.1f}")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    x = speech(arguments.batch, round(arguments.seconds * RATE)).to(arguments.device)
    for name, change in PARAMETERS.items():
        ours, theirs = pair(arguments.stride, arguments.device)
        change(ours, torch.Generator().manual_seed(0))
        hand_over(ours, theirs)
        gabor = ours.energies
        steps = by_step(gabor.filters().detach(), gabor.windows().detach(), ours.stride)
        shares = ", ".join(f"{len(bands)} of {step}" for step, bands in steps.items())
        print(f"\n{name}; bands by step: {shares}")
        compare(ours, theirs, x)
        measure(ours, theirs, x, arguments)


def pair(stride: float, device: str) -> tuple[FrontEnd, Any]:
    """Ours and theirs, without a bias of the pooling."""
    if "torchaudio" not in sys.modules:  # wanted for mel filters alone, and not easy to install
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")
        sys.modules["torchaudio"].functional = types.SimpleNamespace(  # type: ignore[attr-defined]
            melscale_fbanks=lambda **_: torch.from_numpy(mel_filters(40, 60, 7800)).float().T)
    from speechbrain.lobes.features import Leaf

    theirs = Leaf(40, window_stride=stride, in_channels=1, skip_transpose=True).to(device)
    theirs.pooling._bias.requires_grad_(False).zero_()
    return FrontEnd(FrontEndConfig(stride=stride)).to(device), theirs


def initial(ours: FrontEnd, random: torch.Generator) -> None:
    """As LEAF starts."""


def moved(ours: FrontEnd, random: torch.Generator) -> None:
    """Widths within a factor of 4, centers, windows and PCEN moved."""
    gabor, pcen = ours.energies, ours.compression
    with torch.no_grad():
        gabor.center.mul_(torch.empty(40).uniform_(0.9, 1.1, generator=random).to(gabor.center))
        factor = torch.empty(40).uniform_(-1.4, 1.4, generator=random).exp()
        gabor.width.mul_(factor.to(gabor.width))
        gabor.pooling.copy_(torch.empty(40).uniform_(0.2, 0.5, generator=random))
        for parameter in pcen.parameters():
            parameter.add_(torch.empty(40).uniform_(-0.3, 0.3, generator=random).to(parameter))


def extreme(ours: FrontEnd, random: torch.Generator) -> None:
    """Widths and windows over all that they may be, at centers in any order."""
    gabor = ours.energies
    with torch.no_grad():
        order = torch.randperm(40, generator=random).to(gabor.center.device)
        gabor.center.copy_(gabor.center[order])
        low, high = math.log(4 * HALF_WIDTH), math.log(gabor.taps * HALF_WIDTH)
        gabor.width.copy_(torch.empty(40).uniform_(low, high, generator=random).exp())
        low, high = math.log(2 / gabor.taps), math.log(0.5)
        gabor.pooling.copy_(torch.empty(40).uniform_(low, high, generator=random).exp())


PARAMETERS: dict[str, Callable[[FrontEnd, torch.Generator], None]] = {
    "initial parameters": initial, "moved parameters": moved,
    "narrow and wide filters and windows": extreme}


def hand_over(ours: FrontEnd, theirs: Any) -> None:
    """Our parameters into theirs."""
    with torch.no_grad():
        gabor = ours.energies
        theirs.complex_conv.kernel.copy_(torch.stack([gabor.center, gabor.width], dim=1))
        theirs.pooling.weights.copy_(gabor.pooling.view(1, 1, -1, 1))
        for name, other in COMPRESSION.items():
            value = ours.compression.get_parameter(name).exp()
            theirs.compression.get_parameter(other).copy_(value)


def energies(theirs: Any, x: Tensor) -> Tensor:
    """(N, T) -> (N, C, F) of theirs, before PCEN."""
    squares = theirs._squared_modulus_activation(theirs.complex_conv(x[:, None]))
    return theirs.pooling(squares)  # type: ignore[no-any-return]


def outputs(theirs: Any, x: Tensor) -> Tensor:
    """As its forward pass; in the precision of its weights."""
    found: Tensor = theirs.compression(energies(theirs, x).clamp(min=FLOOR))
    return found


def compare(ours: FrontEnd, theirs: Any, x: Tensor) -> None:
    """Ours, and theirs in float32, with theirs in float64."""
    lengths = torch.full((len(x),), x.shape[1], device=x.device)
    expected, right = in_float64(theirs, x)
    with torch.no_grad():
        found = {"ours": ours.energies(x, lengths), "SpeechBrain": energies(theirs, x)}
    for name, values in found.items():
        frame = ((values - expected).abs() / expected.clamp(min=FLOOR)).max().item()
        band = worst(values, expected, (0, 2))
        print(f"  energies, {name}: {band:.1e}; of one frame {frame:.1e}")
    step(lambda: ours(x, lengths)[0], ours)
    step(lambda: outputs(theirs, x), theirs)
    gabor = ours.energies
    own = {"center": gabor.center.grad, "width": gabor.width.grad, "pooling": gabor.pooling.grad,
           **{name: ours.compression.get_parameter(name).grad for name in COMPRESSION}}
    for name, values in {"ours": own, "SpeechBrain": gradients(theirs)}.items():
        errors = ", ".join(f"{key} {worst(values[key], right[key], (0,)):.1e}" for key in right)
        single = max(worst(values[key], right[key], ()) for key in right)
        print(f"  gradients, {name}: {errors}; of one value {single:.1e}")


def in_float64(theirs: Any, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Energies (N, C, F) and gradients."""
    truth = copy.deepcopy(theirs).double()
    truth.complex_conv.use_legacy_complex = True  # the other way is always in float32
    torch.set_default_dtype(torch.float64)
    try:
        step(lambda: outputs(truth, x.double()), truth)
        with torch.no_grad():
            return energies(truth, x.double()), gradients(truth)
    finally:
        torch.set_default_dtype(torch.float32)


def gradients(theirs: Any) -> dict[str, Tensor]:
    """Of their parameters, each under the name of ours."""
    kernel = theirs.complex_conv.kernel.grad
    found = {"center": kernel[:, 0], "width": kernel[:, 1],
             "pooling": theirs.pooling.weights.grad.flatten()}
    for name, other in COMPRESSION.items():
        parameter = theirs.compression.get_parameter(other)
        found[name] = parameter.detach() * parameter.grad
    return found


def worst(found: Tensor, expected: Tensor, axes: tuple[int, ...]) -> float:
    """Largest relative error, each the norm over the axes; without axes of single values."""
    if axes:
        return float(((found - expected).norm(dim=axes) / expected.norm(dim=axes)).max())
    return float(((found - expected) / expected).abs().max())


def step(forward: Callable[[], Tensor], module: torch.nn.Module) -> None:
    """Forward and backward, with a loss in which every value counts."""
    module.zero_grad()
    found = forward()
    weights = torch.linspace(-1, 2, found.numel(), device=found.device).view_as(found)
    (found * weights).mean().backward()


def measure(ours: FrontEnd, theirs: Any, x: Tensor, arguments: argparse.Namespace) -> None:
    lengths = torch.full((len(x),), x.shape[1], device=x.device)
    steps: dict[str, Callable[[], None]] = {
        "ours": lambda: step(lambda: ours(x, lengths)[0], ours),
        "SpeechBrain": lambda: step(lambda: theirs(x[:, None]), theirs)}
    best = dict.fromkeys(steps, math.inf)
    for turn in range(arguments.rounds + 1):
        for name, run in steps.items():
            seconds = timed(run, arguments.device)
            best[name] = min(best[name], seconds) if turn else math.inf
    print("  " + ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in best.items())
          + f": {best['SpeechBrain'] / best['ours']:.1f} times as fast")
    if arguments.profile:
        profile(steps["ours"])


def timed(run: Callable[[], None], device: str) -> float:
    if device == "cpu":
        start = time.process_time()
        run()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def profile(run: Callable[[], None]) -> None:
    """The operations that take most of a step."""
    with torch.profiler.profile() as found:
        run()
    events = sorted(found.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    shares = {event.key.removeprefix("aten::"): 100 * event.self_cpu_time_total / total
              for event in events[:8]}
    print("  of ours: " + ", ".join(f"{name} {share:.0f} %" for name, share in shares.items()))


def speech(batch: int, length: int) -> Tensor:
    """(N, T) of EMO-DB, each utterance followed by itself until it is long enough."""
    import soundfile

    corpora = os.environ.get("EMOTION_CORPORA")
    files = sorted(Path(corpora, "emodb").rglob("*.flac")) if corpora else []
    if not files:
        sys.exit("no EMO-DB: set EMOTION_CORPORA to a directory with emodb/**/*.flac")
    chosen = files[::max(1, len(files) // batch)][:batch]
    rows = [soundfile.read(path, dtype="float32")[0] for path in chosen]
    return torch.from_numpy(np.stack([np.resize(row, length) for row in rows]))


if __name__ == "__main__":
    main()
