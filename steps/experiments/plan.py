"""Plan the experiments of one subsystem: variants x folds x seeds, one small file a task.

Checks everything that can be checked before anything is dispatched, writes `<out>/subsystem.json` and
`<out>/log/task.<j>.json` (an experiment, or with --tasks a list of them), and prints the number of tasks.
With --finish: counts what the tasks wrote.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, count
from utils.errors import UsageError, UserError, run_main
from utils.files import read_json, write_json
from utils.shape import NAME, Either, Number

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.variant import Variant
    from steps.subsystems.contract import Spec
    from utils.corpus import Target

KIND_OF = {"vector": "utterance"}  # layout: kind of features, where the two have different names
FEW_UTTERANCES = 2000  # a linear SVM, a forest or a small network trains on them in about the time that torch loads
NUMBER = Number(0, 10**6, whole=True)
TASK = {  # of log/task.<j>.json
    "variant": NAME, "fold": NUMBER, "seed": NUMBER, "subsystem": str}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.examples import unlabelled
    from steps.examples.augmented import open_augmented
    from steps.examples.fold import fingerprint, open_inputs, what_is_read
    from steps.examples.tasks import check_learned, further_fields, with_main_task
    from steps.subsystems.contract import load_experiment_config, overrides, spec_of
    from steps.subsystems.start import open_start, prepare, training_records
    from steps.text.source import layers_for
    from steps.training.config import FREE_KEYS
    from utils.config import split_settings

    data, out = Dataset.open(arguments.data), Path(arguments.out)
    targets = [data.target(name) for name in arguments.targets.split()] or [data.target()]
    others = () if targets == [data.target()] else tuple(target.name for target in targets)
    own = "-".join(others)
    log = out / "log" / own if own else out / "log"
    if arguments.finish:
        return count_outputs(out, log, [target.name for target in targets])
    config = load_experiment_config(arguments.config, split_settings(arguments.set))
    spec = spec_of(config.kind)
    inputs = open_inputs(data.path, [arguments.features])
    store = inputs[arguments.features]
    if store is None:
        data = data.with_layers(layers_for(data.path, arguments.sources.split() or [getattr(config, "source", "")]))
    split = data.split(arguments.protocol)
    check_fits(spec, config.kind, data, targets, store)
    config = with_main_task(config, targets[0])
    check_learned(dataclasses.asdict(config), data.items.values())
    more: dict[str, Any] = {"targets": list(others)} if others else {}
    started: dict[str, Any] = {}
    if arguments.init not in ("", "none"):
        start = open_start(arguments.init)
        config = prepare(start, spec, config, store, arguments.norms)
        more["init"] = start.about
        started = {"init": {**start.about, "trained_on": training_records(start) or None}}
    folds = integers("--folds", arguments.folds) or split.folds
    for fold in folds:
        split.ids(fold, "train")  # names an unknown fold
    seeds = integers("--seeds", arguments.seeds) or [0]
    if not spec.seeded and len(seeds) > 1 and arguments.labels is None:
        print(f"{config.kind} is deterministic: only seed {seeds[0]} is run", file=sys.stderr)
        seeds = seeds[:1]
    variants = text_variants(data, config, arguments.sources) if store is None else \
        norm_variants(config, arguments.norms, arguments.sources)
    sets, told = semi_supervised(arguments, config, spec, data, targets[0], inputs, split, folds)
    marks = {"labels": "" if arguments.labels is None else str(arguments.labels),
             "unlabelled": tuple(one.name for one in sets), "targets": others, "permuted": arguments.permute_labels}
    variants = {dataclasses.replace(variant, **marks): chosen for variant, chosen in variants.items()}
    if arguments.labels is not None:
        more["labels"] = arguments.labels
    if sets:
        started["unlabelled"] = {"sets": [one.text for one in sets],
                                 "trained_on": unlabelled.training_records(sets, data, split)}
    learned = further_fields(dataclasses.asdict(config), targets)
    hashes = {(variant, fold): fingerprint(
        data, split, fold, what_is_read(inputs, getattr(chosen, "source", ""), learned), targets, spec.reads)
        for variant, (_, chosen) in variants.items() for fold in folds}
    tasks = [{**more, **told.get(fold, {}), "variant": str(variant), "norm": norm, "fold": fold, "seed": seed,
              "subsystem": out.parent.name, "kind": config.kind, "config_name": Path(arguments.config).stem,
              "features": arguments.features, "corpus": data.name, "protocol": arguments.protocol,
              "permute_labels": arguments.permute_labels, "data": hashes[variant, fold],
              "config": dataclasses.asdict(chosen)}
             for variant, (norm, chosen) in variants.items() for fold in folds for seed in dict.fromkeys(seeds)]
    if arguments.augment:
        tasks += with_noise(tasks, targets, spec, open_augmented(data, inputs, split, arguments.augment))
    light = store is None or store.kind == "utterance"
    shares = shared_out(tasks, number_of_tasks(arguments.tasks, arguments.nj, len(data.items), light))
    write_tasks(log, shares)
    write_json(out / (f"subsystem.{own}.json" if own else "subsystem.json"), {
        "subsystem": out.parent.name, "kind": config.kind, "config": Path(arguments.config).stem,
        "features": arguments.features, "targets": [target.name for target in targets], "corpus": data.name,
        "protocol": arguments.protocol,
        "variants": list(dict.fromkeys(task["variant"] for task in tasks)),
        "folds": folds, "seeds": list(dict.fromkeys(seeds)), "permuted": arguments.permute_labels,
        "set": [word for word in overrides(config, load_experiment_config(arguments.config))
                if word.partition("=")[0] not in FREE_KEYS], **more,
        **started,
        **({"text_source": {task["variant"]: task["config"]["source"] for task in tasks}} if store is None else {})})
    print(len(shares), log)
    return 0


def with_noise(tasks: list[dict[str, Any]], targets: Sequence[Target], spec: Spec,
               augmented: tuple[Any, Any, Any, dict[str, Any]]) -> list[dict[str, Any]]:
    """Each of the tasks once more, with noisy copies in its training part (steps/examples/augmented.py)."""
    from steps.data.variant import Variant
    from steps.examples.fold import fingerprint, what_is_read
    from steps.examples.tasks import further_fields

    data, inputs, split, noise = augmented

    def noisy(task: dict[str, Any]) -> dict[str, Any]:
        variant = dataclasses.replace(Variant.parse(task["variant"]), augmented=True)
        read = what_is_read(inputs, task["config"].get("source", ""), further_fields(task["config"], targets))
        return {**task, "variant": str(variant), "augment": noise, "data": fingerprint(
            data, split, task["fold"], {**read, "augment": noise}, targets, spec.reads)}

    return [noisy(task) for task in tasks]


def semi_supervised(arguments: argparse.Namespace, config: Any, spec: Spec, data: Dataset, target: Target,
                    inputs: dict[str, Any], split: Any,
                    folds: Sequence[int]) -> tuple[list[Any], dict[int, dict[str, Any]]]:
    """The unlabelled sets, and what each fold's tasks say of them; checks that labels and sets suit the training.

    Raises:
        UserError: a set that would leak, that nothing would use, or too few labels.
    """
    from steps.examples.hidden import Kept
    from steps.examples.unlabelled import about_sets, check_apart, open_sets
    from steps.semi_supervised.config import SUPERVISED

    if arguments.labels is not None:
        for fold in folds:
            values = {data.group_of(key, target.of): data.items[key].value(target) for key in split.ids(fold, "train")}
            labels = [value for value in values.values() if value is not None]
            Kept(arguments.labels).count([labels.count(name) for name in target.classes] or [len(labels)])
    sets = open_sets(arguments.unlabelled)
    uses = config.self_training or (spec.unlabelled and config.training.objective != SUPERVISED)
    if sets and not uses:
        raise UsageError(f"--unlabelled {arguments.unlabelled}: this training uses labelled utterances alone; set "
                         "training.objective=fixmatch of a network, or self_training.rounds, or leave the sets out")
    if config.self_training and (target.of != "utterance" or not target.classes):
        raise UsageError(f"self_training labels utterances with classes; {data.path} has others to predict")
    if sets and None in inputs.values():
        raise UsageError(f"--unlabelled {arguments.unlabelled}: sets are of features; here --features is text")
    check_apart(sets, data, split, folds)
    return sets, {fold: {"unlabelled": about_sets(sets, data, split, fold, inputs)} for fold in folds if sets}


def share(text: str) -> float:
    """Of --label-share: a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; expected a number above 0 and below 1, e.g. 0.1")
    return value


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="steps.experiments.plan", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="conf/NAME.yaml")
    parser.add_argument("--features", required=True,
                        help="directory of features below the data directory; text: none, what is said")
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--init", default="", metavar="MODEL", help="exported model or recognizer: training "
                        "starts from its trunk; none: random weights")
    parser.add_argument("--targets", default="", metavar="NAME ...", help="predict these of the corpus's targets; "
                        "empty: the default one")
    parser.add_argument("--norms", default="global", help='e.g. "global speaker"')
    parser.add_argument("--sources", default="", help='of --features text, e.g. "asr reference"; empty: as configured')
    parser.add_argument("--seeds", default="0", help='e.g. "0 1 2"')
    parser.add_argument("--folds", default="", help="empty: all of the protocol")
    parser.add_argument("--set", default="", help='"key=value ..."; NAME:key=value is for conf/NAME.yaml only')
    parser.add_argument("--permute-labels", action="store_true", help="shuffle labels of train and dev (leak audit)")
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument("--labels", type=count, metavar="N", help="hide all but N labels of the training part")
    labels.add_argument("--label-share", dest="labels", type=share, metavar="S", help="hide all but this share")
    parser.add_argument("--unlabelled", default="", metavar="SETS", help='"DATA[:PROTOCOL/PART] ...": sets that '
                        "training may use without labels")
    parser.add_argument("--augment", default="", metavar="DATA2", help="noisy set; every experiment also with its "
                        "copies of the training part (variant ...+aug)")
    parser.add_argument("--tasks", type=tasks_option, metavar="N", help="tasks, each of which works through its share "
                        "of the experiments (default: one experiment a task); auto: --nj, where experiments are short")
    parser.add_argument("--nj", type=count, default=1, metavar="N", help="parallel tasks, for --tasks auto")
    parser.add_argument("--finish", action="store_true", help="after the tasks: check that every experiment is there")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True, help="exp/<subsystem>/<protocol>")
    return parser.parse_args(argv)


