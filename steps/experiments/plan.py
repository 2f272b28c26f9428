"""Plan the experiments of one subsystem: variants x folds x seeds, one small file a task.

Checks everything that can be checked before anything is dispatched, writes `<out>/subsystem.json` and
`<out>/log/task.<j>.json` (an experiment, or with --tasks a list of them), and prints the number of tasks and where
they lie; for other targets than the default one `<out>/subsystem.<targets>.json` and `<out>/log/<targets>/`.
With --finish: counts what the tasks wrote.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.experiments.task_files import tasks_option
from utils.arguments import ArgumentParser, count
from utils.errors import UsageError, UserError, run_main
from utils.files import write_json

if TYPE_CHECKING:
    from steps.data.variant import Variant
    from steps.examples.unlabelled import UnlabelledSet
    from steps.experiments.material import Material
    from steps.experiments.run_spec import RunSpec
    from steps.subsystems.contract import ExperimentConfig
    from steps.subsystems.start import Start

TEXT = "text"  # the input, and its layout


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="steps.experiments.plan", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--finish", action="store_true", help="after the tasks: check that every experiment is there")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True, help="exp/<subsystem>/<protocol>")
    arguments = parser.parse_args(argv)
    return finish(arguments) if arguments.finish else plan(arguments)


def plan(arguments: argparse.Namespace) -> int:
    """Check what was asked for and write the tasks; print their number and where they lie."""
    from steps.examples.unlabelled import check_apart, open_sets
    from steps.experiments.task_files import number_of_tasks, shared_out, write_tasks

    out, config = Path(arguments.out), configured(arguments)
    material = opened(arguments, config)
    others = others_of(material)
    log = out / "log" / "-".join(others)
    config, start = checked(arguments, config, material)
    folds, seeds = folds_of(arguments, material), seeds_of(arguments, config)
    check_labels(arguments, material, folds)
    sets = open_sets(arguments.unlabelled)
    check_sets(arguments, config, material, sets)
    check_apart(sets, material.data, material.split, folds)
    runs = [run for chosen in variants(arguments, config, material, sets)
            for run in planned(arguments, material, sets, start, chosen, folds, seeds)]
    if arguments.augment:
        runs += with_noise(runs, material, arguments)
    tasks = number_of_tasks(arguments.tasks, arguments.nj, len(material.data.items), light(material))
    shares = shared_out([run.to_dict() for run in runs], tasks)
    write_tasks(log, shares)
    write_json(out / ".".join(filter(None, ["subsystem", "-".join(others), "json"])),
               about_subsystem(arguments, material, config, runs) | about_origin(arguments, material, sets, start))
    print(len(shares), log)
    return 0


def finish(arguments: argparse.Namespace) -> int:
    """Count what the tasks wrote."""
    material, out = opened(arguments, configured(arguments)), Path(arguments.out)
    return count_outputs(out, out / "log" / "-".join(others_of(material)), [target.name for target in material.targets])


def add_options(parser: ArgumentParser) -> None:
    """What a subsystem is trained on, and how."""
    parser.add_argument("--config", required=True, metavar="NAME", help="conf/NAME.yaml, overlaid by the recipe's own: "
                        "random_forest, linear_svm, dnn, multitask_dnn, attention_rnn, text_svm, track_gru, ...")
    parser.add_argument("--inputs", required=True, metavar='"NAME ..."', help="what the subsystem reads, one input or "
                        "several: features in DATA/NAME; text:asr, text:nbest or text:reference, what is said, of "
                        "several kinds of text an experiment each (text: those of --sources); "
                        "waveform or waveform@RATE, the recordings; images, of the field images; "
                        "embedding:SUBSYSTEM[/VARIANT], what another subsystem computes, trained with "
                        "keep_embeddings=true on the same protocol, fold and seed")
    parser.add_argument("--protocol", required=True, metavar="NAME", help="split in DATA/splits/NAME.tsv")
    parser.add_argument("--targets", default="", metavar='"NAME ..."', help="predict these of the corpus's targets, "
                        "such as phq8 (default: the first; of others the variant says so: ...+target-phq8)")
    parser.add_argument("--init", default="none", metavar="MODEL", help="exported model (steps/export.sh) or "
                        "recognizer: the network starts from its trunk (default: none, random weights); what it was "
                        "trained on is told to the leak audit")
    parser.add_argument("--norms", default="global", metavar='"NAME ..."', help="normalizations, one experiment each: "
                        "global, speaker, none (default: %(default)s)")
    parser.add_argument("--sources", default="", metavar='"NAME ..."', help="of --inputs text, one experiment each: "
                        "asr, nbest, reference (default: as configured)")
    parser.add_argument("--seeds", default="0", metavar='"S ..."', help="seeds (default: %(default)s); a deterministic "
                        "subsystem runs the first one only")
    parser.add_argument("--folds", default="", metavar='"F ..."', help="folds (default: all)")
    parser.add_argument("--set", default="", metavar='"KEY=VALUE ..."', help="over the configuration; NAME:KEY=VALUE "
                        "concerns conf/NAME.yaml only")
    parser.add_argument("--augment", default="", metavar="DATA2", help="noisy set of DATA (steps/make_noisy_set.sh "
                        "--snr random): train every experiment a second time, with DATA2's copies of its training "
                        "utterances too (variant ...+aug); dev and test stay clean")
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument("--labels", type=count, metavar="N", help="hide all but N labels of every training part, "
                        "stratified by class and spread over speakers (variant ...+labels-N); what is hidden is "
                        "unlabelled. Dev keeps its labels, and so does a refit on train and dev")
    labels.add_argument("--label-share", dest="labels", type=share, metavar="S", help="hide all but this share of "
                        "them, e.g. 0.1 (variant ...+labels-0.1)")
    parser.add_argument("--unlabelled", default="", metavar='"DATA[:PROTOCOL/PART] ..."', help="sets of utterances "
                        "that training may use without labels, with the same features (variant ...+unlabelled-<set>); "
                        "refused where they share speakers or sound with dev or test")
    parser.add_argument("--permute-labels", action="store_true", help="shuffle the labels of train and dev, for the "
                        "leak audit (variant ...+permuted)")
    parser.add_argument("--nj", type=count, default=1, metavar="N", help="parallel tasks (default: %(default)s)")
    parser.add_argument("--tasks", type=tasks_option, metavar="N", help="tasks, each of which works through its share "
                        "of the experiments in one process (default: one experiment a task); auto: as many as --nj "
                        "where to start a process takes longer than to train, which is on up to 2000 utterances that "
                        "have a vector or text each")
    parser.add_renamed("--label", "--targets")
    parser.add_renamed("--features", "--inputs")


def share(text: str) -> float:
    """Of --label-share: a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; expected a number above 0 and below 1, e.g. 0.1")
    return value


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


