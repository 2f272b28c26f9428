"""What the subsystems whose embeddings others read share with the readers' dev and test parts: each fold's
embeddings are held against dev and test of that fold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from steps.audit.trained_on import KINDS, PARTS, compare, names_of
from steps.data.dataset import Dataset
from steps.data.splits import Split
from steps.data.trained_on import Record
from steps.inputs.embedding import embeddings_read, open_embedding
from steps.inputs.source import Run
from steps.scoring.collect import read_plans

SEVERITY = ("none", "unknown", "told", "leak")


def audit_embeddings(data: Dataset, split: Split, exp: Path, leave_out: Collection[str] = ()) -> list[dict[str, Any]]:
    """An entry for each reader, producer, kind and part, as trained_on.audit_components has them, over all folds.

    Raises:
        UserError: embeddings that were read are no longer there, or are of another run.
    """
    names = names_of(data)
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for directory in sorted(exp.glob(f"*/{split.name}")):
        reader = directory.parent.name
        for fold, record in records_of(data, split, directory) if reader not in leave_out else ():
            of_fold = replace(split, parts={fold: split.parts[fold]})
            for kind in KINDS:
                for part in PARTS:
                    entry = compare(data, of_fold, record, kind, part, names) | {"source": str(directory)}
                    key = (reader, record["component"], kind, part)
                    found[key] = merged(found[key], entry) if key in found else entry
    return list(found.values())


def records_of(data: Dataset, split: Split, reader: Path) -> Iterator[tuple[int, Record]]:
    """(fold, what the embeddings that the subsystem in `reader` read there were trained on), each once."""
    seen: list[tuple[int, Record]] = []
    for plan in read_plans(reader):
        for name in embeddings_read((plan.get("features") or "").split()):
            for fold in plan.get("folds", ()):
                for seed in plan.get("seeds", ()):
                    run = Run(reader.parent.parent, reader.parent.name, split.name, fold, seed,
                              plan.get("permuted", False))
                    for record in open_embedding(name, data, run).trained_on():
                        apart = {**record, "speakers": []} if split.speaker_overlap else record
                        if (fold, apart) not in seen:
                            seen.append((fold, apart))
                            yield fold, apart


def merged(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    """Two folds' entries as one."""
    sums = {key: one[key] + two[key] for key in ("shared", "affected", "tested")}
    return {**one, **sums, "verdict": max(one["verdict"], two["verdict"], key=SEVERITY.index),
            "examples": [*one["examples"], *two["examples"]][:5]}
