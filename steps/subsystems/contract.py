"""The kinds of subsystem. A new one is a class like those in classical.py or networks.py and one line in KINDS;
where its module imports torch, its traits lie in another, with a line in TRAITS.

A kind is made with its configuration, the examples of one fold and a workspace, and then

    fitted = kind.fit()            # learns on examples.train; everything is chosen on examples.dev
    final = kind.refit(fitted)     # learns again on train and dev with what fit chose (config.refit); chooses nothing
    final.logits(part)             # (N, C), uncalibrated; the runner calibrates on dev and writes score tables
    final.save(directory)          # and Kind.load(config, directory) gives it back (apply.py, export, robustness)

It may read `examples.train.x` as one matrix (features of kind "utterance") or utterance by utterance, lazily (frames),
and every field of `examples.train.items` (text, dialogue, turn, speaker, ...).
"""

from __future__ import annotations

import abc
import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from steps.semi_supervised.config import SelfTrainingConfig
from utils.config import config_files, has_key, load_config, option, parse_scalar, read_yaml
from utils.errors import UsageError
from utils.imports import imported

if TYPE_CHECKING:
    import numpy as np

    from steps.examples.fold import Examples
    from steps.examples.part import Part
    from steps.subsystems.start import Start

# Imported when first asked for: a support vector machine never imports torch.
KINDS = {
    "random_forest": "steps.subsystems.classical:RandomForestKind",
    "linear_svm": "steps.subsystems.classical:LinearSvmKind",
    "multitask_dnn": "steps.subsystems.network:MultitaskDnnKind",
    "attention_rnn": "steps.subsystems.sequence_network:AttentionRnnKind",
    "spectrogram_network": "steps.subsystems.spectrogram_network:SpectrogramNetworkKind",
    "text_svm": "steps.subsystems.text_svm:TextSvmKind",
    "track_gru": "steps.subsystems.track_gru:TrackGruLearner",
}
# What a plan asks of a kind, where the kind itself would bring torch with it: that takes longer than the plan.
TRAITS = {
    "multitask_dnn": "steps.subsystems.network_config:MultitaskDnnTraits",
    "attention_rnn": "steps.subsystems.network_config:AttentionRnnTraits",
    "spectrogram_network": "steps.subsystems.network_config:SpectrogramNetworkTraits",
    "track_gru": "steps.subsystems.track_gru_config:TrackGruTraits",
}


@dataclass
class ExperimentConfig:
    """Options that every kind has."""

    kind: str = option(choices=tuple(KINDS))
    refit: bool = option(False, help="after choosing on dev, learn again on train and dev (nothing is chosen on test)")
    keep_model: bool = option(True, help="keep the final model beside its scores")
    clip: float | None = option(3.0, min=0.1, max=1e6,
                                help="largest magnitude of a normalised feature; null: not clipped")
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


class Fitted(Protocol):
    """A learned model. `about` goes into metrics.json: {"chosen": {...}, "parameters": n, "best_epoch": n or None}."""

    about: dict[str, Any]

    def logits(self, part: Part) -> np.ndarray:
        """(N, C) float64, one row for each item of `part` (those with features), in their order."""

    def fits(self, inputs: int | None, classes: int) -> bool:
        """Whether it takes so many features (None: not known, or text) and tells so many classes."""

    def save(self, directory: Path) -> None:
        """Write model.* into the experiment's directory: arrays and JSON, no pickle."""


class Traits:
    """What a kind is configured by and what it takes."""

    Config: ClassVar[type[ExperimentConfig]]
    seeded: ClassVar[bool] = True  # False: every seed gives the same scores, so only the first is run
    targets: ClassVar[tuple[str, ...]] = ("class",)  # kinds of target (utils/corpus.py)
    several: ClassVar[bool] = False  # whether it predicts several targets at once
    # It learns from and scores utterances, whatever carries the label; the runner joins them (units.py).
    # The options of config.model that shape a trunk which may start from another model (start.py); none: it has none.
    of_trunk: ClassVar[tuple[str, ...]] = ()
    unlabelled: ClassVar[bool] = False  # whether `training.objective` may be one that learns from unlabelled utterances
    # Kinds of features that it reads; of none it reads the items' text (`--features text`), and has `config.source`.
    features: ClassVar[tuple[str, ...]] = ("utterance",)


class Kind(Traits, abc.ABC):
    """See the module's text."""

    def __init__(self, config: Any, examples: Examples, workspace: Workspace):
        self.config, self.examples, self.workspace = config, examples, workspace

    @abc.abstractmethod
    def fit(self) -> Fitted:
        """Learn on train, choose on dev."""

    @abc.abstractmethod
    def refit(self, fitted: Fitted) -> Fitted:
        """Learn on train and dev with what `fitted` chose."""

    @classmethod
    @abc.abstractmethod
    def load(cls, config: Any, directory: Path, device: str = "cpu") -> Fitted:
        """What `Fitted.save` wrote into `directory`: its logits are the same to float precision.

        Args:
            device: cpu or cuda; classical kinds know only the former.

        Raises:
            DamagedFile, or one of utils.errors.MALFORMED: not what was written.
        """

    def close(self) -> None:  # noqa: B027 - most kinds start nothing
        """Leave what was started (processes); the last call."""


def kind_class(name: str) -> type[Kind]:
    """
    Raises:
        UsageError: no such kind.
    """
    return _imported(name, KINDS)


def traits(name: str) -> type[Traits]:
    """The same for who learns nothing and applies nothing: never imports torch."""
    return _imported(name, {**KINDS, **TRAITS})


def _imported(name: str, places: Mapping[str, str]) -> Any:
    if name not in places:
        raise UsageError(f"kind is {name!r}; accepted: {', '.join(KINDS)}")
    return imported(places[name])


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
        raise UsageError(f"--config {name}: the key kind is missing; accepted: {', '.join(KINDS)}")
    chosen = [text for text in chosen if text in scoped or not concerns_others(text, name, str(kind))]
    return load_config(traits(str(kind)).Config, name, chosen)


def concerns_others(text: str, name: str, kind: str) -> bool:
    """Whether `key=value` is of configurations of other kinds alone; then a note says that it does nothing here."""
    key, equals, _ = text.partition("=")
    if not equals or text == "size=tiny" or has_key(traits(kind).Config, key) \
            or not any(has_key(traits(other).Config, key) for other in KINDS if other != kind):
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
