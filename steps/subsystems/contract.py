"""The contract of a subsystem. A new one is a configuration, a learner and a predictor (as in classical.py), and one
line in SPECS.

    learner = Learner(config, examples, workspace)
    chosen = learner.fit()              # a predictor: learned on train; everything is chosen on dev
    final = learner.refit(chosen)       # with config.refit: learned again on train and dev with what fit chose
    final.predict(part)                 # {target: (N, C) logits or (N, 1) numbers}; whoever runs it calibrates them
    final.save(directory)               # Learner.load(config, directory, targets) gives it back

It may read an input as one matrix (layout "vector") or utterance by utterance, lazily ("frames"), every field of the
items (text, dialogue, turn, speaker, ...), and with `reads="dialogue"` the dialogues of a part:
`part.groups("dialogue")`.

A predictor with `embed` can be read by other subsystems (steps/inputs/embedding.py).
"""

from __future__ import annotations

import abc
import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from steps.semi_supervised.config import SelfTrainingConfig
from utils.config import config_files, has_key, load_config, option, parse_scalar, read_yaml
from utils.errors import UsageError
from utils.imports import imported

if TYPE_CHECKING:
    import numpy as np

    from steps.examples.fold import Examples
    from steps.examples.part import Part
    from steps.subsystems.start import Start


@dataclass(frozen=True)
class Spec:
    """What is known of a subsystem before it learns; nothing here imports torch.

    Attributes:
        config, learner: "module:Class"; the configuration's module imports no torch.
        targets: kinds of target that it predicts. several: whether it predicts more than one target at once.
        layouts: of its inputs: vector, frames, waveform, text, images. Of "text" it reads the items' text, and has
            `config.source`.
        inputs: how many it reads, at least and at most.
        reads: "utterance"; or "dialogue": it also gets the utterances of no part that belong to a part's dialogues.
        unlabelled: whether it uses utterances without labels.
        seeded: False: every seed gives the same scores, so only the first is run.
        trunk: options of config.model that shape a trunk which may start from another model (start.py).
    """

    config: str
    learner: str
    targets: tuple[str, ...] = ("class",)
    several: bool = False
    layouts: tuple[str, ...] = ("vector",)
    inputs: tuple[int, int] = (1, 1)
    reads: str = "utterance"
    unlabelled: bool = False
    seeded: bool = True
    trunk: tuple[str, ...] = ()

    def config_type(self) -> type[ExperimentConfig]:
        return imported(self.config)

    def learner_type(self) -> type[Learner]:
        return imported(self.learner)


SPECS = {
    "random_forest": Spec("steps.subsystems.classical:RandomForestConfig",
                          "steps.subsystems.classical:RandomForestLearner"),
    "linear_svm": Spec("steps.subsystems.classical:LinearSvmConfig",
                       "steps.subsystems.classical:LinearSvmLearner", seeded=False),
    "text_svm": Spec("steps.subsystems.text_svm:TextSvmConfig",
                     "steps.subsystems.text_svm:TextSvmLearner", layouts=("text",), seeded=False),
    "multitask_dnn": Spec("steps.subsystems.network_config:NetworkConfig",
                          "steps.subsystems.network:MultitaskDnnLearner",
                          targets=("class", "number"), several=True, unlabelled=True, trunk=("trunk",)),
    "attention_rnn": Spec("steps.subsystems.network_config:SequenceNetworkConfig",
                          "steps.subsystems.sequence_network:AttentionRnnLearner",
                          targets=("class", "number"), several=True, layouts=("frames",), unlabelled=True),
    "spectrogram_network": Spec("steps.subsystems.network_config:SpectrogramNetworkExperimentConfig",
                                "steps.subsystems.spectrogram_network:SpectrogramNetworkLearner",
                                targets=("class", "number"), several=True, layouts=("frames",), unlabelled=True,
                                trunk=("architecture", "width", "encoder")),
    "context_bigru": Spec("steps.subsystems.network_config:ContextBigruExperimentConfig",
                          "steps.subsystems.context_bigru:ContextBigruLearner",
                          targets=("class", "number"), several=True, inputs=(1, 100), reads="dialogue"),
    "text_bigru": Spec("steps.subsystems.network_config:TextNetworkConfig",
                       "steps.subsystems.text_network:TextBigruLearner",
                       targets=("class", "number"), several=True, layouts=("text",)),
    "waveform_cnn": Spec("steps.subsystems.network_config:WaveformExperimentConfig",
                         "steps.subsystems.waveform_network:WaveformCnnLearner",
                         targets=("class", "number"), several=True, layouts=("waveform",)),
    "image_cnn": Spec("steps.subsystems.network_config:ImageExperimentConfig",
                      "steps.subsystems.image_network:ImageCnnLearner",
                      targets=("class", "number"), several=True, layouts=("images",)),
    "leaf_cnn": Spec("steps.subsystems.network_config:LeafCnnExperimentConfig",
                     "steps.subsystems.leaf_cnn:LeafCnnLearner",
                     targets=("class", "number"), several=True, layouts=("waveform",)),
    "track_gru": Spec("steps.subsystems.track_gru_config:TrackGruExperimentConfig",
                      "steps.subsystems.track_gru:TrackGruLearner",
                      targets=("track",), several=True, layouts=("frames",)),
}


