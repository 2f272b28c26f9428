"""Train one subsystem: every normalization, fold and seed is a task of its own.

    train_subsystem.sh --config svm --inputs is10 --protocol six_folds DATA OUT

OUT is exp/<subsystem>/<protocol>. Writes OUT/subsystem.json, OUT/log/ and, for each experiment,
OUT/<variant>/fold<k>/seed<s>/ with config.yaml, log/curve.tsv, scores/<target>/{dev,test}.tsv and metrics.json.
Finished experiments are kept, unfinished ones taken up at their checkpoint. Exit status 1 unless all are there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from steps.experiments import plan, run_task
from utils.arguments import ArgumentParser, count
from utils.array_step import DISPATCHER, JOB, PYTHON, exit_status, job_command
from utils.errors import run_main

PARTS = {"plan": plan.plan, "finish": plan.finish}  # each in a process of its own, as the tasks are


def main(argv: Sequence[str]) -> int:
    parser = options()
    argv = parser.present(argv)
    arguments = parser.parse_args(argv)
    if arguments.part:
        return PARTS[arguments.part](arguments)
    job, own = job_command(arguments.cmd), [PYTHON, "-m", "steps.experiments.train_subsystem"]
    planned = subprocess.run([*own, "--part", "plan", *argv], stdout=subprocess.PIPE, text=True)
    if planned.returncode:
        return exit_status(planned)
    tasks, _, log = planned.stdout.strip().partition(" ")
    for command in ([*job, "--max-jobs-run", str(arguments.nj), f"JOB=1:{tasks}", f"{log}/train.{JOB}.log",
                     *task_command(arguments), f"{log}/task.{JOB}.json"],
                    [*own, "--part", "finish", *argv]):
        if status := exit_status(subprocess.run(command)):
            return status
    return 0


def options() -> ArgumentParser:
    parser = ArgumentParser("train_subsystem.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    plan.add_options(parser)
    parser.add_argument("--cmd", default=str(DISPATCHER), help="how tasks are run (default: utils/job.sh)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="(default: %(default)s)")
    parser.add_argument("--processes", type=count, default=1, metavar="N",
                        help="processes that train one network together, by torchrun (default: %(default)s)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("out", metavar="OUT")
    return parser


def task_command(arguments: argparse.Namespace) -> list[str]:
    """What runs a task; its file follows."""
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={arguments.processes}"]
    command = [PYTHON, *(several if arguments.processes > 1 else []), "-m", run_task.__name__,
               "--device", arguments.device, "--data", arguments.data, "--out", arguments.out]
    for option in ("init", "augment", "unlabelled"):
        if (value := getattr(arguments, option)) not in ("", "none"):
            command += [f"--{option}", value]
    return command


if __name__ == "__main__":
    sys.exit(run_main(main, sys.argv[1:]))
