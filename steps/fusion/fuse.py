"""Fuse the subsystems of a protocol: equal weights, weights searched for MAF, logistic regression; all fitted on dev.
Numbers and tracks are averaged, with equal weights and with weights searched for CCC.

Per variant, fold and seed each way of fusing writes EXP/fusion_<how>/<protocol>/<variant>/fold<k>/seed<s>/ as any
subsystem does. The dev scores of a fusion are those of weights that have not seen the item (left out by speaker), so
the best on dev is declared primary and no test score is looked at. EXP/fusion/<protocol>.json (<protocol>.<target>.json
of further targets) tells what was fused, what is missing, the weights and what each subsystem adds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.data.variant import Variant
from utils.arguments import ArgumentParser, add_leave_out
from utils.errors import run_main
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
    targets = [data.target(name) for name in arguments.targets.split()] or [data.target()]
    found = find(arguments.exp, split.name, names, arguments.text_variant, arguments.variants.split(),
                 arguments.extended.split(), arguments.leave_out)
    tell_missing(found)
    fusions, contents = {}, {}
    for target in targets:
        reader = Reader(data, split, target)
        inputs = {ensemble.variant: runs.stacks(ensemble, reader) for ensemble in found.ensembles}
        fusions[target] = [runs.fuse(how, ensemble, inputs[ensemble.variant], target)
                           for how in ways_of(target) for ensemble in found.ensembles]
        contents[target] = account.account(split.name, names, found, sorted(reader.held_out_by),
                                           fusions[target], inputs)
    for how in HOWS:
        mine = {target: made for target in targets if (made := [one for one in fusions[target] if one.how == how])}
        primary = {target.name: contents[target]["primary"]["variant"] for target in mine
                   if contents[target]["primary"]["how"] == how}
        if mine:
            write(arguments.exp / account.name_of(how) / split.name, data, split, found.ensembles, mine, primary)
    for target in targets:
        file = f"{split.name}.json" if target == targets[0] else f"{split.name}.{target.name}.json"
        write_json(arguments.exp / "fusion" / file, {"corpus": data.name, **contents[target]})
        print(*([f"{target.name}:"] if len(targets) > 1 else []), show(contents[target]), sep="\n")
    print(f"{time.monotonic() - began:.1f} s")
    return 0


def ways_of(target: Target) -> tuple[str, ...]:
    """The ways in which scores of a target are fused."""
    from steps.fusion.combine import HOWS, OF_PREDICTIONS

    return HOWS if target.kind == "class" else OF_PREDICTIONS


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("fuse_subsystems.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", required=True, metavar="NAME", help="split in DATA/splits/NAME.tsv")
    parser.add_argument("--subsystems", required=True, type=some, metavar='"NAME ..."',
                        help="trained subsystems EXP/NAME; those that are not there are told and left out")
    parser.add_argument("--targets", default="", metavar='"NAME ..."',
                        help="what they predict, each fused for itself (default: the first of the corpus)")
    parser.add_argument("--text-variant", default="asr-text", metavar="NAME",
                        help="what a subsystem without norm-... variants gives (%(default)s)")
    parser.add_argument("--variants", default="", metavar='"V ..."',
                        help="variants that are fused (default: every norm-... without +aug)")
    parser.add_argument("--extended", default="", metavar='"NAME ..."', help="further subsystems: each variant is "
                        "fused a second time, with these too (variant ...+extended)")
    parser.add_renamed("--more", "--extended")
    add_leave_out(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    return parser.parse_args(argv)


def some(text: str) -> str:
    """Of --subsystems: at least one."""
    if not text.split():
        raise argparse.ArgumentTypeError("it is empty; name the subsystems that are fused")
    return text


def tell_missing(found: Found) -> None:
    """One line on standard error."""
    from steps.fusion import account

    if found.missing:
        print(f"missing in the fusion: {'; '.join(map(account.absent, found.missing))}", file=sys.stderr)


def write(directory: Path, data: Dataset, split: Split, ensembles: Sequence[Ensemble],
          fusions: Mapping[Target, Sequence[Fused]], primary: Mapping[str, str]) -> None:
    """EXP/fusion_<how>/<protocol> as a whole: nothing is left of an earlier fusion.

    Args:
        fusions: of each target one an ensemble, all of one way. primary: {target: variant}, where it is of this way.
    """
    first = next(iter(fusions.values()))
    name, how = directory.parent.name, first[0].how
    with atomic_directory(directory) as out:
        for number, ensemble in enumerate(ensembles):
            fused = {target: made[number] for target, made in fusions.items()}
            for fold, seed in first[number].runs:
                task = {"subsystem": name, "kind": "fusion", "how": how, "variant": ensemble.variant, "fold": fold,
                        "seed": seed, "corpus": data.name, "protocol": split.name,
                        "subsystems": {name: variant for name, variant in ensemble.names}}
                prior = {target: sorted(set.intersection(*(
                    set(experiment.metrics(target.name).get("prior_scored", ()))
                    for experiment in ensemble.experiments(fold, seed)))) for target in fusions}
                write_run(out / ensemble.variant / f"fold{fold}" / f"seed{seed}",
                          {target: one.runs[fold, seed] for target, one in fused.items()}, task, split, prior)
        sources = {source for fused in first for _, variant in fused.members
                   if (source := Variant.parse(variant).text)}
        chosen = next(iter(primary.values())) if len(fusions) == 1 and primary else dict(primary)
        write_json(out / "subsystem.json", {
            "subsystem": name, "kind": "fusion", "config": how, "features": "scores",
            "targets": [target.name for target in fusions], "corpus": data.name, "protocol": split.name,
            "variants": [fused.variant for fused in first],
            "folds": sorted(set.intersection(*(set(ensemble.folds) for ensemble in ensembles))),
            "seeds": sorted(set.intersection(*(set(ensemble.seeds) for ensemble in ensembles))), "permuted": False,
            "fuses": {fused.variant: [list(member) for member in fused.members] for fused in first},
            **({"text_source": sources.pop()} if sources else {}), **({"primary": chosen} if chosen else {})})


def write_run(directory: Path, runs: Mapping[Target, Run], task: Mapping[str, Any], split: Split,
              prior: Mapping[Target, list[str]]) -> None:
    """config.yaml, model.json (model.<target>.json of a further target), scores/<target>/{dev,test}.tsv and
    metrics.json of one fold and seed."""
    from steps.scoring.experiment import METRICS
    from utils.config import write_yaml

    write_yaml(directory / "config.yaml", dict(task))
    targets, first = {}, next(iter(runs.values())).fitted.fusion
    for target, run in runs.items():
        fusion = run.fitted.fusion
        fusion.save(directory, *([] if fusion is first else [f"model.{target.name}.json"]))
        targets[target.name] = {**{part: write_scores_of(directory, target, run, part) for part in run.parts},
                                "temperature": fusion.temperature, "prior_scored": prior[target]}
    fitted = {"equal": 0, "simplex": len(first.weights) - 1, "logistic": len(first.weights) + len(first.biases)}
    write_json(directory / METRICS, {
        "targets": targets, "chosen": dict(first.chosen), "parameters": len(runs) * fitted[first.how],
        "speaker_overlap": split.speaker_overlap, "permuted": False})


def write_scores_of(directory: Path, target: Target, run: Run, part: str) -> dict[str, float]:
    """Write the table of a target and part; returns its metrics."""
    import numpy as np

    from steps.fusion.runs import counted, values_of
    from steps.scoring import scores
    from steps.scoring.experiment import scores_path

    stack, values = run.parts[part], run.scores(part)
    path = scores_path(directory, target.name, part)
    if not stack.predictions:
        scores.write_scores(path, stack.ids, stack.labels, target.classes, values)
    elif target.kind == "number":
        scores.write_regression(path, stack.ids, stack.labels, values[:, 0].tolist())
    else:
        names, starts = np.unique(np.array(stack.ids), return_index=True)
        scores.write_sequences(path, names.tolist(), np.split(stack.y, starts[1:]),
                               np.split(values[:, 0], starts[1:]))
    summary = counted(target, {(0, 0): (stack, values)})
    found = values_of(summary) if summary.labelled else {}
    return {"n": summary.labelled, **{name: float(value[0]) for name, value in found.items()}}


def show(content: Mapping[str, Any]) -> str:
    """The candidates and the weights of the primary, for a person."""
    from steps.scoring.cells import shown

    primary, metric = content["primary"], content["metric"]
    show, lines = shown(metric), []
    for entry in content["candidates"]:
        test = f", test {metric} {show(entry['test'][metric])}" if entry["test"] else ""
        chosen = " (primary)" if (entry["how"], entry["variant"]) == (primary["how"], primary["variant"]) else ""
        lines.append(f"{entry['subsystem']} {entry['variant']}: dev {metric} "
                     f"{show(entry['dev'][metric])}{test}{chosen}")
    table = content["weights"][primary["how"]][primary["variant"]]
    lines.append("weights: " + ", ".join(f"{name} {mean:.2f}" for (name, _), mean
                                         in zip(table["subsystems"], table["mean"], strict=True)))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_main(main))
