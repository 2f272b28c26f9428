"""Run an experiment, or several one after the other: train one subsystem on one fold with one seed, calibrate on dev,
write its score tables.

A finished experiment of the same configuration returns at once; one of another configuration is refused. What is
chosen (epoch, C, temperature) is chosen on dev with a model that has not seen dev; nothing is ever chosen on test. With
`refit` the test scores come from a second model, learned on train and dev with what was chosen; the dev scores, and the
temperature, stay those of the first.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import write_json

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.examples.fold import Examples
    from steps.subsystems.contract import Learner, Predictor, Workspace


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="steps.experiments.run_task", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--augment", default="", metavar="DATA2", help="noisy set, for the tasks that train with it")
    parser.add_argument("--init", default="", metavar="MODEL", help="what the tasks' networks start from")
    parser.add_argument("--unlabelled", default="", metavar="SETS", help="unlabelled sets, as planned")
    parser.add_argument("--out", required=True, help="exp/<subsystem>/<protocol>")
    parser.add_argument("task", help="<out>/log/task.<j>.json, written by steps.experiments.plan")
    arguments = parser.parse_args(argv)
    from steps.experiments.plan import content_of

    for experiment in content_of(Path(arguments.task)):
        run(experiment, Path(arguments.data), Path(arguments.out), arguments.device, arguments.augment, arguments.init,
            arguments.unlabelled)
    return 0


def run(task: dict[str, Any], data_path: Path, out: Path, device: str = "auto", noisy: str = "",
        init: str = "", unlabelled: str = "") -> None:
    """Run the experiment that `task` describes, unless it is finished."""
    from steps.training.config import identity

    directory = out / task["variant"] / f"fold{task['fold']}" / f"seed{task['seed']}"
    name = f"{task['subsystem']} {task['variant']} fold{task['fold']} seed{task['seed']}"
    wanted = identity(task)
    refuse_other(directory / "config.yaml", wanted)
    if finished(directory, task["config"].get("keep_model", False)):
        print(f"{name}: finished before, nothing to do", flush=True)
        shutil.rmtree(directory / "checkpoint", ignore_errors=True)  # a kill may have left it
        return
    from utils.config import write_yaml

    # Of several processes that train one model only the first writes.
    main_process = int(os.environ.get("RANK", 0)) == 0
    if main_process:
        write_yaml(directory / "config.yaml", task)
    train(task, data_path, directory, name, wanted, device, main_process, noisy, init, unlabelled)


def finished(directory: Path, keep_model: bool) -> bool:
    """Whether the experiment is whole; one whose model is wanted now and was not kept then is trained again."""
    scored = (directory / "metrics.json").is_file() and any((directory / "scores").glob("**/test.tsv"))
    return scored and (not keep_model or (directory / "model.json").is_file())


def refuse_other(path: Path, wanted: dict[str, Any]) -> None:
    """
    Raises:
        UsageError: the experiment in this directory was made with another configuration; names the key.
    """
    from steps.training.config import identity, refuse
    from utils.config import read_yaml

    if path.is_file():
        refuse(identity(read_yaml(path)), wanted, path.parent)


def train(task: dict[str, Any], data_path: Path, directory: Path, name: str, identity: dict[str, Any], device: str,
          main_process: bool, noisy: str = "", init: str = "", unlabelled: str = "") -> None:
    """Train, calibrate, score, write. noisy: the set of `--augment`, init: the model of `--init`, unlabelled: the sets
    of `--unlabelled`, where the task asks for them."""
    from steps.data.dataset import Dataset
    from steps.examples.augmented import open_augmented
    from steps.examples.fold import fingerprint, load_examples, open_inputs, what_is_read
    from steps.examples.hidden import Kept
    from steps.examples.tasks import further_fields
    from steps.subsystems.contract import Workspace, spec_of
    from steps.subsystems.start import changed
    from steps.text.source import layers_for
    from utils.config import from_dict

    spec = spec_of(task["kind"])
    config = from_dict(spec.config_type(), task["config"])
    source = getattr(config, "source", "")
    data = Dataset.open(data_path, layers_for(data_path, [source]))
    targets = [data.target(name) for name in task.get("targets", [""])]
    split = data.split(task["protocol"])
    inputs = open_inputs(data_path, [task["features"]])
    read = what_is_read(inputs, source, further_fields(task["config"], targets))
    if task.get("augment"):
        data, inputs, split, noise = open_augmented(data, inputs, split, noisy)
        read["augment"] = noise
    if fingerprint(data, split, task["fold"], read, targets, spec.reads) != task["data"]:
        where = f"{data_path} or {noisy}" if task.get("augment") else str(data_path)
        raise UserError(f"{where} has changed since this task was planned: run steps/train_subsystem.sh again")
    sets: dict[str, list[str]] = {}
    if task.get("unlabelled"):
        data, inputs, sets = open_unlabelled(task, data, inputs, split, unlabelled)
    examples = load_examples(data, inputs, split, task["fold"], task["norm"], config.clip_features,
                             task["seed"] if task["permute_labels"] else None, source,
                             Kept(task["labels"], task["seed"]) if "labels" in task else None, sets, targets,
                             spec.reads)
    print_header(name, examples)
    start = changed(init, task["init"]) if task.get("init") else None
    experiment = Experiment(task, data, split, spec.learner_type(), config, examples,
                            Workspace(directory, identity, task["seed"], device, name, start), main_process)
    if config.self_training is None:
        experiment.run(directory, examples)
        return
    from steps.experiments.rounds import run_rounds

    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(f"{name}: self_training runs in one process; use --processes 1", 2)
    run_rounds(directory, examples, config.self_training, experiment.run,
               lambda place: finished(place, config.keep_model), experiment.workspace.say)


@dataclass(frozen=True)
class Experiment:
    """What every round of an experiment has in common; most have one."""

    task: dict[str, Any]
    data: Dataset
    split: Split
    learner: type[Learner]
    config: Any
    examples: Examples
    workspace: Workspace
    main_process: bool

    def run(self, directory: Path, learned: Examples) -> None:
        """Train on `learned` (the examples, or those with guesses for labels), calibrate, score, write."""
        started = time.monotonic()
        learner = self.learner(self.config, learned, replace(self.workspace, directory=directory))
        try:
            chosen = learner.fit()
            dev = chosen.predict(self.examples.dev)
            final = learner.refit(chosen) if self.config.refit else chosen
            test = final.predict(self.examples.test)
            if not self.main_process:
                return
            if self.config.self_training is not None:
                from steps.experiments.rounds import write_guesses

                name = self.examples.target.name
                guesses = chosen.predict(self.examples.without_labels())
                write_guesses(directory, self.examples, dev[name], guesses[name])
            if self.config.keep_model:
                final.save(directory)
                save_normalization(directory, self.examples)
            about = about_training(chosen, final) | {
                "train_seconds": round(time.monotonic() - started, 2), "train_items": len(learned.train.labelled())}
            finish(directory, self.data, self.split, self.task, self.examples, dev, test, about)
            shutil.rmtree(directory / "checkpoint", ignore_errors=True)
        finally:
            learner.close()


def open_unlabelled(task: dict[str, Any], data: Dataset, inputs: dict[str, Any], split: Split,
                    text: str) -> tuple[Dataset, dict[str, Any], dict[str, list[str]]]:
    """Data set and features with those of the unlabelled sets, and the utterances of each set.

    Raises:
        UserError: the sets are not those that the task was planned with.
    """
    from steps.examples.unlabelled import about_sets, add_unlabelled, open_sets

    sets, fold = open_sets(text), task["fold"]
    if about_sets(sets, data, split, fold, inputs) != task["unlabelled"]:
        raise UserError(f"--unlabelled {text} has changed since this task was planned: run steps/train_subsystem.sh "
                        "again")
    ids = {one.name: [one.renamed(key) for key in one.ids(data, split, fold)] for one in sets}
    return (*add_unlabelled(data, inputs, sets), ids)


def about_training(chosen: Predictor, final: Predictor) -> dict[str, Any]:
    """What metrics.json says of the model that scores test, and of what the first one chose on dev."""
    about = {**final.about, "chosen": chosen.about.get("chosen", {})}
    if "best_epoch" in chosen.about:
        about |= {key: chosen.about[key] for key in ("best_epoch", "epochs_run")}
    return about


def finish(directory: Path, data: Dataset, split: Split, task: dict[str, Any], examples: Examples,
           dev: dict[str, Any], test: dict[str, Any], about: dict[str, Any]) -> None:
    """Write scores/<target>/{dev,test}.tsv, then metrics.json, which says that the experiment is whole."""
    from steps.experiments.outcome import Outcome
    from steps.experiments.track_outcome import TrackOutcome

    write_json(directory / "metrics.json", {
        "targets": {target.name: (TrackOutcome if target.kind == "track" else Outcome)(
            data, examples, target, {"dev": dev[target.name], "test": test[target.name]}).write(directory)
            for target in examples.targets}, **about,
        "threads": int(os.environ.get("EMOTION_NUM_THREADS") or 1), "train_left_out": sorted(examples.train.missing),
        "speaker_overlap": split.speaker_overlap, "permuted": task["permute_labels"]})


def save_normalization(directory: Path, examples: Examples) -> None:
    """normalization.npz: what was learned on the training part."""
    from utils.arrays import save_npz

    for arrays in examples.normalization.values():
        save_npz(directory / "normalization.npz", arrays, compressed=False)


def print_header(name: str, examples: Examples) -> None:
    """What this experiment learns from, on which machine."""
    versions = [f"{module} {sys.modules[module].__version__}" for module in ("torch", "sklearn", "numpy")
                if module in sys.modules]
    sizes = ", ".join(f"{part} {len(getattr(examples, part))}" for part in ("train", "dev", "test"))
    what = f"{examples.dim} features" if examples.dim else "text"
    print(f"{name}: {sizes}; {what}; {what_is_predicted(examples)}; python "
          f"{platform.python_version()}, {', '.join(versions)}; {platform.node()}, "
          f"{os.environ.get('EMOTION_NUM_THREADS') or 1} thread(s)", flush=True)


def what_is_predicted(examples: Examples) -> str:
    return ", ".join(f"{target.name} ({len(target.classes)} classes)" if target.classes else target.name
                     for target in examples.targets)


if __name__ == "__main__":
    sys.exit(run_main(main))
