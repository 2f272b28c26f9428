"""Score a pooled data set by pairs of corpora: what a model trained on one is worth on each of the others.

Of every subsystem and variant one row a pair (train_corpus, corpus), from the same score files: UA and WA with
intervals over the speakers of the tested corpus, and `falls` (steps/scoring/falls.py), what is lost against a test
within one corpus. With one fold a corpus its own models were tested on fewer utterances than all; a row with a subset
then holds this model's figures on them.

UA is the mean recall over those of the common classes that the tested corpus has; decisions are among all of them, so
chance is one divided by their number. Writes EXP/scored/<protocol>.json last, which the report reads.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.data.variant import Variant
from steps.scoring.falls import SAME
from utils.arguments import ArgumentParser, add_leave_out
from utils.errors import UserError, run_main
from utils.files import write_json

if TYPE_CHECKING:
    import numpy as np

    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.scoring.collect import System
    from steps.scoring.scores import Scores
    from steps.scoring.summary import Summary

Row = dict[str, Any]


@dataclass
class Cell:
    """What one system did on one tested corpus, over the folds and seeds of one training corpus."""

    summary: Summary
    ids: set[str] = field(default_factory=set)
    prior: set[str] = field(default_factory=set)


def main(argv: Sequence[str] | None = None) -> int:
    from steps.scoring.continued import add_options

    parser = ArgumentParser("score_cross_corpus.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", default="cross", help="of a pooled data set (%(default)s)")
    add_options(parser)
    parser.add_argument("--reference", metavar="SUBSYSTEM[/VARIANT]", help="the system that all are tested against, "
                        "pair by pair; default: the best on the dev part of the training corpus")
    add_leave_out(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    arguments = parser.parse_args(argv)
    from steps.data.dataset import Dataset
    from steps.scoring import continued, results, tables
    from steps.scoring.audited import Audit
    from steps.scoring.collect import find_systems
    from steps.scoring.score import mark_audit

    data, stem = Dataset.open(arguments.data), continued.stem_of(arguments)
    split = data.split(arguments.protocol)
    if "pooled" not in data.info or "cross" not in split.info:
        raise UserError(f"{arguments.data}, protocol {split.name}: it is not pooled from several corpora; make such a "
                        "data set with steps/pool_corpora.sh")
    systems = find_systems(arguments.exp, split.name, leave_out=arguments.leave_out)
    if not systems:
        raise UserError(f"{arguments.exp} has no trained subsystem of protocol {split.name}; run the training stages "
                        "first")
    rows = [row for system in systems for row in rows_of(data, split, system)]
    mark_audit(rows, Audit(arguments.exp, data, split.name, {one.subsystem: one.about for one in systems}))
    mine = {results.key_of(row) for row in rows}
    rows = [row for row in continued.continue_results(stem, arguments.committed, rows, arguments.reference)
            if results.key_of(row) in mine]
    print(tables.tables(rows, "test"))
    write_json(arguments.exp / "scored" / f"{split.name}.json",
               {"corpus": data.name, "protocol": split.name, "results": f"{stem}.json", "rows": rows})
    continued.tell_where(stem, arguments.committed)
    return 0


def rows_of(data: Dataset, split: Split, system: System) -> list[Row]:
    """The rows of one system: on dev a row a training corpus, on test one a pair (two with a subset)."""
    cells = cells_of(data, split, system)
    return [row_of(data, split, system, *key, cell) for key, cell in cells.items()]


def cells_of(data: Dataset, split: Split, system: System) -> dict[tuple[str, str, str, str | None], Cell]:
    """{(training corpus, tested corpus, part, subset): counts}."""
    import numpy as np

    from steps.scoring.collect import PARTS, read_part
    from steps.scoring.scores import Scores
    from steps.scoring.summary import Summary

    trained, within = training_corpora(split), own_test_units(data, split, system)
    target = data.target()
    cells: dict[tuple[str, str, str, str | None], Cell] = {}
    for experiment in system.experiments:
        train, run = trained[experiment.fold], (experiment.fold, experiment.seed)
        prior = set(experiment.metrics(target.name).get("prior_scored", ()))
        for part in PARTS:
            found = read_part(data, split, experiment, part, target)
            assert isinstance(found, Scores)
            tested = [corpus_of(data, unit) for unit in found.ids]
            for test in dict.fromkeys(tested):
                mine = np.array([name == test for name in tested])
                same = mine & np.array([unit in within[test] for unit in found.ids])
                chosen = {None: mine}
                if part == "test" and test != train and 0 < same.sum() < mine.sum():
                    chosen[SAME] = same
                for subset, which in chosen.items():
                    cell = cells.setdefault((train, test, part, subset), Cell(Summary(len(target.classes))))
                    count(cell, data, found, np.flatnonzero(which), run, prior)
    return cells


def training_corpora(split: Split) -> dict[int, str]:
    """Fold -> the corpus that it is trained on."""
    return {int(fold): about["corpus"] for fold, about in split.info["cross"].items()}


def corpus_of(data: Dataset, unit: str) -> str:
    return str(data.items[data.groups(data.target().of)[unit][0]].fields["corpus"])


def own_test_units(data: Dataset, split: Split, system: System) -> dict[str, set[str]]:
    """Corpus -> what its own models were tested on within it, over the system's folds."""
    from steps.scoring.collect import expected

    trained = training_corpora(split)
    found: dict[str, set[str]] = {name: set() for name in data.info["pooled"]}
    for fold in system.folds:
        found[trained[fold]] |= {unit for unit in expected(data, split, fold, "test", data.target().of)
                                 if corpus_of(data, unit) == trained[fold]}
    return found


