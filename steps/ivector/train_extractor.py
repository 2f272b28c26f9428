"""Train an i-vector extractor: one step, or one task of a step (see steps/ivector/training.py).

`steps/train_ivector_extractor.sh` runs the steps through the job dispatcher.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from utils.arguments import ArgumentParser, count
from utils.errors import UsageError, UserError, run_main

STEPS = ("prepare", "occupancy", "statistics", "ubm", "accumulate", "update", "finish")
# What to lower where a step runs out of memory.
LOWER = {"occupancy": "learning_frames or gmm.components", "statistics": "--nj, or gmm.components or clusters.number",
         "ubm": "gmm.components or clusters.number",
         "accumulate": "--nj, or total_variability.batch or total_variability.dim",
         "update": "total_variability.dim or gmm.components", "finish": "total_variability.batch"}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    try:
        return run(arguments)
    except MemoryError as error:
        raise out_of_memory(arguments.step) from error
    except RuntimeError as error:  # torch's own
        if "memory" not in str(error):
            raise
        raise out_of_memory(arguments.step) from error


def out_of_memory(step: str) -> UserError:
    lower = LOWER.get(step, "--nj")
    return UserError(f"out of memory in step {step}: lower {lower} (--set key=value), or ask for more with --mem")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="steps.ivector.train_extractor", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", required=True, choices=STEPS)
    parser.add_argument("--task", type=count, metavar="J", help="share J of steps statistics and accumulate")
    parser.add_argument("--iteration", type=count, metavar="K", help="of steps accumulate and update")
    parser.add_argument("--num-tasks", type=count, default=1, metavar="N", help="tasks of the array")
    parser.add_argument("--leaves", type=Path, metavar="FILE", help="what the step leaves, so that the dispatcher "
                        "knows it and runs the step again when it is gone")
    parser.add_argument("--config", default="ivector_extractor", help="conf/NAME.yaml (%(default)s)")
    parser.add_argument("--set", default="", help='"key=value ..." over the configuration')
    parser.add_argument("--asr", type=Path, metavar="DIR", help="the recognizer; not needed with occupancy=gmm")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="of EM (%(default)s)")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="prepared data set")
    parser.add_argument("--split", default="official", metavar="PROTOCOL/PART",
                        help="fold 1 of a protocol; part train where none is named (%(default)s)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    arguments = parser.parse_args(argv)
    for step, name in (("statistics", "task"), ("accumulate", "task"), ("accumulate", "iteration"),
                       ("update", "iteration")):
        if arguments.step == step and getattr(arguments, name) is None:
            raise UsageError(f"--step {step} needs --{name}")
    if arguments.task is not None and arguments.task > arguments.num_tasks:
        raise UsageError(f"--task {arguments.task}: expected 1 to {arguments.num_tasks}")
    return arguments


def run(arguments: argparse.Namespace) -> int:
    from steps.data.dataset import Dataset
    from steps.ivector.config import IvectorExtractorConfig
    from steps.ivector.training import Training
    from utils.config import load_config, split_settings

    config = load_config(IvectorExtractorConfig, arguments.config, split_settings(arguments.set))
    data = Dataset.open(arguments.data)
    protocol, _, part = arguments.split.partition("/")
    ids = data.split(protocol).ids(1, part or "train")
    training = Training(data, ids, protocol, part or "train", config, arguments.asr, arguments.out,
                        arguments.num_tasks, device(arguments.device))
    step = arguments.step
    if step == "prepare":
        done = training.prepare()
        print(f"iterations: {config.total_variability.iterations}, done: {max(done, 0)}", file=sys.stderr)
        # what the front end reads: the first iteration to do, and the last
        print(max(done, 0) + 1, config.total_variability.iterations)
    elif step == "statistics":
        training.statistics(arguments.task)
    elif step == "accumulate":
        training.accumulate(arguments.iteration, arguments.task)
    elif step == "update":
        training.update(arguments.iteration)
    else:
        getattr(training, step)()
    return 0


def device(name: str) -> str:
    """auto: a GPU where there is one."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no GPU; accepted here: auto, cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    sys.exit(run_main(main))