@dataclass
class ExperimentConfig:
    """Options that every subsystem has."""

    kind: str = option(choices=tuple(SPECS))
    refit: bool = option(False, help="after choosing on dev, learn again on train and dev (nothing is chosen on test)")
    keep_model: bool = option(True, help="keep the final model beside its scores")
    keep_embeddings: bool = option(False, help="write what the model that was selected on dev computes of every "
                                   "utterance of the fold, for other subsystems to read (embedding:SUBSYSTEM)")
    clip_features: float | None = option(3.0, min=0.1, max=1e6,
                                help="largest magnitude of a normalized feature; null: not clipped")
    self_training: SelfTrainingConfig | None = None


@dataclass(frozen=True)
class Workspace:
    """Where and how one experiment runs.

    Attributes:
        directory: of the experiment; checkpoints and logs go below it.
        identity: what the experiment's result depends on, as plain values.
        device: cpu, cuda or auto. name: starts each line of the log. start: the model that training starts from.
    """

    directory: Path
    identity: dict[str, Any]
    seed: int = 0
    device: str = "auto"
    name: str = ""
    start: Start | None = None

    def say(self, text: str) -> None:
        """One line of the log."""
        print(f"{self.name}: {text}" if self.name else text, flush=True)


class Predictor(Protocol):
    """A learned model. `about` goes into metrics.json: {"chosen": {...}, "parameters": n, "best_epoch": n or None}.

    One that others can read has also `embed(part)`: (N, F), or a list of (T, F), an entry an item.
    """

    about: dict[str, Any]

    def predict(self, part: Part) -> dict[str, np.ndarray]:
        """{target: float64 (N, C) logits, or (N, 1) numbers in their own unit}, a row an item, in their order."""

    def fits(self, widths: Mapping[str, int], classes: Mapping[str, int]) -> bool:
        """Whether it reads inputs so wide (those that are known) and tells so many classes of each target."""

    def save(self, directory: Path) -> None:
        """Write model.* into the experiment's directory: arrays and JSON, no pickle."""


class Learner(abc.ABC):
    """See the module's text."""

    def __init__(self, config: Any, examples: Examples, workspace: Workspace):
        self.config, self.examples, self.workspace = config, examples, workspace

    @abc.abstractmethod
    def fit(self) -> Predictor:
        """Learn on train, choose on dev."""

    @abc.abstractmethod
    def refit(self, chosen: Any) -> Predictor:
        """Learn on train and dev with what `chosen`, the predictor of `fit`, chose."""

    @classmethod
    @abc.abstractmethod
    def load(cls, config: Any, directory: Path, targets: Sequence[str], device: str = "cpu") -> Predictor:
        """What `Predictor.save` wrote into `directory`: its predictions are the same to float precision.

        Args:
            targets: names, as in training.
            device: cpu or cuda; a classical subsystem knows only the former.

        Raises:
            DamagedFile, or one of utils.errors.MALFORMED: not what was written.
        """

    def close(self) -> None:  # noqa: B027 - most learners start nothing
        """Leave what was started (processes); the last call."""


def spec_of(kind: str) -> Spec:
    """
    Raises:
        UsageError: no such kind of subsystem.
    """
    if kind not in SPECS:
        raise UsageError(f"kind is {kind!r}; accepted: {', '.join(SPECS)}")
    return SPECS[kind]


def load_experiment_config(name: str, overrides: Iterable[str] = ()) -> ExperimentConfig:
    """The configuration `--config NAME` of whatever kind it names.

    Args:
        overrides: `key=value`, or `NAME:key=value` which concerns only the configuration of that name: a recipe hands
            one list to all of its subsystems. A key that this configuration lacks and one of another kind has is
            left out, with a note.
    """
    chosen, scoped = [], set()
    for text in overrides:
        key = text.partition("=")[0]
        scope, colon, _ = key.partition(":")
        if not colon:
            chosen.append(text)
            continue
        config_files(scope)  # a name that does not exist is an error
        if scope == Path(name).stem:
            chosen.append(text[len(scope) + 1:])
            scoped.add(chosen[-1])
    kind = None
    for path in config_files(name):
        kind = read_yaml(path).get("kind", kind)
    for text in chosen:
        key, _, value = text.partition("=")
        kind = parse_scalar(value) if key == "kind" else kind
    if kind is None:
        raise UsageError(f"--config {name}: the key kind is missing; accepted: {', '.join(SPECS)}")
    chosen = [text for text in chosen if text in scoped or not concerns_others(text, name, str(kind))]
    return load_config(spec_of(str(kind)).config_type(), name, chosen)


def concerns_others(text: str, name: str, kind: str) -> bool:
    """Whether `key=value` is of configurations of other kinds alone; then a note says that it does nothing here."""
    key, equals, _ = text.partition("=")
    if not equals or text == "size=tiny" or has_key(spec_of(kind).config_type(), key) \
            or not any(has_key(spec.config_type(), key) for other, spec in SPECS.items() if other != kind):
        return False
    print(f"note: --set {text}: {name} has no such key; left out here", file=sys.stderr)
    return True


def overrides(config: Any, default: Any, prefix: str = "") -> list[str]:
    """The `key=value` words of --set that make `config` of `default`, two configurations of one type."""
    words = []
    for field in dataclasses.fields(config):
        ours, theirs = getattr(config, field.name), getattr(default, field.name)
        if dataclasses.is_dataclass(ours):
            theirs = type(ours)() if theirs is None else theirs  # type: ignore[operator]
            words += overrides(ours, theirs, f"{prefix}{field.name}.")
        elif ours != theirs:
            words.append(f"{prefix}{field.name}={flow(ours)}")
    return words


def flow(value: Any) -> str:
    """A plain value as YAML in one line: true, null, 1.0e-05, [1, 2], {emotion: 1.0}."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, sort_keys=False)
    return text.removesuffix("\n...\n").strip()