def count(cell: Cell, data: Dataset, found: Scores, chosen: np.ndarray, run: tuple[int, int], prior: set[str]) -> None:
    """Add the decisions of one run on the units `chosen` (positions in `found`)."""
    from steps.scoring.collect import speaker_of

    ids = [found.ids[position] for position in chosen]
    speakers = [speaker_of(data, name, data.target().of) for name in ids]
    cell.summary.add_decisions(run, speakers, found.references[chosen], found.decisions[chosen])
    cell.ids.update(ids)
    cell.prior.update(prior.intersection(ids))


def row_of(data: Dataset, split: Split, system: System, train: str, test: str, part: str, subset: str | None,
           cell: Cell) -> Row:
    """The row of one pair."""
    from steps.scoring.rows import result_row
    from steps.scoring.score import about_text

    target = data.target()
    return result_row(
        train_corpus=train, corpus=test, protocol=split.name, target=target.name,
        system=(system.subsystem, system.variant), part=part, text_source=about_text(data, system)["text_source"],
        subset=subset, of=target.of, classes=target.classes, folds=cell.summary.folds, seeds=system.seeds,
        items=len(cell.ids), marks=marks_of(data, system, train, test, cell),
        command=command(data, split, system), found=cell.summary)


def marks_of(data: Dataset, system: System, train: str, test: str, cell: Cell) -> list[str]:
    """What a reader must know beside the figures of a pair; of each corpus where it is so."""
    pooled, marks = data.info["pooled"], []
    for name in dict.fromkeys((train, test)):
        about = pooled[name]
        if about["synthetic"]:
            marks.append(f"{name} synthetic")
        if about["missing"]:
            marks.append(f"{name} partial")
        if (about["size"] or "full") != "full":
            marks.append(f"{name} size {about['size']}")
    if pooled[test]["speakers"] is None:
        marks.append("speakers unknown")
    if train == test and pooled[train]["speaker_overlap"]:
        marks.append("speaker overlap")
    if len(cell.summary.folds) != pooled[train]["folds"]:
        marks.append(f"{len(cell.summary.folds)} of {pooled[train]['folds']} folds")
    if Variant.parse(system.variant).norm == "speaker":
        marks.append("per-speaker normalization")
    if cell.prior:
        marks.append(f"{len(cell.prior)} items scored by prior")
    return marks


def command(data: Dataset, split: Split, system: System) -> str:
    """The recipe's command that gives this row; --corpora, where they lie, is the reader's own."""
    from steps.scoring.rows import recipe_command
    from steps.scoring.score import settings

    words = recipe_command(data)
    if len(split.folds) > len(data.info["pooled"]):
        words += ["--own-folds", "all"]
    norm = Variant.parse(system.variant).norm
    words += ["--norms", norm] if norm else []
    return shlex.join([*words, "--seeds", " ".join(map(str, system.seeds)), *settings(data, split, system)])


if __name__ == "__main__":
    sys.exit(run_main(main))
