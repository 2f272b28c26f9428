"""Train a CTC recognizer, average its last epochs, and write its directory.

    python -m steps.asr.train.train --config asr_small --data data/speechocean762 --protocol official --out exp/asr
    torchrun ... -m steps.asr.train.train --config asr_base --train-sets shar/train/* --dev-sets shar/dev --out exp/asr

A finished training returns at once; an interrupted one goes on at its checkpoint, in mid-epoch. OUT is the recognizer
with averaged weights (which epochs is chosen on dev), OUT/single the one of the best single epoch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import UsageError, run_main

if TYPE_CHECKING:
    from torch import nn

    from steps.asr.config import AsrConfig
    from steps.asr.train.speech import Speech
    from steps.asr.units import Units
    from steps.training.distributed import World


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="steps.asr.train.train", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="NAME", help="conf/NAME.yaml: asr_small, ...")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the configuration")
    parser.add_argument("--data", type=Path, metavar="DIR", help="prepared data set")
    parser.add_argument("--protocol", default="official", metavar="NAME", help="with --data (%(default)s)")
    parser.add_argument("--train-sets", type=Path, nargs="+", metavar="DIR", help="lazily read sets instead of --data")
    parser.add_argument("--dev-sets", type=Path, nargs="+", default=[], metavar="DIR")
    parser.add_argument("--features", default="fbank", metavar="NAME", help="(%(default)s)")
    parser.add_argument("--units", type=Path, metavar="DIR", help="units made before (default: made from the texts)")
    parser.add_argument("--alignment", type=Path, metavar="FILE", help="alignment.npz of steps/train_phone_states.sh: "
                        "phone states that are learned beside the units, which a few hours of speech need to start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--out", type=Path, required=True, metavar="OUT")
    arguments = parser.parse_args(argv)
    if (arguments.data is None) == (arguments.train_sets is None):
        raise UsageError("steps.asr.train.train: give either --data or --train-sets; see --help")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.asr.config import AsrConfig
    from steps.training import distributed
    from utils.config import load_config, split_settings

    config = load_config(AsrConfig, arguments.config, split_settings(" ".join(arguments.set)))
    world = distributed.start(arguments.device)
    try:
        train(arguments, config, world)
    finally:
        distributed.stop()
    return 0


def train(arguments: argparse.Namespace, config: AsrConfig, world: World) -> None:
    """Everything, in order; see the module's text."""
    import torch

    from steps.asr.decode.engine import engine
    from steps.asr.model import CtcModel
    from steps.asr.phones.state_alignment import StateAlignment
    from steps.asr.train.data import SpeechBatches
    from steps.training.objective import Supervised
    from steps.training.random_state import seed_everything
    from steps.training.trainer import Trainer

    if world.device != "cpu":  # torch has no deterministic CTC loss on a GPU; scores may differ in the last digits
        torch.use_deterministic_algorithms(True, warn_only=True)
    speech = open_speech(arguments, config)
    units = make_units(arguments, config, speech, world)
    if world.main and arguments.data is not None:
        report_texts(speech, units)
    mean, std = speech.moments(arguments.seed)
    alignment = StateAlignment.load(arguments.alignment) if arguments.alignment else None
    seed_everything(arguments.seed, "weights")
    model = CtcModel(len(mean), len(units), config.model, engine(config.engine), config.intermediate,
                     alignment.classes if alignment else 0, config.alignment)
    model.mean.copy_(torch.from_numpy(mean))
    model.std.copy_(torch.from_numpy(std))
    batches = SpeechBatches(speech.cuts, speech.seconds, speech.shards, speech.source, units, config.sampling,
                            config.augmentation, arguments.seed, world, alignment)
    evaluate = dev_evaluation(speech, units, world) if speech.dev else None
    wanted = {**identity(config, speech, units), "alignment": alignment.fingerprint() if alignment else None}
    if world.main:
        describe(model, speech, units)
    trainer = Trainer(Supervised(model), batches, evaluate, config.training, arguments.out / "checkpoint",
                      seed=arguments.seed, identity=wanted, world=world, log_dir=arguments.out / "log", name="asr",
                      after_epoch=EpochKeeper(arguments.out / "epochs", max(config.average)))
    outcome = trainer.fit()
    if world.main:
        from steps.asr.recognizers.recognizer import save_recognizer
        from steps.asr.train.average import choose

        about = {"features": speech.features, "feature_options": speech.source.options, "inputs": len(mean),
                 "seed": arguments.seed, "identity": wanted,
                 "train_seconds": round(outcome.seconds, 1), "best_epoch": outcome.best_epoch,
                 "dev_single": outcome.metrics, "threads": torch.get_num_threads(),
                 "parameters": sum(parameter.numel() for parameter in model.parameters()),
                 "trained_on": speech.trained_on}
        save_recognizer(arguments.out / "single", model.state_dict(), config, units, about)
        weights, chosen = choose(model, arguments.out / "epochs", config, evaluate)
        save_recognizer(arguments.out, weights, config, units, {**about, "average": chosen})
        print(f"asr: {arguments.out}: average of the last {chosen['epochs']} epochs; tried on dev: {chosen['tried']}")