def norm_variants(config: Any, norms: str, sources: str) -> dict[Variant, tuple[str, Any]]:
    """{variant: (normalization, configuration)} of a subsystem that reads features."""
    from steps.data.variant import Variant
    from steps.features.normalize import check_mode

    if sources:
        raise UsageError(f"--sources '{sources}' goes with --features text only")
    for norm in norms.split():
        check_mode(norm)
    if not norms.split():
        raise UsageError("--norms is empty; accepted: global, speaker, none")
    return {Variant(norm=norm): (norm, config) for norm in norms.split()}


def text_variants(data: Any, config: Any, sources: str) -> dict[Variant, tuple[str, Any]]:
    """{variant: (normalization, configuration)} of a subsystem that reads text."""
    from steps.data.variant import Variant
    from steps.text.source import SOURCES, check_source

    chosen = sources.split() or [config.source]
    for source in chosen:
        if source not in SOURCES:
            raise UsageError(f"--sources '{sources}': {source} is no source; accepted: {', '.join(SOURCES)}")
        check_source(data, source)
    return {Variant(text=source): ("none", dataclasses.replace(config, source=source)) for source in chosen}


def check_fits(spec: Spec, name: str, data: Dataset, targets: Sequence[Target], store: Any) -> None:
    """The subsystem can learn these targets from these features."""
    if len(targets) > 1 and not spec.several:
        raise UsageError(f"--targets {' '.join(target.name for target in targets)}: {name} predicts one target")
    kind = "text" if store is None else store.kind
    for what, value, accepted in (*(("target", target.kind, spec.targets) for target in targets),
                                  ("kind of features", kind, [KIND_OF.get(layout, layout) for layout in spec.layouts])):
        if value not in accepted:
            raise UserError(f"{name} cannot be trained on {data.path}: {what} is {value}, it takes "
                            f"{', '.join(accepted)}")


