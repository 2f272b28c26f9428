"""Train the phone-state head: align, train on the alignment, align anew, and so on.

    steps/train_phone_states.sh --asr exp/asr --lexicon lexicon.txt data/speechocean762 exp/phone_states

1. The times of the words come from the recognizer's CTC posteriors (without one, pauses from the energy alone), each
   word is divided evenly among its phones' states; a few rounds with one Gaussian a state tidy that up.
2. A round: states with too few frames are merged into components, a network learns them from the alignment of the
   training speakers (the best epoch is chosen on the dev speakers), and aligns everything anew.

OUT/alignment.npz is the last alignment; with `rounds=0` it comes from the Gaussians, and there is no network.
OUT/rounds/alignment.<r>.npz is what round r learns from; each is written whole, and the network's training has its
checkpoints, so that an interrupted run goes on where it was. OUT/ is a directory of steps/asr/phones/phone_states.py.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import read_json, write_json

if TYPE_CHECKING:
    from steps.asr.phones.phone_examples import PhoneExamples
    from steps.asr.phones.phone_rounds import PhoneStatesConfig
    from steps.asr.phones.state_alignment import Alignment
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.training.distributed import World


MOST_CHANGED = 50.0  # percent of the frames

ALIGNMENT = "alignment.npz"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="steps.asr.phones.train_phone_states", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asr", type=Path, metavar="DIR", help="recognizer; without one words are placed by energy "
                        "and the head sees no hidden states")
    parser.add_argument("--lexicon", required=True, metavar="FILE|graphemes", help="Kaldi lexicon.txt, or graphemes: "
                        "every word by its letters, as are words that the lexicon lacks")
    parser.add_argument("--split", default="official", metavar="NAME", help="protocol (%(default)s)")
    parser.add_argument("--fold", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--features", default="fbank", metavar="NAME", help="(%(default)s)")
    parser.add_argument("--config", default="phone_states", metavar="NAME", help="conf/NAME.yaml (%(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the configuration")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("data", type=Path, metavar="DATA", help="prepared data set with features")
    parser.add_argument("out", type=Path, metavar="OUT")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.asr.phones.phone_rounds import PhoneStatesConfig
    from steps.training import distributed
    from utils.config import load_config, split_settings

    config = load_config(PhoneStatesConfig, arguments.config, split_settings(" ".join(arguments.set)))
    world = distributed.start(arguments.device)
    try:
        recognizer = open_asr(arguments.asr, world.device)
        examples = open_data(arguments, config, recognizer)
        train(examples, recognizer, config, arguments.out, arguments.seed, world)
    finally:
        distributed.stop()
    return 0


def open_asr(directory: Path | None, device: str) -> Recognizer | None:
    from steps.asr.recognizers.recognizer import open_recognizer

    return None if directory is None else open_recognizer(directory, device)


def open_data(arguments: argparse.Namespace, config: PhoneStatesConfig, recognizer: Recognizer | None) -> PhoneExamples:
    """The utterances of the split; their features must be the recognizer's."""
    from steps.asr.phones.phone_examples import open_examples
    from steps.data.dataset import Dataset
    from steps.features.store import FeatureStore

    data = Dataset.open(arguments.data)
    expect: dict[str, Any] = {} if recognizer is None else {"options": recognizer.extractor.options}
    store = FeatureStore.open(arguments.data / arguments.features, {"kind": "frames", **expect})
    limits = {"train": config.utterances, "dev": config.dev_utterances}
    examples = open_examples(data, data.split(arguments.split), arguments.fold, store, arguments.lexicon, config.stress,
                             config.topology, limits, arguments.seed)
    if recognizer is not None:
        examples.subsampling = recognizer.subsampling
    return examples


