"""How trained subsystems and their fusion stand noise: which there are (--plan), and what came out (--finish).

    python -m steps.noise.score_robustness --plan   --conditions "snr10=data/x_snr10 snr0=data/x_snr0" ... data/x exp
    python -m steps.noise.score_robustness --finish --conditions ... data/x exp

steps/score_robustness.sh runs both, and steps.noise.apply_conditions between them. Scores of noisy test parts lie in
EXP/robustness/<protocol>/<condition>/<subsystem>/<variant>/fold<k>/seed<s>/scores/<target>/test.tsv; a
fusion combines those of its members as it was learned to.
Their rows go into EXP/robustness/<protocol>.json, which steps/score.sh puts into
RESULTS.json as a table of its own, and which the report reads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from steps.experiments.task_files import number_of_tasks, tasks_option
from utils.arguments import ArgumentParser, add_leave_out, count
from utils.errors import UsageError, UserError, run_main
from utils.files import write_json

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.noise.conditions import Condition
    from steps.scoring.collect import System
    from steps.scoring.experiment import Experiment


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.noise.conditions import open_conditions
    from steps.scoring.collect import find_systems

    data = Dataset.open(arguments.data)
    split = data.split(arguments.protocol)
    if data.target().kind != "class":
        raise UserError(f"{data.path}: robustness is scored of classes; {data.target().name} is a {data.target().kind}")
    conditions = open_conditions(arguments.conditions, data.name)
    named = [name for name in arguments.subsystems.split() if name not in arguments.leave_out]
    systems = chosen(find_systems(arguments.exp, split.name, leave_out=arguments.leave_out), named, arguments.exp,
                     split.name)
    plain = with_model([system for system in systems if not is_fusion(system)], bool(arguments.subsystems))
    if arguments.plan:
        tasks = number_of_tasks(arguments.tasks, arguments.nj, len(data.items))
        print(plan(arguments.exp / "robustness" / split.name / "log", plain, conditions, split, tasks))
        return 0
    fused = [system for system in systems if is_fusion(system)
             and fuse(system, plain, conditions, data, split, arguments.exp)]
    finish([*plain, *fused], conditions, data, split, arguments.exp)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="steps.noise.score_robustness", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", action="store_true", help="write the tasks, print how many")
    what.add_argument("--finish", action="store_true", help="after the tasks: fuse, score, write the tables")
    parser.add_argument("--tasks", type=tasks_option, metavar="N", help="tasks, each with its share of the systems "
                        "(default: one system a task); auto: --nj, where utterances are few")
    parser.add_argument("--nj", type=count, default=1, metavar="N", help="parallel tasks, for --tasks auto")
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--conditions", required=True, metavar="NAME=DIR ...")
    parser.add_argument("--subsystems", default="", metavar="NAME ...", help="default: all that kept their models")
    add_leave_out(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    return parser.parse_args(argv)


def is_fusion(system: System) -> bool:
    from steps.fusion.inputs import FUSED

    return system.about.get("kind") == FUSED


def chosen(systems: list[System], names: Sequence[str], exp: Path, protocol: str) -> list[System]:
    """
    Raises:
        UsageError: a subsystem of that name was not trained.
    """
    unknown = sorted(set(names) - {system.subsystem for system in systems})
    if unknown:
        raise UsageError(f"--subsystems: {exp}/{unknown[0]}/{protocol} does not exist; train it first")
    return [system for system in systems if not names or system.subsystem in names]


def with_model(systems: Sequence[System], all_of_them: bool) -> list[System]:
    """Those that kept their models; the others are told.

    Raises:
        UserError: one has none and was asked for, or none has one.
    """
    from steps.experiments.apply import read_classes

    kept, last = [], None
    for system in systems:
        try:
            for experiment in system.experiments:
                read_classes(experiment.path)
        except UserError as error:
            if all_of_them:
                raise
            print(f"note: {system.name} is left out of the robustness test: {error}", file=sys.stderr)
            last = error
            continue
        kept.append(system)
    if not kept and last is not None:
        raise last
    return kept


def plan(log: Path, systems: Sequence[System], conditions: Sequence[Condition], split: Split, tasks: int | None) -> int:
    """One file a task: its system or systems, and for each a hash of all that its scores depend on."""
    from steps.experiments.task_files import shared_out, write_tasks

    shares = shared_out([{"subsystem": system.subsystem, "variant": system.variant, "protocol": split.name,
                          "inputs": digest(system, conditions)} for system in systems], tasks)
    write_tasks(log, shares)
    return len(shares)


def digest(system: System, conditions: Sequence[Condition]) -> str:
    """Of the models and the noisy sets, as far as small files tell: another state of these is another task."""
    from steps.data.dataset import CORPUS, CUTS
    from steps.data.layers import ABOUT, LAYERS
    from steps.features.store import DESCRIPTION

    known = hashlib.sha256(json.dumps([condition.name for condition in conditions]).encode())
    files = [experiment.path / "metrics.json" for experiment in system.experiments]
    for condition in conditions:
        files += [condition.data.path / name for name in (
            CORPUS, CUTS, f"{system.about.get('features')}/{DESCRIPTION}", f"{LAYERS}/asr/{ABOUT}")]
    for path in files:
        known.update(path.read_bytes() if path.is_file() else b"")
    return known.hexdigest()[:16]


def fuse(system: System, members: Sequence[System], conditions: Sequence[Condition], data: Dataset, split: Split,
         exp: Path) -> bool:
    """Score every condition with a fusion; False, and a note, where one of its members was not scored."""
    from steps.fusion.combine import Fusion
    from steps.noise.apply_conditions import noisy_directory, write_noisy
    from steps.scoring.experiment import scores_path
    from steps.scoring.scores import read_scores

    known = {(member.subsystem, member.variant): member for member in members}
    for experiment in system.experiments:
        fusion = Fusion.load(experiment.path)
        absent = [f"{name}/{variant}" for name, variant in fusion.subsystems if (name, variant) not in known]
        if absent:
            print(f"note: {system.name} is left out of the robustness test: {absent[0]} is", file=sys.stderr)
            return False
        runs = {name: run_of(known[name, variant], experiment) for name, variant in fusion.subsystems}
        for condition in conditions:
            places = {name: noisy_directory(exp, split.name, condition.name, run) for name, run in runs.items()}
            tables = {name: read_scores(scores_path(place, data.target().name, "test"))
                      for name, place in places.items()}
            first = next(iter(tables.values()))
            write_noisy(noisy_directory(exp, split.name, condition.name, experiment), data, first.ids,
                        fusion.log_posteriors({name: table.logp for name, table in tables.items()}), [])
    return True


def run_of(member: System, experiment: Experiment) -> Experiment:
    """The run of a member that a fusion's fold and seed takes: a member with one seed gives that one to all."""
    wanted = experiment.seed if len(member.seeds) > 1 else member.seeds[0]
    return next(run for run in member.experiments if (run.fold, run.seed) == (experiment.fold, wanted))


def finish(systems: Sequence[System], conditions: Sequence[Condition], data: Dataset, split: Split,
           exp: Path) -> None:
    """Rows of every system, clean and in every condition, into EXP/robustness/<protocol>.json."""
    from steps.noise.apply_conditions import noisy_directory
    from steps.scoring import robustness
    from steps.scoring.score import row_of

    rows = []
    for condition in conditions:
        for system in systems:
            noisy = replace(system, experiments=[
                replace(experiment, path=noisy_directory(exp, split.name, condition.name, experiment))
                for experiment in system.experiments])
            rows.append(row_of(data, split, noisy, "test", data.target(), subset=condition.label,
                               condition=condition.about))
    clean = [row_of(data, split, system, "test", data.target()) for system in systems]
    print(robustness.noise_tables([*clean, *rows]))
    write_json(exp / "robustness" / f"{split.name}.json",
               {"corpus": data.name, "protocol": split.name, "clean": clean, "rows": rows})


if __name__ == "__main__":
    sys.exit(run_main(main))