def integers(option: str, text: str) -> list[int]:
    """`"0 1 2"` -> [0, 1, 2].

    Raises:
        UsageError: a word is no number.
    """
    for word in text.split():
        if not (word.isascii() and word.isdecimal() and len(word) <= 9):
            raise UsageError(f"{option} {text!r}: {word!r} is no whole number of at most 9 digits; expected e.g. "
                             "\"0 1 2\"")
    return [int(word) for word in text.split()]


def tasks_option(text: str) -> str | int:
    """auto, or how many."""
    return text if text == "auto" else count(text)


def number_of_tasks(wanted: str | int | None, parallel: int, utterances: int, light: bool = True) -> int | None:
    """--tasks as a number; None: each piece of work is a task.

    Args:
        wanted: auto, a number, or None. utterances: of the data set. light: whether a piece of work takes less time
            than to start a process for it, where utterances are few.
    """
    if wanted != "auto":
        return wanted
    return parallel if light and utterances <= FEW_UTTERANCES else None


def shared_out(work: list[dict[str, Any]], tasks: int | None) -> list[Any]:
    """The pieces of work as tasks: at most so many, each a list of pieces; None: each piece is a task."""
    return work if tasks is None or tasks >= len(work) else [work[first::tasks] for first in range(tasks)]


def content_of(path: Path, shape: dict[str, Any] = TASK,
               again: str = "run steps/train_subsystem.sh again") -> list[dict[str, Any]]:
    """The pieces of work in a task's file, each of this shape (utils/shape.py).

    Raises:
        DamagedFile: not of that shape; `again` says what to do.
    """
    content = read_json(path, Either(shape, [shape]), again)
    return content if isinstance(content, list) else [content]


