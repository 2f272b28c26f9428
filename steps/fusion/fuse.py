"""Fuse the subsystems of a protocol: equal weights, weights searched for MAF, logistic regression; all fitted on dev.

Per variant, fold and seed each way of fusing writes EXP/fusion_<how>/<protocol>/<variant>/fold<k>/seed<s>/ as any
subsystem does. The dev scores of a fusion are those of weights that have not seen the item (left out by speaker), so
the best on dev is declared primary and no test score is looked at. EXP/fusion/<protocol>.json tells what was fused,
what is missing, the weights and what each subsystem adds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, add_leave_out
from utils.errors import UserError, run_main
from utils.files import atomic_directory, write_json

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.fusion.inputs import Ensemble, Found
    from steps.fusion.runs import Fused, Run
    from utils.corpus import Target


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.fusion import account, runs
    from steps.fusion.combine import HOWS
    from steps.fusion.inputs import Reader, find

    began = time.monotonic()
    data = Dataset.open(arguments.data)
    split, names = data.split(arguments.protocol), arguments.subsystems.split()
    target = data.target()
    if target.kind != "class":
        raise UserError(f"{data.path}: {target.name} is a {target.kind}; only the log-posteriors of classes are fused")
    found = find(arguments.exp, split.name, names, arguments.text_variant, arguments.variants.split(),
                 arguments.more.split(), arguments.leave_out)
    tell_missing(found)
    reader = Reader(data, split, target)
    inputs = {ensemble.variant: runs.stacks(ensemble, reader) for ensemble in found.ensembles}
    candidates = [runs.fuse(how, ensemble, inputs[ensemble.variant], target.classes)
                  for how in HOWS for ensemble in found.ensembles]
    content = account.account(split.name, names, found, sorted(reader.held_out_by), candidates, inputs)
    for how in HOWS:
        chosen = content["primary"]["variant"] if content["primary"]["how"] == how else None
        write(arguments.exp / account.name_of(how) / split.name, data, split, target, found.ensembles,
              [fused for fused in candidates if fused.how == how], chosen)
    write_json(arguments.exp / "fusion" / f"{split.name}.json", {"corpus": data.name, **content})
    print(show(content), f"{time.monotonic() - began:.1f} s", sep="\n")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("fuse_subsystems.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--subsystems", required=True, help='"NAME ...": directories below EXP')
    parser.add_argument("--text-variant", default="asr-text", metavar="NAME",
                        help="what a subsystem without norm-... variants gives (%(default)s)")
    parser.add_argument("--variants", default="", help='e.g. "norm-global"; empty: every norm-... without +aug')
    parser.add_argument("--more", default="", metavar="NAME ...",
                        help="each variant is fused a second time, with these too (variant ...+more)")
    add_leave_out(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    return parser.parse_args(argv)


def tell_missing(found: Found) -> None:
    """One line on standard error."""
    from steps.fusion import account

    if found.missing:
        print(f"missing in the fusion: {'; '.join(map(account.absent, found.missing))}", file=sys.stderr)


def write(directory: Path, data: Dataset, split: Split, target: Target, ensembles: Sequence[Ensemble],
          fusions: Sequence[Fused], primary: str | None) -> None:
    """EXP/fusion_<how>/<protocol> as a whole: nothing is left of an earlier fusion."""
    from steps.text.source import source_of

    name, how = directory.parent.name, fusions[0].how
    with atomic_directory(directory) as out:
        for fused, ensemble in zip(fusions, ensembles, strict=True):
            for (fold, seed), run in fused.runs.items():
                task = {"subsystem": name, "kind": "fusion", "how": how, "variant": fused.variant, "fold": fold,
                        "seed": seed, "corpus": data.name, "protocol": split.name,
                        "subsystems": {name: variant for name, variant in fused.members}}
                prior = set.intersection(*(set(experiment.metrics(target.name).get("prior_scored", ()))
                                           for experiment in ensemble.experiments(fold, seed)))
                write_run(out / fused.variant / f"fold{fold}" / f"seed{seed}", run, task, split, target,
                          sorted(prior))
        sources = {source for fused in fusions for _, variant in fused.members if (source := source_of(variant))}
        write_json(out / "subsystem.json", {
            "subsystem": name, "kind": "fusion", "config": how, "features": "scores",
            "targets": [target.name], "corpus": data.name, "protocol": split.name,
            "variants": [fused.variant for fused in fusions],
            "folds": sorted(set.intersection(*(set(ensemble.folds) for ensemble in ensembles))),
            "seeds": sorted(set.intersection(*(set(ensemble.seeds) for ensemble in ensembles))), "permuted": False,
            "fuses": {fused.variant: [list(member) for member in fused.members] for fused in fusions},
            **({"text_source": sources.pop()} if sources else {}), **({"primary": primary} if primary else {})})


def write_run(directory: Path, run: Run, task: Mapping[str, Any], split: Split, target: Target,
              prior: list[str]) -> None:
    """config.yaml, model.json, scores/<target>/{dev,test}.tsv and metrics.json of one fold and seed."""
    from steps.scoring import metrics
    from steps.scoring.experiment import METRICS, scores_path
    from steps.scoring.scores import write_scores
    from utils.config import write_yaml

    fusion, results = run.fitted.fusion, {}
    write_yaml(directory / "config.yaml", dict(task))
    fusion.save(directory)
    for part, stack in run.parts.items():
        logp = run.scores(part)
        write_scores(scores_path(directory, target.name, part), stack.ids, stack.labels, fusion.classes, logp)
        counts = metrics.confusion(stack.y, logp.argmax(axis=1), len(fusion.classes))
        results[part] = {"n": int(counts.sum())}
        if counts.any():
            results[part] |= {name: float(value) for name, value in metrics.classification(counts).items()}
    fitted = {"equal": 0, "simplex": len(fusion.weights) - 1, "logistic": len(fusion.weights) + len(fusion.biases)}
    write_json(directory / METRICS, {
        "targets": {target.name: {**results, "temperature": fusion.temperature, "prior_scored": prior}},
        "chosen": dict(fusion.chosen), "parameters": fitted[fusion.how],
        "speaker_overlap": split.speaker_overlap, "permuted": False})


def show(content: Mapping[str, Any]) -> str:
    """The candidates and the weights of the primary, for a person."""
    primary = content["primary"]
    lines = []
    for entry in content["candidates"]:
        test = f", test MAF {100 * entry['test']['MAF']:.1f}" if entry["test"] else ""
        chosen = " (primary)" if (entry["how"], entry["variant"]) == (primary["how"], primary["variant"]) else ""
        lines.append(f"{entry['subsystem']} {entry['variant']}: dev MAF {100 * entry['dev']['MAF']:.1f}{test}{chosen}")
    table = content["weights"][primary["how"]][primary["variant"]]
    lines.append("weights: " + ", ".join(f"{name} {mean:.2f}" for (name, _), mean
                                         in zip(table["subsystems"], table["mean"], strict=True)))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_main(main))
