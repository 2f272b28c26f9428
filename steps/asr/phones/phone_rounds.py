"""The steps of training a phone-state head: first alignment, Gaussians, components, network, alignment anew."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.asr.phones.align import CannotAlign, align_words
from steps.asr.phones.phone_alignment import SILENCE, PhoneGraph, TopologyConfig, find_speech, phone_lengths, spread
from steps.asr.phones.phone_examples import PhoneExamples, PhoneStateBatches, blocks, make_batch
from steps.asr.phones.phone_gaussians import CEPSTRA, Totals, cepstra
from steps.asr.phones.phone_merging import merge_rare, state_totals
from steps.asr.phones.state_alignment import Alignment, States
from steps.models.phone_state_head import PhoneStateNetwork, PhoneStateNetworkConfig
from steps.training.config import TrainingConfig
from steps.training.distributed import World
from steps.training.objective import Supervised
from steps.training.random_state import seed_everything
from steps.training.trainer import Outcome, Trainer
from utils.config import option

if TYPE_CHECKING:
    from steps.asr.recognizers.recognizer import Recognizer

Scores = Callable[[str], np.ndarray]  # id -> (T, S) log-likelihoods up to a constant a frame


@dataclass
class PhoneStatesConfig:
    """conf/phone_states.yaml."""

    topology: TopologyConfig = field(default_factory=TopologyConfig)
    stress: bool = option(False, help="keep the digits that a lexicon puts behind phones (stress, tone)")
    least_frames: int = option(50, min=1, max=10**9, help="training frames of a component; rarer states are merged")
    gaussian_rounds: int = option(6, min=0, max=100)
    rounds: int = option(3, min=0, max=100, help="of training the network and aligning anew; 0: no network")
    least_steps: int = option(600, min=1, max=10**9,
                              help="a round on few utterances gets more epochs, to have so many batches")
    utterances: int = option(20000, min=0, max=10**9, help="at most so many train, drawn once; 0: all")
    dev_utterances: int = option(1000, min=0, max=10**9, help="at most so many dev utterances; 0: all")
    model: PhoneStateNetworkConfig = field(default_factory=PhoneStateNetworkConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(metric="error"))


def first_alignment(examples: PhoneExamples, recognizer: Recognizer | None) -> States:
    """Each word's spoken frames divided evenly among its phones' states; pauses by energy.

    The words' places come from the recognizer; without one the whole utterance is divided evenly.
    """
    states: States = {}
    for keys in blocks(examples.ids):
        features = [examples.features(key) for key in keys]
        posteriors = recognizer.log_posteriors(features) if recognizer is not None else [None] * len(keys)
        for key, rows, logp in zip(keys, features, posteriors, strict=True):
            try:
                states[key] = _first(examples, key, rows, logp, recognizer)
            except CannotAlign as reason:
                examples.leave_out(key, str(reason))
    examples.check()
    return states


def _first(examples: PhoneExamples, key: str, features: np.ndarray, logp: np.ndarray | None,
           recognizer: Recognizer | None) -> np.ndarray:
    words, speech = examples.words(key), find_speech(features)
    if logp is None or recognizer is None:
        joined = tuple(phone for word in words for phone in word[0])
        return spread([[joined]], [0, len(features)], speech, examples.phones)
    shift = recognizer.frame_shift / recognizer.subsampling
    times = align_words(logp, " ".join(examples.texts[key]), recognizer.units, recognizer.subsampling, shift)
    # A spike may stand anywhere in its unit: words part half-way between their spikes.
    inner = [round((before.end + after.start) / 2 / shift) for before, after in zip(times[:-1], times[1:], strict=True)]
    edges = np.clip([0, *inner, len(features)], 0, len(features))
    return spread(words, np.maximum.accumulate(edges).tolist(), speech, examples.phones)


def align_all(examples: PhoneExamples, scores: Scores, topology: TopologyConfig) -> States:
    """The best path of every utterance; those that have none are left out from here on."""
    states: States = {}
    for key in examples.ids:
        graph = PhoneGraph(examples.words(key), examples.phones, topology.skip, topology.silence_probability)
        try:
            states[key] = graph.align(scores(key)).states
        except CannotAlign as reason:
            examples.leave_out(key, str(reason))
    examples.check()
    return states


def gaussian_rounds(examples: PhoneExamples, states: States, config: PhoneStatesConfig,
                    say: Callable[[str], None]) -> States:
    """Viterbi training of one Gaussian a state on the train part, from a first alignment."""
    columns = 3 * min(CEPSTRA, examples.store.dim)
    for number in range(1, config.gaussian_rounds + 1):
        totals = Totals(len(examples.phones), columns)
        for key in examples.train:
            totals.add(states[key], cepstra(examples.features(key)))
        gaussians = totals.gaussians()

        def scores(key: str, gaussians: Any = gaussians) -> np.ndarray:
            return gaussians.log_likelihoods(cepstra(examples.features(key)))

        new = align_all(examples, scores, config.topology)
        say(f"Gaussians, round {number}: {describe(examples, states, new)}")
        states = new
    return states


def find_components(examples: PhoneExamples, states: States, before: np.ndarray, least: int) -> np.ndarray:
    """(S,) the component of each state, merged so that each has `least` frames of the train part."""
    counts, sums = state_totals([states[key] for key in examples.train],
                                (examples.features(key) for key in examples.train), len(examples.phones))
    return merge_rare(before, counts, sums, examples.phones, least)


def priors(examples: PhoneExamples, alignment: Alignment) -> np.ndarray:
    """(C,) share of the train frames, one frame added to each component."""
    counts = np.ones(int(alignment.components.max()) + 1)
    for key in examples.train:
        counts += np.bincount(alignment.components[alignment.states[key]], minlength=len(counts))
    return counts / counts.sum()


def train_round(examples: PhoneExamples, alignment: Alignment, config: PhoneStatesConfig, directory: Path, number: int,
                seed: int, identity: Mapping[str, Any], world: World) -> tuple[PhoneStateNetwork, Outcome]:
    """Train a network on an alignment; after a kill it goes on at its checkpoint in `directory`."""
    targets = {key: alignment.components[row] for key, row in alignment.states.items()}
    seed_everything(seed, "weights", number)
    network = PhoneStateNetwork(examples.store.dim, examples.hidden.dim if examples.hidden else 0,
                                int(alignment.components.max()) + 1, config.model)
    set_moments(network, examples)
    batches = PhoneStateBatches(examples, examples.train, targets, config.training.batch_size, seed + number)
    # A network that has hardly learned would spoil the next alignment.
    epochs = max(config.training.epochs, math.ceil(config.least_steps / batches.count(1)))
    trainer = Trainer(Supervised(network), batches,
                      dev_evaluation(examples, targets, config.training.batch_size, world),
                      dataclasses.replace(config.training, epochs=epochs), directory, seed=seed,
                      identity={**identity, "round": number}, world=world, name=f"phone states, round {number}")
    outcome = trainer.fit()
    return network.eval(), outcome


def set_moments(network: PhoneStateNetwork, examples: PhoneExamples, most: int = 2000) -> None:
    """Mean and deviation of what goes in, over the train part (evenly chosen utterances of a large one)."""
    import torch

    chosen = examples.train[::max(1, len(examples.train) // most)]

    def fill(mean: torch.Tensor, std: torch.Tensor, rows: Callable[[str], np.ndarray]) -> None:
        count, summed, squared = 0, np.zeros(len(mean)), np.zeros(len(mean))
        for key in chosen:
            block = rows(key).astype(np.float64)
            count, summed, squared = count + len(block), summed + block.sum(axis=0), squared + (block**2).sum(axis=0)
        middle = summed / max(1, count)
        mean.copy_(torch.from_numpy(middle))
        std.copy_(torch.from_numpy(np.sqrt(np.maximum(squared / max(1, count) - middle**2, 1e-10))))

    fill(network.mean, network.std, examples.features)
    if examples.hidden is not None:
        store = examples.hidden
        fill(network.hidden_mean, network.hidden_std,
             lambda key: np.asarray(store[key]) if key in store else np.zeros((0, store.dim)))
        examples.absent = network.hidden_mean.cpu().numpy()


def dev_evaluation(examples: PhoneExamples, targets: Mapping[str, np.ndarray], batch_size: int,
                   world: World) -> Callable[[Any], dict[str, float]]:
    """Cross-entropy a frame, and the share of frames whose component is not the likeliest, in percent."""
    from torch.nn.functional import cross_entropy

    like = sorted(examples.dev, key=lambda key: (len(targets[key]), key))

    def evaluate(network: Any) -> dict[str, float]:
        loss = wrong = frames = 0.0
        for keys in blocks(like, batch_size):
            batch = {name: value.to(world.device) for name, value in make_batch(examples, keys, targets).items()}
            logits = network(batch["features"], batch["lengths"], batch.get("hidden")).float()
            labelled = batch["states"] >= 0
            logits, states = logits[labelled], batch["states"][labelled]
            loss += float(cross_entropy(logits, states, reduction="sum"))
            wrong += float((logits.argmax(dim=1) != states).sum())
            frames += len(states)
        return {"loss": loss / frames, "error": 100 * wrong / frames}

    return evaluate


def network_scores(examples: PhoneExamples, network: PhoneStateNetwork, components: np.ndarray, shares: np.ndarray,
                   world: World) -> Scores:
    """Log-posterior less log-prior of each column's component: a likelihood up to a constant a frame.

    Args:
        components: (S,) of each column. shares: (C,) priors.
    """
    import torch

    log_priors = np.log(shares)

    def scores(key: str) -> np.ndarray:
        batch = make_batch(examples, [key], {key: np.zeros(examples.store.rows(key), dtype=np.int64)})
        with torch.no_grad():
            logits = network(*(batch[name].to(world.device) for name in ("features", "lengths", "hidden")
                               if name in batch))
        logp = logits[0].float().log_softmax(dim=1).cpu().numpy()
        return (logp - log_priors)[:, components]

    return scores


def changes(examples: PhoneExamples, before: States, after: States) -> dict[str, float]:
    """Share of the frames whose state, and whose phone, is another one: {"states": ..., "phones": ...} in percent."""
    owners = examples.phones.owners
    keys = [key for key in after if key in before]
    old, new = (np.concatenate([states[key] for key in keys]) for states in (before, after))
    return {"states": 100 * float((old != new).mean()), "phones": 100 * float((owners[old] != owners[new]).mean())}


def durations(examples: PhoneExamples, states: States) -> dict[str, float]:
    """Median length of a phone and of a silence in ms, and the share of the frames that are silence in percent."""
    phones: list[int] = []
    pauses: list[int] = []
    for row in states.values():
        for phone, lengths in phone_lengths(row, examples.phones).items():
            (pauses if phone == SILENCE else phones).extend(lengths)
    shift = 1000 * (examples.store.frame_shift or 0.01)
    return {"phone_ms": float(np.median(phones)) * shift, "silence_ms": float(np.median(pauses or [0])) * shift,
            "silence_percent": 100 * sum(pauses) / (sum(pauses) + sum(phones))}


def describe(examples: PhoneExamples, before: States, after: States) -> str:
    """One line for a person."""
    changed, lengths = changes(examples, before, after), durations(examples, after)
    return (f"{changed['states']:.1f} % of the frames have another state, {changed['phones']:.1f} % another phone; "
            f"median phone {lengths['phone_ms']:.0f} ms, silence {lengths['silence_percent']:.1f} % of the frames")
