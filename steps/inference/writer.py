"""Write the directory of a model: its nodes, found from the result backwards, and what model.yaml says of them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from steps.components import directory as names
from steps.components.component import PREDICTION, RESULT, TEXT, WAVEFORM, Component
from steps.data.dataset import CUTS, Dataset
from steps.data.trained_on import Record, describe_training, write_training
from steps.data.variant import Variant
from steps.inference.kinds import KINDS
from steps.inference.selection import Member
from steps.inference.source import Source
from utils.config import write_yaml
from utils.errors import UserError
from utils.files import ROOT, write_text
from utils.imports import imported

PACKAGES = ("torch", "numpy", "kaldi-native-fbank", "opensmile", "safetensors")

PAGE = """# {name}

{says} Trained on {corpus}; `model.yaml` has the rest.

```
utils/emotion.sh {out} recording.wav
```

```python
from steps.inference.model import EmotionModel
model = EmotionModel.open("{out}")
print(model.classify("recording.wav"))
```
"""


@dataclass
class Writer:
    """
    Attributes:
        out: the directory. source: where what was trained is found.
    """

    out: Path
    source: Source
    _nodes: dict[str, tuple[str, Component]] = field(default_factory=dict, init=False)  # wanted: kind, component

    def write(self) -> None:
        """
        Raises:
            UserError: something that the model needs is not there.
        """
        source = self.source
        self._find(RESULT)
        needed = [component for _, component in self._nodes.values()]
        self._find(TEXT, optional=True)  # is printed, whether a subsystem reads it or not
        if source.precomputed_as is not None and not source.stands_in:
            raise UserError(f"--precomputed-as {source.precomputed_as}: nothing in {source.chosen.name} was trained on "
                            "precomputed features; leave it out", 2)
        (self.out / names.NODES).mkdir()
        # The result comes last.
        nodes = sorted(self._nodes.items(), key=lambda entry: entry[0] == RESULT)
        told = [{"name": one.name, "kind": kind, "inputs": [self._name_of(name) for name in one.inputs],
                 "about": one.pack(self.out / names.NODES / one.name)} for _, (kind, one) in nodes]
        self._write_training([record for one in needed for record in one.trained_on()])
        write_yaml(self.out / names.ABOUT, self._about(told))
        says = says_what(source.chosen.members[0].metrics)
        write_text(self.out / names.README, PAGE.format(name=source.chosen.name, says=says,
                                                        corpus=source.chosen.corpus, out="MODEL"))
        names.write_checksums(self.out)

    def _find(self, wanted: str, optional: bool = False) -> None:
        """The component that gives `wanted`, behind those that it reads."""
        if wanted in (WAVEFORM, *self._nodes):
            return
        found = ((kind, imported(path).find(wanted, self.source)) for kind, path in KINDS.items())
        kind, component = next(((kind, one) for kind, one in found if one is not None), ("", None))
        if component is None:
            if optional:
                return
            raise UserError(f"nothing gives {wanted}, which {self.source.chosen.name} needs", 2)
        for name in component.inputs:
            self._find(name)
        self._nodes[wanted] = kind, component
        # Subsystems keep their names, since records tell them; what is called as one gets another name.
        taken = {one.name for one in self.source.chosen.members} if component.gives != PREDICTION else set()
        taken |= {other.name for _, other in self._nodes.values() if other is not component}
        while component.name in taken:
            component.name += ".input"

    def _name_of(self, wanted: str) -> str:
        return wanted if wanted == WAVEFORM else self._nodes[wanted][1].name

    def _write_training(self, further: list[Record]) -> None:
        """trained_on.json: the speakers and recordings that its networks, and what they read or started from, have
        seen."""
        chosen, path = self.source.chosen, self.source.data
        if not (path / CUTS).is_file():
            print(f"note: {path} is not there: the model does not say what it was trained on", file=sys.stderr)
            return
        data = Dataset.open(path)
        ids = [key for part in ("train", "dev") for key in data.split(chosen.protocol).ids(chosen.fold, part)]
        records = [describe_training(data, ids, chosen.name), *further]
        write_training(self.out, [record for number, record in enumerate(records) if record not in records[:number]])

    def _about(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        from utils.jobs.files import git_commit

        chosen = self.source.chosen
        first = chosen.members[0]
        marks = sorted({mark for one in chosen.members for mark in (*marks_of(one), *self._audit_marks(one.name))})
        return {
            "format": names.FORMAT, "name": chosen.name, "targets": targets_of(first.metrics),
            "trained_on": {"corpus": chosen.corpus, "protocol": chosen.protocol, "fold": chosen.fold,
                           "seed": chosen.seed, "utterances": first.metrics.get("train_items")},
            "marks": marks, "nodes": nodes,
            "versions": {"python": platform.python_version(), "commit": git_commit(ROOT), **versions()}}

    def _audit_marks(self, name: str) -> list[str]:
        """What its results carry where the leak audit failed or does not know this subsystem."""
        from steps.scoring.audited import NOT_AUDITED, Audit
        from steps.scoring.collect import read_plans

        chosen, data = self.source.chosen, self.source.data
        if not (data / CUTS).is_file():
            return [NOT_AUDITED]
        about = next(iter(read_plans(chosen.exp / name / chosen.protocol)), {})
        return Audit(chosen.exp, Dataset.open(data), chosen.protocol, {name: about}).marks(name)


def targets_of(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What it predicts, as model.yaml says it."""
    for kind, key in (("track", "tracks"), ("number", "numbers")):
        if key in metrics:
            return {name: {"kind": kind} for name in metrics[key]}
    return {metrics["target"]: {"kind": "class", "classes": list(metrics["log_prior"])}}


def says_what(metrics: Mapping[str, Any]) -> str:
    """One sentence of what a model predicts."""
    if "tracks" in metrics:
        return f"Predicts {', '.join(metrics['tracks'])} over time."
    if "numbers" in metrics:
        return f"Predicts {', '.join(metrics['numbers'])} of a recording."
    return f"Says which of {', '.join(metrics['log_prior'])} is in a recording."


def marks_of(one: Member) -> list[str]:
    """What a result of this subsystem carries too."""
    found = ["per-speaker normalization"] if one.run.norm == "speaker" else []
    found += ["speakers of dev or test are in train"] if one.metrics.get("speaker_overlap") else []
    return found + (["trained on noisy copies too"] if Variant.parse(one.variant).augmented else [])


def versions() -> dict[str, str]:
    """Installed versions of what decides the values."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