def write_tasks(log: Path, tasks: list[Any]) -> None:
    """LOG/task.<j>.json, and nothing left of a longer plan."""
    log.mkdir(parents=True, exist_ok=True)
    for number, task in enumerate(tasks, start=1):
        write_json(log / f"task.{number}.json", task)
    for number, path in task_files(log).items():
        if number > len(tasks):
            path.unlink()


def task_files(log: Path) -> dict[int, Path]:
    """task.<j>.json by j, in order."""
    found = {path.name.split(".")[1]: path for path in log.glob("task.*.json")}
    return {int(number): found[number] for number in sorted(filter(str.isdecimal, found), key=int)}


def count_outputs(out: Path, log: Path, targets: Sequence[str]) -> int:
    """Every experiment of the plan has its scores and metrics; prints a line a variant and target:
    mean test metrics."""
    from steps.scoring.experiment import Experiment

    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, path in task_files(log).items():
        for task in content_of(path):
            directory = out / task["variant"] / f"fold{task['fold']}" / f"seed{task['seed']}"
            experiment = Experiment(directory, out.parent.name, task["variant"], task["fold"], task["seed"])
            for name in targets:
                found = experiment.metrics(name)
                if "test" not in found or not all(experiment.scores(name, part).is_file() for part in ("dev", "test")):
                    raise UserError(f"{directory} has no scores of {name}, see {log}/train.{number}.log")
                results.setdefault((task["variant"], name), []).append(found)
    for (variant, name), values in results.items():
        prior = len({key for value in values for key in value.get("prior_scored", ())})
        print(f"{out.parent.name} {variant}, {name}: {len(values)} experiments, {means([v['test'] for v in values])}"
              f"{f'; {prior} utterances without features or text have the class prior' if prior else ''}")
    return 0


def means(tests: list[dict[str, Any]]) -> str:
    """The metrics of the test parts that have labels, for a person."""
    from steps.scoring.cells import shown

    labelled = [{name: value for name, value in test.items() if isinstance(value, (int, float))}
                for test in tests if test["n"]]
    if not labelled:
        return "the test part has no labels: scores, but no metrics"
    return "mean over folds and seeds " + ", ".join(
        f"{name} {shown(name)(sum(test[name] for test in labelled) / len(labelled))}"
        for name in ("F1", "UA", "MAF", "WA", "CCC", "CCC_items", "MAE", "RMSE")
        if all(name in test for test in labelled))


if __name__ == "__main__":
    sys.exit(run_main(main))