def open_speech(arguments: argparse.Namespace, config: AsrConfig) -> Speech:
    """The training speech; says what was left out and why."""
    from steps.asr.train import speech

    if arguments.data is None:
        return speech.of_sets(arguments.train_sets, arguments.dev_sets, arguments.features, config)
    found = speech.of_dataset(arguments.data, arguments.protocol, arguments.features, config)
    for reason, keys in found.left_out.items():
        shown = ", ".join(keys[:5]) + (" ..." if len(keys) > 5 else "")
        print(f"asr: {len(keys)} training utterances left out, {reason}: {shown}", file=sys.stderr)
    return found


def report_texts(speech: Speech, units: Units) -> None:
    """One line on transcripts with characters that no unit spells, one on those too long for their recording."""
    from steps.asr.train.data import needed_frames, text_of
    from steps.models.conformer import output_length

    strange: dict[str, str] = {}
    crowded = []
    for cut in speech.cuts:
        strange |= dict.fromkeys(units.unknown_characters(text_of(cut)) - strange.keys(), cut.id)
        if needed_frames(units.encode(text_of(cut))) > output_length(len(speech.source.features(cut, 1.0))):
            crowded.append(cut.id)
    if strange:
        shown = ", ".join(f"{character!r} ({key})" for character, key in sorted(strange.items())[:5])
        print(f"asr: {len(strange)} characters of the transcripts are outside the units and become <unk>: {shown}",
              file=sys.stderr)
    if crowded:
        print(f"asr: {len(crowded)} transcripts need more frames than their recordings give, and teach nothing: "
              f"{', '.join(crowded[:5])}", file=sys.stderr)


def make_units(arguments: argparse.Namespace, config: AsrConfig, speech: Speech, world: World) -> Units:
    """The units given, or made from the training texts in the main process."""
    from steps.asr.train.learn_units import learn_units
    from steps.asr.units import Units
    from steps.training.distributed import from_main

    directory = arguments.units or arguments.out / "units"
    if world.main and arguments.units is None and not (directory / "units.json").is_file():
        learn_units(speech.texts(), config.units, arguments.seed).save(directory)
    from_main(None, world)  # the others wait for the files
    return Units.load(directory)


def identity(config: AsrConfig, speech: Speech, units: Units) -> dict[str, Any]:
    """What the weights depend on, beside the seed and the number of processes."""
    import hashlib

    from steps.training.config import identity as plain

    tokens = hashlib.sha256("\n".join(units.tokens).encode()).hexdigest()[:16]
    sampling = {key: value for key, value in plain(config.sampling).items() if key != "workers"}
    return {**plain(config), "sampling": sampling, "units_hash": tokens,
            "seconds": round(float(speech.seconds.sum()), 2), "features": speech.features}


def dev_evaluation(speech: Speech, units: Units, world: World) -> Callable[[nn.Module], dict[str, float]]:
    """Greedy word error rate (characters for Mandarin) in percent, on the dev part."""
    import torch
    from kaldialign import edit_distance

    from steps.asr.decode.decode import greedy
    from steps.asr.model import batch_of
    from steps.asr.recognizers.recognizer import groups
    from steps.asr.train.data import text_of
    from steps.text.normal_form import words

    features = [speech.source.features(cut, 1.0) for cut in speech.dev]
    references = [words(text_of(cut)) for cut in speech.dev]

    def evaluate(model: Any) -> dict[str, float]:
        wrong = 0
        with torch.no_grad():
            for chosen in groups([len(rows) for rows in features]):
                batch = batch_of([features[position] for position in chosen])
                values, lengths = model(batch["features"].to(world.device), batch["lengths"].to(world.device))
                for position, rows, length in zip(chosen, values.cpu().numpy(), lengths.tolist(), strict=True):
                    guess = list(greedy(rows[:length], units).words)
                    wrong += edit_distance(references[position], guess)["total"]
        return {"WER": 100 * wrong / max(1, sum(map(len, references)))}

    return evaluate


class EpochKeeper:
    """Keeps the weights of the last `count` epochs in a directory, for the average."""

    def __init__(self, directory: Path, count: int):
        self.directory, self.count = directory, count

    def __call__(self, epoch: int, model: nn.Module) -> None:
        from safetensors.torch import save_file

        from steps.asr.train.average import epoch_path
        from utils.files import atomic_path

        with atomic_path(epoch_path(self.directory, epoch)) as path:
            save_file({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}, path)
        epoch_path(self.directory, epoch - self.count).unlink(missing_ok=True)


def describe(model: nn.Module, speech: Speech, units: Units) -> None:
    """What is trained on what."""
    import platform

    import torch

    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"asr: {speech.seconds.sum() / 3600:.2f} h, {len(speech.dev)} dev utterances, {len(units)} units, "
          f"{size / 1e6:.2f} M parameters; python {platform.python_version()}, torch {torch.__version__}, "
          f"{platform.node()}, {torch.get_num_threads()} thread(s), {os.environ.get('WORLD_SIZE', 1)} process(es)",
          flush=True)


if __name__ == "__main__":
    sys.exit(run_main(main))
