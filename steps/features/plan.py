"""Who extracts what: the plan that all tasks of one extraction share, before and after they run.

`plan_of` gives the plan (utils/array_plan.py); `finish` counts what came out and writes feature.json.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steps.data.dataset import Item
from steps.features.extractor import Extractor
from steps.features.store import (
    DESCRIPTION,
    failed_path,
    finished_tasks,
    index_path,
    read_failed,
    read_index,
)
from utils.array_plan import ArrayPlan, stage_inputs
from utils.errors import UserError
from utils.files import write_json

LEAVES = (DESCRIPTION, "index.*.tsv", "archive.*.npy", "failed.*.tsv", ".tmp.*")  # indices vouch for archives


def make_plan(extractor: Extractor, items: Mapping[str, Item], num_tasks: int,
              dtype: str = "float32") -> dict[str, Any]:
    """Everything that decides which values end up in which archive."""
    digest = hashlib.sha256()
    for item in items.values():
        source = (item.features or {}).get("path") if not item.path else item.path
        digest.update(repr((item.id, source, item.start, item.duration)).encode())
    return {"name": extractor.name, "version": extractor.version, "options": extractor.options, "num_tasks": num_tasks,
            "utterances": len(items), "items": digest.hexdigest(), **about_dtype(dtype), **stage_inputs()}


def about_dtype(dtype: str) -> dict[str, str]:
    """What plan and description say of the type of the values; nothing of float32, as before there was a choice."""
    return {} if dtype == "float32" else {"dtype": dtype}


def plan_of(extractor: Extractor, items: Mapping[str, Item], num_tasks: int, out: Path,
            dtype: str = "float32") -> ArrayPlan:
    """Of an extraction of features into `out`."""
    return ArrayPlan(out, make_plan(extractor, items, num_tasks, dtype), LEAVES, "extracting",
                     "steps/extract_features.sh")


def share(items: Mapping[str, Item], task: int, num_tasks: int) -> list[Item]:
    """The utterances of task `task` (from 1): every share has about the same duration; in order of id.

    The longest remaining utterance goes to the task that has least.
    """
    loads = [(0.0, number) for number in range(1, num_tasks + 1)]
    mine = []
    for item in sorted(items.values(), key=lambda item: (-item.duration, item.id)):
        load, number = loads[0]
        heapq.heapreplace(loads, (load + item.duration, number))
        if number == task:
            mine.append(item)
    return sorted(mine, key=lambda item: item.id)


def finish(out: Path, extractor: Extractor, items: Mapping[str, Item], num_tasks: int,
           dtype: str = "float32") -> dict[str, Any]:
    """Check that every utterance is stored or failed, exactly once, and write feature.json.

    Returns:
        the description, and under "failures" {id: reason}.

    Raises:
        UserError: a task or an utterance is missing, or came twice; or nothing could be computed at all.
    """
    whole = finished_tasks(out)
    missing = [task for task in range(1, num_tasks + 1) if task not in whole]
    if missing:
        raise UserError(f"{out}: task {missing[0]} of {num_tasks} has left no archive; see its log, then run the same "
                        "command again")
    stored: Counter[str] = Counter()
    failed: dict[str, str] = {}
    rows = 0
    for task in range(1, num_tasks + 1):
        for key, _, count in read_index(index_path(out, task)):
            stored[key] += 1
            rows += count
        failures = read_failed(failed_path(out, task))
        stored.update(failures.keys())
        failed.update(failures)
    _check_count(out, items, stored)
    if items and len(failed) == len(items):
        key, reason = next(iter(failed.items()))
        raise UserError(f"{out}: the features of no utterance could be computed; the first, {key}: {reason}")
    description = {
        "name": extractor.name, "version": extractor.version, "options": extractor.options, "kind": extractor.kind,
        "dim": extractor.dim, "frame_shift": extractor.frame_shift, "utterances": len(items) - len(failed),
        "failed": len(failed), "rows": rows, "archives": num_tasks, "columns": extractor.columns,
        **about_dtype(dtype)}
    write_json(out / DESCRIPTION, description)
    return {**description, "failures": failed}


def _check_count(out: Path, items: Mapping[str, Item], stored: Mapping[str, int]) -> None:
    for what, keys in (("is missing", [key for key in items if key not in stored]),
                       ("is not in the data set", [key for key in stored if key not in items]),
                       ("is there twice", [key for key, count in stored.items() if count > 1])):
        if keys:
            raise UserError(f"{out}: {keys[0]} {what} ({len(keys)} such utterances, {len(items)} in the data set); "
                            f"remove {out} and run the same command again")
