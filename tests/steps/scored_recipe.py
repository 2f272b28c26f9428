"""A made-up data set and made-up experiments, for the tests of scoring, audit and report."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from steps.scoring.calibration import apply_temperature
from steps.scoring.scores import write_scores

CLASSES = ["angry", "happy", "neutral", "sad"]


def emotion(classes: list[str]) -> list[dict]:
    """The targets of a corpus with these classes."""
    return [{"field": "emotion", "kind": "class", "classes": classes}]


def write_data(path: Path, rows: list[dict], splits: dict[str, list[tuple[str, int, str]]], **info) -> Path:
    """rows: {"id", "duration"?, "path"?, fields...}; splits: {protocol: [(id, fold, part)]}."""
    (path / "splits").mkdir(parents=True)
    with gzip.open(path / "cuts.jsonl.gz", "wt", encoding="utf-8") as stream:
        for row in rows:
            row = dict(row)
            key, duration, source = row.pop("id"), row.pop("duration", 1.0), row.pop("path", None)
            native = {name: row.pop(name) for name in ("speaker", "gender", "language", "text") if name in row}
            cut = {"id": key, "start": 0.0, "duration": duration, "channel": 0, "type": "MonoCut",
                   "supervisions": [{"id": key, "recording_id": key, "start": 0.0, "duration": duration,
                                     **native, "custom": row}]}
            if source:
                cut["recording"] = {"id": key, "sources": [{"type": "file", "channels": [0], "source": str(source)}],
                                    "sampling_rate": 16000, "num_samples": int(16000 * duration), "duration": duration,
                                    "channel_ids": [0]}
            stream.write(json.dumps(cut) + "\n")
    about = {"name": "made-up", "targets": emotion(CLASSES),
             "language": "en", "speakers_known": True, "synthetic": True, "source": "nowhere", "warnings": [],
             "missing": [], "converted": {}, "size": "full"}
    (path / "corpus.json").write_text(json.dumps(about | info))
    for name, lines in splits.items():
        (path / "splits" / f"{name}.tsv").write_text(
            "id\tfold\tpart\n" + "".join(f"{key}\t{fold}\t{part}\n" for key, fold, part in lines))
        (path / "splits" / f"{name}.json").write_text(json.dumps({"name": name, "description": "made up",
                                                                  "speaker_overlap": False}))
    return path


def utterances(speakers: int = 12, per_class: int = 2) -> list[dict]:
    return [{"id": f"s{s:02d}-{c}-{i}", "speaker": f"s{s:02d}", "gender": "female" if s % 2 else "male",
             "text": f"sentence {i}", "emotion": name, "duration": 1.0 + 0.1 * s}
            for s in range(speakers) for c, name in enumerate(CLASSES) for i in range(per_class)]


def folds_by_speaker(rows: list[dict], folds: int = 3) -> list[tuple[str, int, str]]:
    speakers = sorted({row["speaker"] for row in rows})
    group = {speaker: index % folds for index, speaker in enumerate(speakers)}
    return [(row["id"], fold + 1, "test" if group[row["speaker"]] == fold
             else "dev" if group[row["speaker"]] == (fold + 1) % folds else "train")
            for fold in range(folds) for row in rows]


def write_system(exp: Path, name: str, protocol: str, variant: str, rows: list[dict],
                 split: list[tuple[str, int, str]], strength: float = 1.0, seeds=(0,), permuted: bool = False,
                 curve: bool = False, classes=CLASSES) -> Path:
    """Scores that favor the true class by `strength`."""
    label = {row["id"]: row.get("emotion") for row in rows}
    folds = sorted({fold for _, fold, _ in split})
    directory = exp / name / protocol
    for fold in folds:
        for seed in seeds:
            at = directory / variant / f"fold{fold}" / f"seed{seed}"
            for part in ("dev", "test"):
                ids = sorted(key for key, f, p in split if (f, p) == (fold, part))
                rng = np.random.default_rng(abs(hash((len(name), int(strength * 10), fold, seed, part == "dev"))))
                logits = rng.gumbel(size=(len(ids), len(classes)))
                for row, key in enumerate(ids):
                    if label[key] is not None:
                        logits[row, classes.index(label[key])] += strength
                write_scores(at / "scores" / "emotion" / f"{part}.tsv", ids, [label[key] for key in ids], classes,
                             apply_temperature(logits))
            (at / "metrics.json").write_text(json.dumps({
                "targets": {"emotion": {"dev": {"UA": 0.5}, "temperature": 1.25, "prior_scored": []}},
                "best_epoch": 3, "train_seconds": 12.5, "parameters": 1234567, "chosen": {"C": 0.001}}))
            (at / "config.yaml").write_text(f"subsystem: {name}\nfold: {fold}\nseed: {seed}\nconfig:\n  size: 64\n")
            if curve:
                (at / "log").mkdir()
                values = [(e, 1.4 * 0.9 ** e, 1.4 * 0.93 ** e + 0.004 * e, 0.25 + 0.4 * (1 - 0.8 ** e))
                          for e in range(20)]
                (at / "log" / "curve.tsv").write_text("epoch\ttrain_loss\tdev_loss\tdev_UA\n" + "".join(
                    "\t".join(map(str, row)) + "\n" for row in values))
    (directory / "subsystem.json").write_text(json.dumps({
        "subsystem": name, "kind": name.split("_")[0], "config": name, "features": "is10", "targets": ["emotion"],
        "variants": [variant], "folds": folds, "seeds": list(seeds), "permuted": permuted}))
    return directory


def recipe(path: Path, speakers: int = 12, per_class: int = 2, folds: int = 3) -> tuple[Path, Path]:
    """(data, exp) with three systems, one of them with two seeds, and a run on permuted labels."""
    rows = utterances(speakers, per_class)
    split = folds_by_speaker(rows, folds)
    data, exp = write_data(path / "data", rows, {"folds": split}), path / "exp"
    write_system(exp, "forest_is10", "folds", "norm-global", rows, split, 0.8)
    write_system(exp, "svm_is10", "folds", "norm-global", rows, split, 1.5)
    write_system(exp, "multitask_is10", "folds", "norm-speaker", rows, split, 2.5, seeds=(0, 1), curve=True)
    write_system(exp, "permuted", "folds", "norm-global+permuted", rows, split, 0.0, permuted=True)
    return data, exp
