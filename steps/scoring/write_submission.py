"""Write one system's decisions on the test part, a line an item: what a challenge wants that keeps its labels.

The system is the protocol's primary one, chosen on dev, or --system SUBSYSTEM/VARIANT. Posteriors of several seeds are
averaged. A protocol of several folds is refused unless every item is tested once.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.arguments import ArgumentParser
from utils.errors import UsageError, UserError, run_main
from utils.files import write_text
from utils.printable import FORMULA

if TYPE_CHECKING:
    import numpy

    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.scoring.collect import System
    from utils.corpus import Target

SEPARATORS = {"tab": "\t", "comma": ",", "space": " "}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("write_submission.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--system", metavar="SUBSYSTEM/VARIANT",
                        help="default, and where it is empty: the protocol's primary system")
    parser.add_argument("--target", metavar="NAME", default="", help="what is submitted (default: the corpus's first)")
    parser.add_argument("--separator", choices=tuple(SEPARATORS), default="tab", help="between cells (%(default)s)")
    parser.add_argument("--header", metavar="WORD WORD", default="", help="a first line, e.g. \"id label\"")
    parser.add_argument("--strip", metavar="PREFIX", default="", help="leave this out at the beginning of ids")
    parser.add_argument("--rename", metavar="CLASS=NAME ...", default="", help="other names for classes")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    parser.add_argument("out", type=Path, metavar="FILE")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.scoring.collect import find_systems

    data = Dataset.open(arguments.data)
    split = data.split(arguments.protocol)
    target = data.target(arguments.target)
    if target.kind != "class":
        raise UsageError(f"{arguments.data}: {target.name} is a {target.kind}; a submission needs classes")
    names = new_names(arguments.rename, target.classes)
    system = choose(find_systems(arguments.exp, split.name), arguments.system or None, f"{arguments.exp}, {split.name}")
    posteriors = mean_posteriors(data, split, system, target)
    cell = SEPARATORS[arguments.separator]
    head = [cell.join(arguments.header.split()) + "\n"] if arguments.header.strip() else []
    lines = [f"{key.removeprefix(arguments.strip)}{cell}{names[target.classes[values.argmax()]]}\n"
             for key, values in sorted(posteriors.items())]
    write_text(arguments.out, "".join(head + lines))
    if formulas := sum(key.removeprefix(arguments.strip).startswith(FORMULA) for key in posteriors):
        print(f"note: {formulas} ids begin with one of {' '.join(FORMULA)}, a formula to a spreadsheet; they are "
              "written as they are, since who receives them compares them", file=sys.stderr)
    labelled = sum(data.value_of(key, target) is not None for key in posteriors)
    note = f"; {labelled} of them have labels here, so steps/score.sh gives figures" if labelled else ""
    print(f"{arguments.out}: {len(lines)} items by {system.name}, seeds {' '.join(map(str, system.seeds))}{note}")
    return 0


def choose(systems: Sequence[System], wanted: str | None, where: str) -> System:
    """The system of that name, or the one that is marked primary.

    Raises:
        UserError: there is none, or no system is primary.
    """
    there = ", ".join(system.name for system in systems) or "nothing: run the training stages first"
    if wanted is not None:
        for system in systems:
            if system.name == wanted:
                return system
        raise UserError(f"{where}: no system {wanted}; there is {there}")
    primary = [system for system in systems if system.about.get("primary") in (True, system.variant)]
    if len(primary) != 1:
        raise UserError(f"{where}: {len(primary) or 'no'} primary system{'s' if primary else ''}; fuse the subsystems "
                        f"or give --system; there is {there}")
    return primary[0]


def mean_posteriors(data: Dataset, split: Split, system: System,
                    target: Target) -> Mapping[str, numpy.ndarray]:
    """{id of a tested unit: posteriors (C,), the mean over seeds}.

    Raises:
        UserError: an item is tested in two folds, so that no single decision stands for it.
    """
    import numpy as np

    from steps.scoring.collect import read_part
    from steps.scoring.scores import Scores

    found: dict[str, list[numpy.ndarray]] = defaultdict(list)
    fold_of: dict[str, int] = {}
    for experiment in system.experiments:
        scores = read_part(data, split, experiment, "test", target)
        assert isinstance(scores, Scores)
        for key, values in zip(scores.ids, np.exp(scores.logp), strict=True):
            if fold_of.setdefault(key, experiment.fold) != experiment.fold:
                raise UserError(f"protocol {split.name}: {key} is tested in folds {fold_of[key]} and "
                                f"{experiment.fold}; a submission needs one decision an item")
            found[key].append(values)
    return {key: np.mean(values, axis=0) for key, values in found.items()}


def new_names(text: str, classes: Sequence[str]) -> dict[str, str]:
    """{class: name in the submission} from "CLASS=NAME ...".

    Raises:
        UsageError: no such class, or no name.
    """
    names = {name: name for name in classes}
    for word in text.split():
        name, _, new = word.partition("=")
        if name not in names or not new:
            raise UsageError(f"--rename {word}: expected CLASS=NAME; classes: {', '.join(classes)}")
        names[name] = new
    return names


if __name__ == "__main__":
    sys.exit(run_main(main))
