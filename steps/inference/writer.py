"""Write the directory of a model: copies of what was trained, and what it takes to compute its input."""

from __future__ import annotations

import dataclasses
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from steps.components import directory as names
from steps.data.dataset import CUTS, Dataset
from steps.data.layers import layer_path
from steps.data.trained_on import Record, describe_training, write_training
from steps.data.variant import Variant
from steps.features.normalize import Normalizer, speaker_moments
from steps.inference.selection import Chosen, Member
from steps.subsystems.initialization import started_from
from utils.array_plan import PLAN
from utils.arrays import save_npz
from utils.config import write_yaml
from utils.errors import UserError
from utils.files import ROOT, read_json, write_text
from utils.renamed import FILES

LEFT_OUT = ("scores", "log", "checkpoint")  # of an experiment
RECOGNIZER = ("recognizer.json", FILES["recognizer.json"], "config.yaml", "model.safetensors", "model.onnx*",
              "tokens.txt", "trained_on.json", "phone_states.json", "units", "phone_states", "graph")
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


@dataclasses.dataclass
class Writer:
    """
    Attributes:
        out: the directory. data: data set of the experiments. asr: recognizer's directory.
        extractors: directories of i-vector extractors. precomputed_as: features that stand for given ones.
    """

    out: Path
    chosen: Chosen
    data: Path
    asr: Path | None
    extractors: Sequence[Path]
    precomputed_as: str | None = None
    _stands_in: bool = dataclasses.field(default=False, init=False)

    def write(self) -> None:
        """
        Raises:
            UserError: something that the model needs is not there.
        """
        features = {}
        for one in self.chosen.members:
            self._copy_member(one)
            if one.features is not None:
                features[one.features] = self._write_features(one.features)
        if self.precomputed_as is not None and not self._stands_in:
            raise UserError(f"--precomputed-as {self.precomputed_as}: nothing in {self.chosen.name} was trained on "
                            "precomputed features; leave it out", 2)
        if self.chosen.fusion is not None:
            (self.out / names.FUSION).mkdir()
            for path in self.chosen.fusion.glob("model*.json"):
                shutil.copyfile(path, self.out / names.FUSION / path.name)
        reads = [one.name for one in self.chosen.members if one.features is None]
        if reads and self.asr is None:
            raise UserError(f"{reads[0]} reads transcripts: give the recognizer with --asr DIR", 2)
        recognizer = self._write_recognizer()
        self._write_training()
        write_yaml(self.out / names.ABOUT, self._about(features, recognizer))
        says = says_what(self.chosen.members[0].metrics)
        write_text(self.out / names.README, PAGE.format(name=self.chosen.name, says=says,
                                                        corpus=self.chosen.corpus, out="MODEL"))
        names.write_checksums(self.out)

    def _write_training(self) -> None:
        """trained_on.json: the speakers and recordings that these networks, and what they started from, have seen."""
        chosen, records = self.chosen, list[Record]()
        for one in chosen.members:
            records += started_from(chosen.exp / one.name / chosen.protocol)[0]
        if (self.data / CUTS).is_file():
            data = Dataset.open(self.data)
            ids = [key for part in ("train", "dev") for key in data.split(chosen.protocol).ids(chosen.fold, part)]
            write_training(self.out, [describe_training(data, ids, chosen.name), *records])
        else:
            print(f"note: {self.data} is not there: the model does not say what it was trained on", file=sys.stderr)

    def _copy_member(self, one: Member) -> None:
        target = self.out / names.SUBSYSTEMS / one.name
        shutil.copytree(one.directory, target, ignore=lambda _, found: [name for name in found if name in LEFT_OUT])
        if one.run.norm == "speaker":
            save_npz(target / names.AVERAGE, self._average_speaker(one).to_arrays())

    def _average_speaker(self, one: Member) -> Normalizer:
        """Mean over the training speakers of their means and variances."""
        from steps.features.store import FeatureStore

        data, store = Dataset.open(self.data), FeatureStore.open(self.data / str(one.features))
        parts = ("train", "dev") if one.run.config.refit else ("train",)
        ids = [key for part in parts for key in data.split(self.chosen.protocol).ids(self.chosen.fold, part)]
        moments = speaker_moments([(store[key], data.items[key].speaker) for key in ids if key in store])
        means = [speaker.mean for speaker in moments.values()]
        variances = [np.square(speaker.std) for speaker in moments.values()]
        return Normalizer(np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0)))

    def _write_features(self, name: str) -> dict[str, Any]:
        """features/<name>.yaml, and the extractor of i-vectors; returns what model.yaml says of them."""
        path = self.data / name / "feature.json"
        if not path.is_file():
            raise UserError(f"{path} is not there, which says how {name} was computed; name the data set with --data "
                            "DIR", 2)
        described = read_json(path)
        options = dict(described["options"])
        kind = options.get("extractor")
        if kind in ("precomputed", "precomputed_vectors"):
            described = self._as_if_computed(name, described)
            options = dict(described["options"])
            kind = options["extractor"]
        (self.out / names.FEATURES).mkdir(exist_ok=True)
        if kind == "ivector":
            self._copy_extractor(name, options)
        write_yaml(self.out / names.FEATURES / f"{name}.yaml", {"extractor": kind} if kind == "ivector" else options)
        return {"kind": described["kind"], "dim": described["dim"], "version": described["version"],
                "options": options}

    def _as_if_computed(self, name: str, described: dict[str, Any]) -> dict[str, Any]:
        """What feature.json would say of given features, had the extractor `precomputed_as` made them."""
        from steps.features import registry

        if self.precomputed_as is None:
            raise UserError(f"{self.data / name} was given, not computed here: a new recording has no such features; "
                            "--precomputed-as NAME says how they are made", 2)
        extractor, self._stands_in = registry.create(self.precomputed_as), True
        if (extractor.kind, extractor.dim) != (described["kind"], described["dim"]):
            raise UserError(f"--precomputed-as {self.precomputed_as} makes {extractor.dim} columns, {extractor.kind}; "
                            f"{self.data / name} has {described['dim']}, {described['kind']}", 2)
        return {"kind": extractor.kind, "dim": extractor.dim, "version": extractor.version,
                "options": extractor.options}

    def _copy_extractor(self, name: str, options: dict[str, Any]) -> None:
        from steps.ivector.config import GMM
        from steps.ivector.extractor import ABOUT, MODEL, IvectorExtractor

        found = find_extractor(self.extractors, options["fingerprint"])
        if found is None:
            places = ", ".join(map(str, self.extractors))
            raise UserError(f"{self.data / name} was made by the i-vector extractor {options['fingerprint']}, which "
                            + (f"is not in {places}" if places else "must be given") + "; give it with --ivectors DIR",
                            2)
        asr = None if options["occupancy"] == GMM else self.asr
        IvectorExtractor.load(found, asr)  # says if the recognizer is missing or is another one
        target = self.out / names.IVECTORS / name
        target.mkdir(parents=True)
        for file in (ABOUT, MODEL):
            shutil.copyfile(found / file, target / file)

    def _write_recognizer(self) -> dict[str, Any] | None:
        """The recognizer's directory without what only training needs; returns what model.yaml says of it."""
        if self.asr is None:
            return None
        from steps.asr.recognizers.recognizer import open_recognizer

        target = self.out / names.RECOGNIZER
        for pattern in RECOGNIZER:
            for path in self.asr.glob(pattern):
                target.mkdir(exist_ok=True)
                if path.is_dir():
                    shutil.copytree(path, target / path.name)
                else:
                    shutil.copyfile(path, target / path.name)
        if not target.is_dir():
            raise UserError(f"{self.asr} is no recognizer that can be exported: recognizer.json or model.onnx with "
                            "tokens.txt is needed (a TorchScript file is a program)", 2)
        if (target / "phone_states.json").is_file():
            return None  # a phone-state head alone: it tells components, not words
        return {"decoding": self._decoding(), "features": open_recognizer(target).extractor.options}

    def _decoding(self) -> dict[str, Any]:
        """As the transcripts of training were made where the data set tells, else by the graph if there is one."""
        from steps.asr.decode.config import DecodeConfig
        from steps.asr.decode.tune_decoding import settings
        from utils.config import load_config

        assert self.asr is not None
        graph = self.asr / "graph"
        plan = layer_path(self.data, "asr") / "decoded" / PLAN
        if any(one.features is None for one in self.chosen.members):
            if plan.is_file():
                planned = read_json(plan)
                self._check_plan(planned)
                return planned["config"]
            print(f"note: {plan} is not there: recordings are transcribed by {self.asr}, however the transcripts of "
                  "training were made", file=sys.stderr)
        method = "graph" if graph.is_dir() else "prefix"
        return dataclasses.asdict(load_config(DecodeConfig, "asr_decode", [
            *settings(graph if graph.is_dir() else None), f"method={method}"]))

    def _check_plan(self, planned: dict[str, Any]) -> None:
        """
        Raises:
            UserError: the transcripts of training were made otherwise.
        """
        from steps.asr.decode.graph import Graph
        from steps.asr.recognizers.recognizer import open_recognizer

        assert self.asr is not None
        recognizer = open_recognizer(self.asr)
        graph = Graph.open(self.asr / "graph", recognizer.units).fingerprint if planned["graph"] else None
        for what, found in (("recognizer", recognizer.fingerprint), ("graph", graph)):
            if found != planned[what]:
                raise UserError(f"the transcripts of training were made with the {what} {planned[what]}, {self.asr} is "
                                f"{found}; give the former with --asr")

    def _about(self, features: dict[str, Any], recognizer: dict[str, Any] | None) -> dict[str, Any]:
        from utils.jobs.files import git_commit

        chosen, first = self.chosen, self.chosen.members[0]
        marks = sorted({mark for one in chosen.members for mark in (*marks_of(one), *self._audit_marks(one.name))})
        return {
            "format": names.FORMAT, "name": chosen.name, "label": first.metrics["target"],
            "classes": list(first.metrics.get("log_prior", ())),
            **({"tracks": first.metrics["tracks"]} if "tracks" in first.metrics else {}),
            "trained_on": {"corpus": chosen.corpus, "protocol": chosen.protocol, "fold": chosen.fold,
                           "seed": chosen.seed, "utterances": first.metrics.get("train_items")},
            "marks": marks, "fusion": chosen.fusion is not None,
            "subsystems": {one.name: {"kind": one.run.kind, "variant": one.variant, "features": one.features,
                                      "parts": "train and dev" if one.run.config.refit else "train"}
                           for one in chosen.members},
            "features": features, "recognizer": recognizer,
            "versions": {"python": platform.python_version(), "commit": git_commit(ROOT), **versions()}}


    def _audit_marks(self, name: str) -> list[str]:
        """What its results carry where the leak audit failed or does not know this subsystem."""
        from steps.scoring.audited import NOT_AUDITED, Audit
        from steps.scoring.collect import read_plans

        chosen = self.chosen
        if not (self.data / CUTS).is_file():
            return [NOT_AUDITED]
        about = next(iter(read_plans(chosen.exp / name / chosen.protocol)), {})
        return Audit(chosen.exp, Dataset.open(self.data), chosen.protocol, {name: about}).marks(name)


def says_what(metrics: Mapping[str, Any]) -> str:
    """One sentence of what a model predicts."""
    if "tracks" in metrics:
        return f"Predicts {', '.join(metrics['tracks'])} over time."
    return f"Says which of {', '.join(metrics['log_prior'])} is in a recording."


def find_extractor(places: Sequence[Path], fingerprint: str) -> Path | None:
    """The i-vector extractor of this fingerprint in one of `places` or up to two levels below."""
    from steps.ivector.extractor import ABOUT, read_about

    for place in places:
        for path in (place, place / "extractor", *sorted(place.glob("*/extractor"))):
            if (path / ABOUT).is_file() and read_about(path)["fingerprint"] == fingerprint:
                return path
    return None


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