def train(examples: PhoneExamples, recognizer: Recognizer | None, config: PhoneStatesConfig, out: Path, seed: int,
          world: World) -> None:
    """All rounds; a finished head of the same configuration returns at once, another one is refused."""
    from steps.asr.phones import phone_rounds as steps
    from steps.asr.phones.phone_examples import store_hidden
    from steps.asr.phones.phone_merging import component_names
    from steps.asr.phones.phone_states import ABOUT, save_head
    from steps.data.trained_on import describe_training
    from steps.training.config import identity, refuse

    wanted = {**identity(config), "seed": seed, "data": examples.identity(),
              "features": examples.store.description.get("options"),
              "recognizer": None if recognizer is None else recognizer.fingerprint}
    rounds = out / "rounds"
    if (rounds / "identity.json").is_file():
        refuse(read_json(rounds / "identity.json"), wanted, out)
        if (out / (ABOUT if config.rounds else ALIGNMENT)).is_file():
            say(f"{out}: finished before, nothing to do")
            return clean(rounds)
    write_json(rounds / "identity.json", wanted)
    say(f"{len(examples.train)} train and {len(examples.dev)} dev utterances, {len(examples.phones.phones)} phones, "
        f"{len(examples.phones)} states")
    if recognizer is not None:
        examples.hidden = store_hidden(recognizer, examples, rounds / "hidden")
    alignment = take_up(examples, rounds / "alignment.1.npz") or start(examples, recognizer, config, rounds)
    if not config.rounds:
        alignment.save(out / ALIGNMENT)
        say(f"{out / ALIGNMENT}: {len(alignment.states)} utterances, {len(examples.left_out)} left out; no network")
        return clean(rounds)
    trained_on = describe_training(examples.data, alignment.states, "phone-state head")
    history: list[dict[str, Any]] = []
    for number in range(1, config.rounds + 1):
        network, outcome = steps.train_round(examples, alignment, config, rounds / f"checkpoint.{number}", number, seed,
                                             wanted, world)
        shares = steps.priors(examples, alignment)
        path = rounds / f"alignment.{number + 1}.npz"
        after = take_up(examples, path) or realign(examples, network, alignment, shares, config, path, world)
        history.append({"round": number, "components": network.classes, "dev_accuracy": 100 - outcome.metrics["error"],
                        "dev_loss": outcome.metrics["loss"], "best_epoch": outcome.best_epoch,
                        "changed": steps.changes(examples, alignment.states, after.states),
                        **steps.durations(examples, after.states)})
        say(f"round {number}: {network.classes} components, dev frame accuracy "
            f"{history[-1]['dev_accuracy']:.1f} %, then {steps.describe(examples, alignment.states, after.states)}")
        if number < config.rounds:
            alignment = after
    after.save(out / ALIGNMENT)
    save_head(out, network, config, {
        "names": component_names(alignment.components, examples.phones), "silence": examples.phones.silence,
        "priors": shares.tolist(), "subsampling": examples.subsampling, "features": examples.store.name,
        "options": examples.store.description.get("options"),
        "recognizer": wanted["recognizer"] if examples.hidden is not None else None,
        "phones": list(examples.phones.phones), "of_state": alignment.components.tolist(), "rounds": history,
        "trained_on": [trained_on], "left_out": dict(sorted(examples.left_out.items()))})
    say(f"{out}: {network.classes} components, {len(examples.left_out)} utterances left out")
    clean(rounds)


def take_up(examples: PhoneExamples, path: Path) -> Alignment | None:
    """An alignment that is there already."""
    import zipfile

    from steps.asr.phones.state_alignment import Alignment

    if not path.is_file():
        return None
    try:
        found = Alignment.load(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged ({error}); remove it to align anew") from error
    for key, reason in found.left_out.items():
        examples.leave_out(key, reason)
    return found


def start(examples: PhoneExamples, recognizer: Recognizer | None, config: PhoneStatesConfig, rounds: Path) -> Alignment:
    """What the first round learns from."""
    from steps.asr.phones import phone_rounds as steps
    from steps.asr.phones.phone_merging import single_components

    states = steps.first_alignment(examples, recognizer)
    states = steps.gaussian_rounds(examples, states, config, say)
    return keep(examples, states, single_components(examples.phones), config, rounds / "alignment.1.npz")


def realign(examples: PhoneExamples, network: Any, before: Alignment, shares: Any, config: PhoneStatesConfig,
            path: Path, world: World) -> Alignment:
    """What the next round learns from: the best paths by the network of this one."""
    from steps.asr.phones import phone_rounds as steps

    scores = steps.network_scores(examples, network, before.components, shares, world)
    states = steps.align_all(examples, scores, config.topology)
    changed = steps.changes(examples, before.states, states)["phones"]
    if changed > MOST_CHANGED:
        say(f"warning: by this network {changed:.0f} % of the frames would have another phone; it has learned too "
            "little, the alignment stays: raise training.epochs or least_steps")
        states = {key: before.states[key] for key in states}
    return keep(examples, states, before.components, config, path)


def keep(examples: PhoneExamples, states: Any, components: Any, config: PhoneStatesConfig, path: Path) -> Alignment:
    """Merge what is rare in an alignment, and write it."""
    from steps.asr.phones.phone_rounds import find_components
    from steps.asr.phones.state_alignment import Alignment

    components = find_components(examples, states, components, config.least_frames)
    alignment = Alignment(states, components, dict(sorted(examples.left_out.items())))
    alignment.save(path)
    return alignment


def clean(rounds: Path) -> None:
    """Remove what only an interrupted run needs; the alignments stay."""
    for path in [rounds / "hidden", *rounds.glob("checkpoint.*")]:
        shutil.rmtree(path, ignore_errors=True)


def say(text: str) -> None:
    print(f"phone states: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(run_main(main))
