"""Open the model that training starts from (`--init MODEL`), and check that the subsystem fits it.

MODEL is a directory of steps/export.sh with one network of the same kind, architecture and size on the same features,
or a recognizer (steps/asr) for the architecture asr_encoder, which then has the recognizer's sizes. The identity of an
experiment has the model's content, not its path. What the model was trained on goes to the leak audit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.scoring.collect import read_plans
from steps.subsystems.start import TRUNK, Start
from utils.errors import UserError, reading
from utils.renamed import present_path, present_tensors

if TYPE_CHECKING:
    from steps.data.trained_on import Record
    from steps.inputs.source import Source
    from steps.models.config import ConformerConfig
    from steps.subsystems.contract import Spec

WEIGHTS, ENCODER = "model.safetensors", "encoder"
OF_RECOGNIZER = ("encoder.", "mean", "std")  # what of a recognizer makes the trunk asr_encoder
GIVEN = ("precomputed", "precomputed_vectors")  # extractors that compute nothing


def open_start(path: str | Path) -> Start:
    """
    Raises:
        UserError: no model there that a network can start from, or it is damaged.
    """
    from steps.asr.recognizers.recognizer import ABOUT as RECOGNIZER
    from steps.components.directory import ABOUT

    path = Path(path)
    if (path / ABOUT).is_file():
        return _of_export(path)
    if present_path(path / RECOGNIZER).is_file():
        return _of_recognizer(path)
    hint = "; export it with steps/export.sh first" if (path / "metrics.json").is_file() else \
        ": neither an exported model (steps/export.sh) nor a recognizer (egs/*/asr)"
    raise UserError(f"--init {path}: no model to start from is there{hint}", 2)


def _of_export(path: Path) -> Start:
    from steps.components.directory import ADVICE, check, read_about
    from steps.components.earlier import SUBSYSTEM
    from steps.data.trained_on import read_training
    from steps.subsystems.contract import spec_of
    from utils.arrays import read_safetensors
    from utils.config import from_dict, read_yaml

    about = read_about(path)
    check(path)
    nodes = {node["name"]: node for node in about["nodes"]}
    with_trunk = [name for name, node in nodes.items()
                  if node["kind"] == SUBSYSTEM and spec_of(node["about"]["kind"]).trunk]
    if len(with_trunk) != 1:
        raise UserError(f"--init {path} has {len(with_trunk)} networks with a trunk to start from "
                        f"({', '.join(with_trunk) or 'none'}); export a single one", 2)
    node = nodes[with_trunk[0]]
    kind, place = node["about"]["kind"], node["place"]
    tensors = {key.removeprefix(TRUNK): value
               for key, value in present_tensors(read_safetensors(place / WEIGHTS)).items() if key.startswith(TRUNK)}
    spec, file = spec_of(kind), place / "config.yaml"
    config: Any = from_dict(spec.config_type(), read_yaml(file, {"config": {str: Any}})["config"], prefix="config.",
                            where=file)
    with reading(path, ADVICE):
        read = nodes[node["inputs"][0]]["about"]
        features = {key: read[key] for key in ("kind", "dim", "options")}
    return Start(path, about["name"], kind, tensors, shape_of(config.model, spec), features, read_training(path))


def _of_recognizer(path: Path) -> Start:
    from steps.asr.recognizers.recognizer import extractor_of, fingerprint_of, read_about
    from steps.data.trained_on import read_training
    from steps.models.config import ASR_ENCODER, ConformerConfig
    from utils.arrays import read_safetensors
    from utils.config import from_dict, read_yaml

    about, weights = read_about(path), read_safetensors(path / WEIGHTS)
    if fingerprint_of(weights) != about["fingerprint"]:
        raise UserError(f"--init {path}: model.safetensors is not what recognizer.json vouches for; copy it again")
    extractor, file = extractor_of(about), path / "config.yaml"
    encoder = from_dict(ConformerConfig, read_yaml(file, {"model": {str: Any}})["model"], prefix="model.", where=file)
    return Start(path, f"recognizer {about['fingerprint']}", "spectrogram_network",
                 {key: value for key, value in present_tensors(weights).items() if key.startswith(OF_RECOGNIZER)},
                 {"architecture": ASR_ENCODER, **sizes_of(encoder)},
                 {"kind": "frames", "dim": about["inputs"], "options": extractor.options}, read_training(path),
                 normalized=False)


def shape_of(model: Any, spec: Spec) -> dict[str, Any]:
    """The options that shape the trunk of a network (its `config.model`), as plain values, by dotted key."""
    from steps.models.config import ASR_ENCODER, ConformerConfig

    shape: dict[str, Any] = {}
    for key in spec.trunk:
        value = getattr(model, key)
        if key != ENCODER:
            shape[key] = value
        elif model.architecture == ASR_ENCODER:
            shape |= sizes_of(value or ConformerConfig())
    return shape


def sizes_of(encoder: ConformerConfig) -> dict[str, Any]:
    """By dotted key."""
    return {f"{ENCODER}.{name}": size for name, size in dataclasses.asdict(encoder).items()}


def prepare(start: Start, spec: Spec, config: Any, inputs: Mapping[str, Source], norms: str) -> Any:
    """The configuration of a network that starts so: of asr_encoder with the recognizer's sizes.

    Raises:
        UserError: it cannot start from this model; says what differs.
    """
    from steps.models.config import ASR_ENCODER, ConformerConfig

    where = f"--init {start.path}"
    if not spec.trunk:
        raise UserError(f"{where}: {config.kind} has no trunk that could start from another model", 2)
    if config.kind != start.kind:
        raise UserError(f"{where} is of kind {start.kind}, the configuration says {config.kind}")
    model = config.model
    if start.model.get("architecture") == ASR_ENCODER == getattr(model, "architecture", "") and model.encoder is None:
        sizes = {key.removeprefix(f"{ENCODER}."): value for key, value in start.model.items()
                 if key.startswith(f"{ENCODER}.")}
        model = dataclasses.replace(model, encoder=ConformerConfig(**sizes))
    own = shape_of(model, spec)
    for key, theirs in start.model.items():
        mine = own.get(key)
        if mine != theirs:
            raise UserError(f"{where} has {key} {theirs}, the configuration says {mine}; set model.{key}={theirs}, or "
                            "start from another model")
    for source in inputs.values():
        check_features(start, source)
    if not start.normalized and set(norms.split()) != {"none"}:
        raise UserError(f"{where} normalizes its features itself: use --norms none", 2)
    return dataclasses.replace(config, model=model)


def check_features(start: Start, source: Source) -> None:
    """
    Raises:
        UserError: the features are not of the kind that the model was trained on.
    """
    from utils.differences import differences

    wanted = {key: start.features[key] for key in ("kind", "dim")}
    found_here = source.identity()
    if not {start.features["options"].get("extractor"), found_here.get("options", {}).get("extractor")} & set(GIVEN):
        wanted["options"] = start.features["options"]
    for key, found, theirs in differences(found_here, wanted):
        raise UserError(f"--init {start.path} was trained on features with {key} {theirs}; {source.name} has {found}")


def changed(path: str, planned: Mapping[str, Any]) -> Start:
    """The model of a task that was planned with it.

    Raises:
        UserError: it is another one now.
    """
    start = open_start(path)
    if start.about != planned:
        raise UserError(f"--init {path} has changed since this task was planned: run steps/train_subsystem.sh again")
    return start


def training_records(start: Start) -> list[Record]:
    """What the leak audit holds against dev and test; a model that does not say leaves its name there."""
    return [{**record, "component": f"{record.get('component') or 'model'} that training starts from"}
            for record in start.trained_on or ()]


def started_from(subsystem: Path) -> tuple[list[Record], list[str]]:
    """(records, what does not say) of the models that the trainings of a subsystem (EXP/<subsystem>/<protocol>) started
    from, and of the unlabelled sets that they used."""
    records: list[Record] = []
    untold: list[str] = []
    for plan in read_plans(subsystem):
        told, used = plan.get("init") or {}, plan.get("unlabelled") or {}
        records += [*(told.get("trained_on") or ()), *(used.get("trained_on") or ())]
        untold += [told["name"]] if told and not told.get("trained_on") else []
    once = [record for number, record in enumerate(records) if record not in records[:number]]
    return once, list(dict.fromkeys(untold))