def configured(arguments: argparse.Namespace) -> ExperimentConfig:
    """The configuration as the options name it."""
    from steps.subsystems.contract import load_experiment_config
    from utils.config import split_settings

    return load_experiment_config(arguments.config, split_settings(arguments.set))


def opened(arguments: argparse.Namespace, config: ExperimentConfig) -> Material:
    """Data set, inputs (of the first fold and seed), split and targets as the options name them."""
    from steps.data.dataset import Dataset
    from steps.experiments.material import Material
    from steps.inputs.source import Run

    (names, texts), out = names_and_texts(arguments, config), Path(arguments.out)
    split = Dataset.open(arguments.data).split(arguments.protocol)
    fold, *_ = integers("--folds", arguments.folds) or split.folds
    seed, *_ = integers("--seeds", arguments.seeds) or [0]
    run = Run(out.parent.parent, out.parent.name, split.name, fold, seed, arguments.permute_labels)
    return Material.open(Path(arguments.data), names, run, arguments.targets.split(), texts)


def names_and_texts(arguments: argparse.Namespace, config: ExperimentConfig) -> tuple[list[str], list[str]]:
    """The names of the inputs, and the kinds of text that "text" stands for, each a variant.

    A subsystem that has a kind of text as an option (config.source) reads "text"; text:KIND names its option.
    """
    from steps.inputs.opening import text_kinds
    from steps.text.source import SOURCES

    given = arguments.inputs.split()
    if not given or len(set(given)) < len(given):
        raise UsageError(f"--inputs '{arguments.inputs}': expected names of inputs, each once")
    if arguments.sources and TEXT not in given:
        raise UsageError(f"--sources '{arguments.sources}' goes with --inputs text only")
    own = getattr(config, "source", "")
    chosen = arguments.sources.split() or (text_kinds(given) if own else []) or [own]
    names = list(dict.fromkeys(TEXT if own and name.startswith(f"{TEXT}:") else name for name in given))
    check_layouts(config.kind, arguments.data, {name: TEXT for name in names if name.partition(":")[0] == TEXT})
    if TEXT not in names:
        return names, []
    for source in chosen:
        if source not in SOURCES:
            raise UsageError(f"--inputs {arguments.inputs} --sources '{arguments.sources}': {source or 'nothing'} is "
                             f"no source; accepted: {', '.join(SOURCES)}")
    return names, list(dict.fromkeys(chosen))


