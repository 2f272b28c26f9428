"""What a training over thousands of hours costs, from stated assumptions: GPU hours and disk.

    python -m tests.bench.costing --hours 3943 [--sets DIR ...] [--write README.md]

Floating-point operations: an affine layer takes 2 a weight and frame forward, and twice that backward, so a second of
speech takes 6 W a frame; self-attention adds 12 D T a frame and layer in an utterance of T frames. W are the weights
that act on every frame after the subsampling. Time: operations over what a GPU reaches (its peak in bf16 times the
share that is used, an assumption until it is measured: --used). Bytes a second of FLAC are measured on real sets
(--sets).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import read_json, write_text

FRAMES_A_SECOND = 25.0  # after subsampling
SECONDS = 4.8  # of an utterance
PEAK = {"A100": 312e12, "H100": 989e12}  # dense bf16 operations a second, from the makers' data sheets
USED = 0.05  # share of the peak; encoders of this width on utterances of seconds stay far below large matrices
BEGIN, END = "<!-- costing:begin -->", "<!-- costing:end -->"


def weights(config: Any, units: int) -> dict[str, int]:
    """Parameters of the model of a configuration, all and those of the subsampling's convolutions."""
    from steps.asr.decode.engine import engine
    from steps.asr.model import CtcModel

    model = CtcModel(80, units, config.model, engine("torch"), config.intermediate)
    every = sum(parameter.numel() for parameter in model.parameters())
    early = sum(parameter.numel() for name, parameter in model.named_parameters() if ".convolutions." in name)
    return {"all": every, "early": early}


def operations(weights_of: dict[str, int], dim: int, layers: int, channels: int) -> float:
    """Floating-point operations of training on a second of speech, forward and backward."""
    linear = 6.0 * (weights_of["all"] - weights_of["early"]) * FRAMES_A_SECOND
    attention = 12.0 * dim * FRAMES_A_SECOND * SECONDS * FRAMES_A_SECOND * layers
    # Convolutions: 9 weights a channel at 50 frames and 39 bins, then 9 + C at 25 frames and 19 bins.
    subsampling = 6.0 * (channels * 9 * 50 * 39 + channels * (9 + channels) * FRAMES_A_SECOND * 19)
    return linear + attention + subsampling


def bytes_a_second(sets: Sequence[Path]) -> float:
    """Of FLAC, measured on sets of speech.

    Raises:
        UserError: they hold no audio.
    """
    about = [read_json(path / "speech.json") for path in sets]
    seconds, stored = sum(found["seconds"] for found in about), sum(found["audio_bytes"] for found in about)
    if not stored:
        raise UserError(f"{', '.join(map(str, sets))}: no audio is stored there")
    return stored / seconds


def table(hours: float, audio: float, units: int, used: float) -> str:
    """The costing as Markdown."""
    from steps.asr.config import AsrConfig
    from utils.config import load_config

    lines = ["| model | parameters | operations / s of speech | epochs | "
             + " | ".join(f"{name} hours" for name in PEAK) + " | checkpoint + epochs |",
             "|" + "---|" * (5 + len(PEAK))]
    for name in ("asr_base", "asr_large"):
        config = load_config(AsrConfig, name)
        size = weights(config, units)
        model = config.model
        each = operations(size, model.dim, model.layers, model.channels)
        epochs = config.training.epochs
        cost = [hours * 3600 * epochs * each / (peak * used) / 3600 for peak in PEAK.values()]
        # Weights, their best copy and two moments, twice while one checkpoint replaces another; averaged epochs.
        disk = 4 * size["all"] * (4 * 2 + max(config.average) + 2) / 1e9
        lines.append(f"| {name} | {size['all'] / 1e6:.1f} M | {each / 1e9:.1f} G | {epochs} | "
                     + " | ".join(f"{hour:.0f}" for hour in cost) + f" | {disk:.1f} GB |")
    lines += ["", f"{hours:.0f} h of speech, {units} units, {100 * used:.0f} % of the peak "
              f"({', '.join(f'{name} {peak / 1e12:.0f} TFLOP/s' for name, peak in PEAK.items())}; an assumption). "
              f"Sets: {hours * 3600 * audio / 1e9:.0f} GB of FLAC at {audio:.0f} bytes a second, beside the unpacked "
              f"corpora of about {hours * 3600 * 32000 / 1e9:.0f} GB (16 bit, 16 kHz)."]
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Put the table between the marks of a README.

    Raises:
        UserError: it has no such marks.
    """
    whole = path.read_text(encoding="utf-8")
    if BEGIN not in whole or END not in whole:
        raise UserError(f"{path}: no {BEGIN} ... {END} in it")
    before, after = whole.partition(BEGIN)[0], whole.partition(END)[2]
    write_text(path, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="tests.bench.costing", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=3943.0, help="of speech (%(default)s)")
    parser.add_argument("--units", type=int, default=6000, help="outputs of the model (%(default)s)")
    parser.add_argument("--used", type=float, default=USED, help="share of a GPU's peak (%(default)s)")
    parser.add_argument("--sets", type=Path, nargs="+", default=[], metavar="DIR", help="whose FLAC is measured")
    parser.add_argument("--bytes-a-second", type=float, default=16000.0, help="without --sets (%(default)s)")
    parser.add_argument("--write", type=Path, metavar="README", help="put the table there instead of printing it")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    audio = bytes_a_second(arguments.sets) if arguments.sets else arguments.bytes_a_second
    text = table(arguments.hours, audio, arguments.units, arguments.used)
    if arguments.write:
        write(arguments.write, text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
