"""What one run of a subsystem is: a variant, a fold and a seed; a task's file and config.yaml hold it.

The keys of the files are those of RunSpec, but `permute_labels`, which the variant says too. Files of
earlier versions are read: one with `label` in place of `targets`, and configurations with earlier
names of their keys (utils/renamed.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.data.variant import Variant
from steps.features.normalize import MODES
from steps.inputs.source import Run
from steps.subsystems.contract import SPECS, ExperimentConfig, Spec, spec_of
from steps.training.config import identity
from utils.config import from_dict, read_yaml
from utils.shape import NAME, Either, Maybe, Number, OneOf, check

NUMBER = Number(0, 10**6, whole=True)
SHAPE = {
    "kind": OneOf(*SPECS), "config": {str: Any}, "norm": OneOf(*MODES), "features": str, "corpus": str,
    "subsystem?": str, "variant?": NAME, "fold?": NUMBER, "seed?": NUMBER, "config_name?": str, "protocol?": str,
    "data?": str, "permute_labels?": bool, "targets?": [NAME], "label?": Maybe(str), "init?": {str: Any},
    "augment?": {str: Any}, "labels?": Either(NUMBER, Number(0, 1)), "unlabelled?": [{str: Any}]}
AGAIN = "copy it again, or train it again"


@dataclass(frozen=True)
class RunSpec:
    """
    Attributes:
        kind: of the subsystem (contract.SPECS). config: its configuration; config_name: conf/NAME.yaml.
        features: the inputs, as `--inputs` names them; text: what is said, of the kind `source`.
        norm: global, speaker or none.
        data: a hash of what the examples are made of (fold.fingerprint).
        targets: names; none: the default target.
        labels: how many labels, or which share of them, the training part keeps; None: all.
        init: what is known of the model that training starts from. augment: of the noisy copies.
        unlabelled: of the unlabelled sets.
    """

    kind: str
    config: ExperimentConfig
    features: str
    corpus: str
    norm: str = "none"
    subsystem: str = ""
    variant: Variant = Variant()
    fold: int = 0
    seed: int = 0
    config_name: str = "NAME"
    protocol: str = ""
    data: str = ""
    targets: tuple[str, ...] = ()
    labels: int | float | None = None
    init: dict[str, Any] | None = None
    augment: dict[str, Any] | None = None
    unlabelled: tuple[dict[str, Any], ...] = ()

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str | Path, advice: str = AGAIN) -> RunSpec:
        """
        Raises:
            DamagedFile, UsageError: not what `to_dict` gives; names the key.
        """
        check(values, SHAPE, where, advice)
        for name in values["features"].split():
            if ":" not in name:  # a directory's name
                check({"features": name}, {"features": NAME}, where, advice)
        config = from_dict(spec_of(values["kind"]).config_type(), values["config"], prefix="config.", where=where)
        variant = dataclasses.replace(Variant.parse(values.get("variant", "")),
                                      permuted=values.get("permute_labels", False))
        names = values.get("targets") or ([values["label"]] if values.get("label") else [])
        plain = {field.name: values[field.name] for field in dataclasses.fields(cls) if field.name in values}
        return cls(**{**plain, "config": config, "variant": variant, "targets": tuple(names),
                      "unlabelled": tuple(values.get("unlabelled", ()))})

    @classmethod
    def read(cls, path: Path) -> RunSpec:
        """A config.yaml. Raises as `parse`."""
        return cls.parse(read_yaml(path), path)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is None or empty is left out."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain |= {"variant": str(self.variant), "config": dataclasses.asdict(self.config),
                  "targets": list(self.targets), "unlabelled": list(self.unlabelled),
                  "permute_labels": self.variant.permuted}
        return {key: value for key, value in plain.items() if value not in (None, "", [])}

    def identity(self) -> dict[str, Any]:
        """What the result depends on, as plain values, which config.yaml and a checkpoint are compared with."""
        return identity(self.to_dict())

    @property
    def spec(self) -> Spec:
        return spec_of(self.kind)

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs."""
        return self.features.split()

    def reader(self, exp: Path) -> Run:
        """Whose inputs they are; exp: the directory of all subsystems."""
        return Run(exp, self.subsystem, self.protocol, self.fold, self.seed, self.variant.permuted)

    @property
    def source(self) -> str:
        """Of the text that it reads; "" where it reads features."""
        return getattr(self.config, "source", "")

    @property
    def name(self) -> str:
        """Starts the lines of its log."""
        return f"{self.subsystem} {self.variant} fold{self.fold} seed{self.seed}"

    def directory(self, out: Path) -> Path:
        """Below OUT, EXP/<subsystem>/<protocol>."""
        return out / str(self.variant) / f"fold{self.fold}" / f"seed{self.seed}"