def others_of(material: Material) -> tuple[str, ...]:
    """The names of the targets, where they are not the default one alone."""
    return () if list(material.targets) == [material.data.target()] else \
        tuple(target.name for target in material.targets)


def checked(arguments: argparse.Namespace, config: ExperimentConfig,
            material: Material) -> tuple[ExperimentConfig, Start | None]:
    """The configuration, checked against the material, and the model that training starts from."""
    from steps.examples.tasks import check_learned, with_main_task
    from steps.subsystems.contract import spec_of
    from steps.subsystems.initialization import open_start, prepare

    check_fits(config.kind, material)
    config = with_main_task(config, material.targets[0])
    check_learned(dataclasses.asdict(config), material.data.items.values())
    if arguments.init in ("", "none"):
        return config, None
    start = open_start(arguments.init)
    return prepare(start, spec_of(config.kind), config, material.inputs, arguments.norms), start


def check_fits(kind: str, material: Material) -> None:
    """The subsystem can learn these targets from these inputs."""
    from steps.subsystems.contract import spec_of

    spec, targets = spec_of(kind), material.targets
    if len(targets) > 1 and not spec.several:
        raise UsageError(f"--targets {' '.join(target.name for target in targets)}: {kind} predicts one target")
    for target in targets:
        if target.kind not in spec.targets:
            raise UserError(f"{kind} cannot be trained on {material.data.path}: target is {target.kind}, it takes "
                            f"{', '.join(spec.targets)}")
    check_layouts(kind, material.data.path, {name: source.layout for name, source in material.inputs.items()})


def check_layouts(kind: str, data: str | Path, layouts: Mapping[str, str]) -> None:
    """The subsystem reads inputs of these layouts, {name: layout}, and so many."""
    from steps.subsystems.contract import spec_of

    spec = spec_of(kind)
    for name, layout in layouts.items():
        if layout not in spec.layouts:
            raise UserError(f"{kind} cannot be trained on {data}: the layout of {name} is {layout}, it takes "
                            f"{', '.join(spec.layouts)}")
    if len(layouts) > spec.inputs[1]:
        raise UsageError(f"--inputs {' '.join(layouts)}: {kind} reads at most {spec.inputs[1]}")


def folds_of(arguments: argparse.Namespace, material: Material) -> list[int]:
    folds = integers("--folds", arguments.folds) or material.split.folds
    for fold in folds:
        material.split.ids(fold, "train")  # names an unknown fold
    return folds


def seeds_of(arguments: argparse.Namespace, config: ExperimentConfig) -> list[int]:
    """The different seeds; of a deterministic subsystem the first, unless they choose the labels that stay."""
    from steps.subsystems.contract import spec_of

    seeds = list(dict.fromkeys(integers("--seeds", arguments.seeds))) or [0]
    if spec_of(config.kind).seeded or len(seeds) == 1 or arguments.labels is not None:
        return seeds
    print(f"{config.kind} is deterministic: only seed {seeds[0]} is run", file=sys.stderr)
    return seeds[:1]


