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
    from steps.examples.fold import Examples
    from steps.experiments.material import Material
    from steps.experiments.run_spec import RunSpec
    from steps.subsystems.contract import ExperimentConfig, Predictor, Workspace

SELECTED = "selected"  # beside the final model: the one that was selected on dev, which computed the embeddings


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
    from steps.experiments.run_spec import RunSpec
    from steps.experiments.task_files import AGAIN, content_of

    for content in content_of(Path(arguments.task), {str: Any}):
        run(RunSpec.parse(content, arguments.task, AGAIN), Path(arguments.data), Path(arguments.out), arguments.device,
            arguments.augment, arguments.init, arguments.unlabelled)
    return 0


def run(task: RunSpec, data_path: Path, out: Path, device: str = "auto", noisy: str = "",
        init: str = "", unlabelled: str = "") -> None:
    """Run the experiment that `task` describes, unless it is finished.

    Args:
        noisy: the set of `--augment`, init: the model of `--init`, unlabelled: the sets of `--unlabelled`, where the
            task asks for them.
    """
    directory = task.directory(out)
    refuse_other(directory / "config.yaml", task.identity())
    if finished(directory, task.config):
        print(f"{task.name}: finished before, nothing to do", flush=True)
        shutil.rmtree(directory / "checkpoint", ignore_errors=True)  # a kill may have left it
        return
    from steps.experiments.material import open_material
    from utils.config import write_yaml

    # Of several processes that train one model only the first writes.
    main_process = int(os.environ.get("RANK", 0)) == 0
    if main_process:
        write_yaml(directory / "config.yaml", task.to_dict())
    material = open_material(task, data_path, out.parent.parent, noisy, unlabelled)
    train(task, material, directory, device, main_process, init)


def finished(directory: Path, config: ExperimentConfig) -> bool:
    """Whether the experiment is whole; one whose model or embeddings are wanted now and were not kept then is trained
    again."""
    from steps.inputs.embedding import written

    scored = (directory / "metrics.json").is_file() and any((directory / "scores").glob("**/test.tsv"))
    return (scored and (not config.keep_model or (directory / "model.json").is_file())
            and (not config.keep_embeddings or written(directory)))


def refuse_other(path: Path, wanted: dict[str, Any]) -> None:
    """
    Raises:
        UsageError: the experiment in this directory was made with another configuration; names the key.
    """
    from steps.training.config import identity, refuse
    from utils.config import read_yaml

    if path.is_file():
        refuse(identity(read_yaml(path)), wanted, path.parent)


def train(task: RunSpec, material: Material, directory: Path, device: str, main_process: bool, init: str) -> None:
    """Train, calibrate, score, write: once, or in several rounds."""
    from steps.subsystems.contract import Workspace
    from steps.subsystems.initialization import changed

    examples = material.examples(task)
    print_header(task.name, examples)
    start = changed(init, task.init) if task.init else None
    workspace = Workspace(directory, task.identity(), task.seed, device, task.name, start)
    experiment = Experiment(task, material, examples, workspace, main_process, directory.parents[4])
    if task.config.self_training is None:
        experiment.run(directory, examples)
        return
    from steps.experiments.rounds import run_rounds

    if task.config.keep_embeddings:
        raise UserError(f"{task.name}: keep_embeddings goes with a single training; leave self_training out", 2)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(f"{task.name}: self_training runs in one process; use --processes 1", 2)
    run_rounds(directory, examples, task.config.self_training, experiment.run,
               lambda place: finished(place, task.config), workspace.say)


@dataclass(frozen=True)
class Experiment:
    """What every round of an experiment has in common; most have one."""

    task: RunSpec
    material: Material
    examples: Examples
    workspace: Workspace
    main_process: bool
    exp: Path

    def run(self, directory: Path, learned: Examples) -> None:
        """Train on `learned` (the examples, or those with guesses for labels), calibrate, score, write."""
        started, config = time.monotonic(), self.task.config
        learner = self.task.spec.learner_type()(config, learned, replace(self.workspace, directory=directory))
        try:
            chosen = learner.fit()
            dev = chosen.predict(self.examples.dev)
            if config.keep_embeddings and self.main_process:
                self.keep_embeddings(directory, chosen)  # not those of `final`, which has learned dev
            final = learner.refit(chosen) if config.refit else chosen
            test = final.predict(self.examples.test)
            if not self.main_process:
                return
            if config.self_training is not None:
                from steps.experiments.rounds import write_guesses

                name = self.examples.target.name
                guesses = chosen.predict(self.examples.without_labels())
                write_guesses(directory, self.examples, dev[name], guesses[name])
            if config.keep_model:
                final.save(directory)
                save_normalization(directory, self.examples)
                if config.keep_embeddings and config.refit:
                    chosen.save(directory / SELECTED)
            about = about_training(chosen, final) | {
                "train_seconds": round(time.monotonic() - started, 2), "train_items": len(learned.train.labelled())}
            self.finish(directory, {"dev": dev, "test": test}, about)
            shutil.rmtree(directory / "checkpoint", ignore_errors=True)
        finally:
            learner.close()

    def keep_embeddings(self, directory: Path, chosen: Predictor) -> None:
        """What `chosen` computes of every utterance of the fold, and of those of no part in their dialogues.

        Raises:
            UserError: this subsystem computes nothing that others could read.
        """
        from steps.inputs.embedding import write_embeddings

        if not hasattr(chosen, "embed"):
            raise UserError(f"{self.task.kind} has no embeddings: keep_embeddings goes with networks", 2)
        examples, rows, failures = self.examples, dict[str, Any](), dict[str, str]()
        for part in [examples.train, examples.dev, examples.test, *self.material.context(self.task)]:
            if len(part):
                rows |= dict(zip(part.ids, chosen.embed(part), strict=True))
            failures |= part.missing
        write_embeddings(directory, self.material.data, self.task.reader(self.exp), examples.train.ids, rows, failures)

    def finish(self, directory: Path, predicted: dict[str, dict[str, Any]], about: dict[str, Any]) -> None:
        """Write scores/<target>/{dev,test}.tsv, then metrics.json, which says that the experiment is whole."""
        from steps.experiments.outcome import Outcome
        from steps.experiments.track_outcome import TrackOutcome

        targets = {}
        for target in self.examples.targets:
            values = {part: found[target.name] for part, found in predicted.items()}
            outcome = (TrackOutcome if target.kind == "track" else Outcome)(
                self.material.data, self.examples, target, values)
            targets[target.name] = outcome.write(directory)
        write_json(directory / "metrics.json", {
            "targets": targets, **about, "threads": int(os.environ.get("EMOTION_NUM_THREADS") or 1),
            "train_left_out": sorted(self.examples.train.missing),
            "speaker_overlap": self.material.split.speaker_overlap, "permuted": self.task.variant.permuted})


def about_training(chosen: Predictor, final: Predictor) -> dict[str, Any]:
    """What metrics.json says of the model that scores test, and of what the first one chose on dev."""
    about = {**final.about, "chosen": chosen.about.get("chosen", {})}
    if "best_epoch" in chosen.about:
        about |= {key: chosen.about[key] for key in ("best_epoch", "epochs_run")}
    return about


def save_normalization(directory: Path, examples: Examples) -> None:
    """normalization.npz: what was learned on the training part; of a second input normalization.2.npz, and so on."""
    from steps.experiments.apply import normalization_file
    from utils.arrays import save_npz

    for number, arrays in enumerate(examples.normalization.values(), start=1):
        save_npz(directory / normalization_file(number), arrays, compressed=False)


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