def check_labels(arguments: argparse.Namespace, material: Material, folds: Sequence[int]) -> None:
    """Every training part has so many labels as --labels keeps."""
    from steps.examples.hidden import Kept

    data, target = material.data, material.targets[0]
    for fold in folds if arguments.labels is not None else ():
        values = {data.group_of(key, target.of): data.items[key].value(target)
                  for key in material.split.ids(fold, "train")}
        labels = [value for value in values.values() if value is not None]
        Kept(arguments.labels).count([labels.count(name) for name in target.classes] or [len(labels)])


def check_sets(arguments: argparse.Namespace, config: Any, material: Material, sets: Sequence[UnlabelledSet]) -> None:
    """The training uses the unlabelled sets, and they have its features."""
    from steps.semi_supervised.config import SUPERVISED
    from steps.subsystems.contract import spec_of

    target = material.targets[0]
    uses = config.self_training or (spec_of(config.kind).unlabelled and config.training.objective != SUPERVISED)
    if sets and not uses:
        raise UsageError(f"--unlabelled {arguments.unlabelled}: this training uses labelled utterances alone; set "
                         "training.objective=fixmatch of a network, or self_training.rounds, or leave the sets out")
    if config.self_training and (target.of != "utterance" or not target.classes):
        raise UsageError(f"self_training labels utterances with classes; {material.data.path} has others to predict")
    if sets and any(source.layout == TEXT for source in material.inputs.values()):
        raise UsageError(f"--unlabelled {arguments.unlabelled}: sets are of features; here --inputs has text")


def variants(arguments: argparse.Namespace, config: ExperimentConfig, material: Material,
             sets: Sequence[UnlabelledSet]) -> list[tuple[Variant, ExperimentConfig]]:
    """Each variant and its configuration: a normalization of features, or a source of text."""
    from steps.data.variant import Variant
    from steps.features.normalize import check_mode
    from steps.text.source import check_source

    every = Variant(labels="" if arguments.labels is None else str(arguments.labels),
                    unlabelled=tuple(one.name for one in sets), targets=others_of(material),
                    permuted=arguments.permute_labels)
    if TEXT not in material.names:
        for norm in arguments.norms.split():
            check_mode(norm)
        if not arguments.norms.split():
            raise UsageError("--norms is empty; accepted: global, speaker, none")
        return [(dataclasses.replace(every, norm=norm), config) for norm in dict.fromkeys(arguments.norms.split())]
    _, chosen = names_and_texts(arguments, config)
    for source in chosen:
        check_source(material.data, source)
    return [(dataclasses.replace(every, text=source), dataclasses.replace(config, source=source))  # type: ignore[call-arg]
            for source in chosen]


def planned(arguments: argparse.Namespace, material: Material, sets: Sequence[UnlabelledSet], start: Start | None,
            chosen: tuple[Variant, ExperimentConfig], folds: Sequence[int], seeds: Sequence[int]) -> list[RunSpec]:
    """The runs of a variant: every fold with every seed."""
    from steps.examples.unlabelled import about_sets
    from steps.experiments.run_spec import RunSpec
    from steps.inputs.opening import depend_on_run

    (variant, config), exp = chosen, Path(arguments.out).parent.parent
    runs: list[RunSpec] = []
    for fold in folds:
        run = RunSpec(
            config.kind, config, " ".join(material.names), material.data.name, variant.norm or "none",
            Path(arguments.out).parent.name, variant, fold, config_name=Path(arguments.config).stem,
            protocol=arguments.protocol, targets=variant.targets, labels=arguments.labels,
            init=None if start is None else start.about,
            unlabelled=tuple(about_sets(sets, material.data, material.split, fold, material.inputs)))
        for seed in seeds:
            run = dataclasses.replace(run, seed=seed)
            if seed == seeds[0] or depend_on_run(material.names):
                run = dataclasses.replace(run, data=material.of(run, exp).hash(run))
            runs.append(run)
    return runs


def with_noise(runs: Sequence[RunSpec], clean: Material, arguments: argparse.Namespace) -> list[RunSpec]:
    """Each of the runs once more, with noisy copies in its training part (steps/examples/augmented.py)."""
    hashes: dict[tuple[str, int], str] = {}
    materials: dict[str, Material] = {}  # of each source of text
    found = []
    for run in runs:
        if run.spec.reads == "dialogue":
            raise UsageError(f"--augment: {run.kind} reads whole dialogues, which a noisy copy is not part of")
        if run.source not in materials:
            exp = Path(arguments.out).parent.parent
            materials[run.source] = clean.of(run, exp).with_noise(arguments.augment)
        material, place = materials[run.source], (str(run.variant), run.fold)
        hashes[place] = hashes.get(place) or material.hash(run)
        found.append(dataclasses.replace(run, variant=dataclasses.replace(run.variant, augmented=True),
                                         augment=material.noise, data=hashes[place]))
    return found


def light(material: Material) -> bool:
    """Whether a run takes little time: vectors and texts."""
    return all(source.layout in (TEXT, "vector") for source in material.inputs.values())


def about_subsystem(arguments: argparse.Namespace, material: Material, config: ExperimentConfig,
                    runs: Sequence[RunSpec]) -> dict[str, Any]:
    """subsystem.json: what all of the runs have in common."""
    from steps.subsystems.contract import load_experiment_config, overrides
    from steps.training.config import FREE_KEYS

    told = overrides(config, load_experiment_config(arguments.config))
    about = {
        "subsystem": Path(arguments.out).parent.name, "kind": config.kind, "config": Path(arguments.config).stem,
        "features": " ".join(material.names), "targets": [target.name for target in material.targets],
        "corpus": material.data.name, "protocol": arguments.protocol,
        "variants": list(dict.fromkeys(str(run.variant) for run in runs)),
        "folds": list(dict.fromkeys(run.fold for run in runs)),
        "seeds": list(dict.fromkeys(run.seed for run in runs)), "permuted": arguments.permute_labels,
        "set": [word for word in told if word.partition("=")[0] not in FREE_KEYS]}
    sources = {str(run.variant): run.source for run in runs if run.source}
    return about | ({"text_source": sources} if sources else {})


def about_origin(arguments: argparse.Namespace, material: Material, sets: Sequence[UnlabelledSet],
                 start: Start | None) -> dict[str, Any]:
    """What subsystem.json says of labels, of unlabelled sets and of the model that training starts from."""
    from steps.examples import unlabelled
    from steps.subsystems.initialization import training_records

    about: dict[str, Any] = {} if arguments.labels is None else {"labels": arguments.labels}
    if start is not None:
        about["init"] = {**start.about, "trained_on": training_records(start) or None}
    if sets:
        about["unlabelled"] = {"sets": [one.text for one in sets], "trained_on": unlabelled.training_records(
            sets, material.data, material.split)}
    return about


def count_outputs(out: Path, log: Path, targets: Sequence[str]) -> int:
    """Every experiment of the plan has its scores and metrics; prints a line a variant and target:
    mean test metrics."""
    from steps.experiments.run_spec import RunSpec
    from steps.experiments.task_files import AGAIN, content_of, task_files
    from steps.scoring.experiment import Experiment

    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, path in task_files(log).items():
        for task in content_of(path, {str: Any}):
            run = RunSpec.parse(task, path, AGAIN)
            directory = run.directory(out)
            experiment = Experiment(directory, out.parent.name, str(run.variant), run.fold, run.seed)
            for name in targets:
                found = experiment.metrics(name)
                if "test" not in found or not all(experiment.scores(name, part).is_file() for part in ("dev", "test")):
                    raise UserError(f"{directory} has no scores of {name}, see {log}/train.{number}.log")
                results.setdefault((str(run.variant), name), []).append(found)
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
