"""What the tasks of a network learn: classes, numbers, or the distribution of the annotators' votes.

A task names a field (conf/fields.yaml). Numbers (type float, or int without choices) are regression, standardized with
mean and deviation of the training part; everything else is a class for each different value in the training part. With
`training.targets: votes` the main task learns from `emotion_votes` where an utterance has them, and then also from an
utterance that has no label: two emotions with equal votes are a target, though no class.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from steps.data.dataset import Item
from steps.data.dataset import Sequence as MovingLabel
from steps.data.fields import FieldSpec, load_fields
from steps.examples.part import NO_LABEL, Part
from utils.corpus import Target
from utils.errors import UsageError, UserError

MAIN_TASK = "emotion"  # the head of a single target; in model.tasks it stands for the target, whatever its field
VOTES = "emotion_votes"
TARGETS = ("labels", "votes")
IN_FINGERPRINT = (MAIN_TASK, "speaker", "gender")  # of fold.py, whatever is learned

Outputs = int | dict[str, float]  # of a task, see steps/models/heads/branches.py


def with_main_task(config: Any, target: Target) -> Any:
    """A configuration, its `model.tasks` with the target under MAIN_TASK: the one place that knows of both names.

    model.tasks names the target by its own field, or as MAIN_TASK, as the configurations of the repository do.
    """
    tasks = getattr(getattr(config, "model", None), "tasks", None) or {}
    if target.field not in tasks or MAIN_TASK in tasks:
        return config
    named = {MAIN_TASK if name == target.field else name: weight for name, weight in tasks.items()}
    return replace(config, model=replace(config.model, tasks=named))


def further_fields(config: Mapping[str, Any], targets: Collection[Target]) -> list[str]:
    """The fields that a configuration (as plain values) learns from, beyond those that every fingerprint covers."""
    tasks = (config.get("model") or {}).get("tasks") or {}
    votes = [VOTES] if (config.get("training") or {}).get("targets") == "votes" else []
    return sorted({*tasks, *votes} - {*IN_FINGERPRINT, *(target.field for target in targets)})


def check_learned(config: Mapping[str, Any], items: Collection[Item]) -> None:
    """Whether a configuration (as plain values) can learn what it names from these items.

    Raises:
        UsageError: tasks without the main one, one that is no field, or votes that nobody gave.
    """
    tasks = (config.get("model") or {}).get("tasks")
    if tasks is not None:
        if MAIN_TASK not in tasks:
            raise UsageError(f"model.tasks names {', '.join(tasks) or 'nothing'}; what is predicted must be among "
                             f"them, by its field or as {MAIN_TASK}")
        known = {MAIN_TASK, *load_fields(), *(name for item in items for name in item.fields)}
        for task in tasks:
            if task not in known:
                near = difflib.get_close_matches(task, known, n=1)
                raise UsageError(f"model.tasks names {task}, which is no field of conf/fields.yaml nor of the corpus"
                                 + (f"; did you mean {near[0]}?" if near else ""))
    if (config.get("training") or {}).get("targets") == "votes" and not any(item.fields.get(VOTES) for item in items):
        raise UsageError(f"training.targets=votes: no utterance of the corpus has the field {VOTES}; leave it out")


def main_target(part: Part, classes: Sequence[str], kind: str) -> tuple[Part, np.ndarray]:
    """The items that the main task can learn from, and what it learns of them.

    Args:
        kind: one of TARGETS.

    Returns:
        The part, and int64 (N,) class numbers, or float32 (N, C) distributions, one-hot where there is only a label.
    """
    if kind == "labels":
        part = part.labelled()
        return part, part.y
    shares = np.zeros((len(part), len(classes)), dtype=np.float32)
    for position, item in enumerate(part.items):
        votes = vote_shares(item.fields.get(VOTES) or {}, classes)
        if votes is not None:
            shares[position] = votes
        elif part.y[position] != NO_LABEL:
            shares[position, part.y[position]] = 1
    known = np.flatnonzero(shares.sum(axis=1) > 0)
    return part.take(known), shares[known]


def vote_shares(votes: Mapping[str, float], classes: Sequence[str]) -> np.ndarray | None:
    """(C,) shares of the votes that fall on `classes`; None if none does."""
    counts = np.array([votes.get(name, 0) for name in classes], dtype=np.float64)
    return counts / counts.sum() if counts.sum() > 0 else None


def task_targets(items: Sequence[Item], tasks: Collection[str], say: Callable[[str], None],
                 ) -> tuple[dict[str, Outputs], dict[str, np.ndarray]]:
    """Outputs and (N,) targets of each further task; one that the corpus does not tell apart is left out, said aloud.

    Returns:
        Targets are class numbers, -1 without a label, or float32 numbers in the field's own unit, NaN without one.
    """
    registry, outputs, targets = load_fields(), dict[str, Outputs](), dict[str, np.ndarray]()
    for task in tasks:
        values = [item.fields.get(task) for item in items]
        number = is_number(registry.get(task), task, values)
        output, target = numbers(values) if number else class_numbers(values)
        different = len(np.unique(target[~np.isnan(target)])) if number else output
        if different < 2:  # type: ignore[operator]
            what = "number" if number else "label"
            say(f"task {task} is left out: the corpus gives {different} different {what}s of it")
            continue
        outputs[task], targets[task] = output, target
    return outputs, targets


def is_number(spec: FieldSpec | None, task: str, values: Sequence[Any]) -> bool:
    """Whether a field is learned by regression; one that only a corpus module registers is judged by its values.

    Raises:
        UserError: neither classes nor numbers.
    """
    if spec is None:
        known = [value for value in values if value is not None]
        return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)
    if spec.type in ("counts", "nbest"):
        hint = "; training.targets=votes learns from votes" if task == VOTES else ""
        raise UserError(f"model.tasks names {task}, which is neither a class nor a number{hint}", 2)
    return spec.type in ("float", "int") and not spec.choices


def numbers(values: Sequence[Any]) -> tuple[dict[str, float], np.ndarray]:
    """Mean and deviation, and float32 (N,); a label that moves counts as its mean over the utterance."""
    target = np.array([np.nan if value is None else np.mean(value.values) if isinstance(value, MovingLabel) else value
                       for value in values], dtype=np.float32)
    known = target[~np.isnan(target)].astype(np.float64)
    mean, std = (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)
    return {"mean": mean, "std": std or 1.0}, target


def class_numbers(values: Sequence[Any]) -> tuple[int, np.ndarray]:
    """Number of classes and int64 (N,); the classes are the different values, sorted."""
    names = sorted({str(value) for value in values if value is not None})
    number = {name: position for position, name in enumerate(names)}
    return len(names), np.array([NO_LABEL if value is None else number[str(value)] for value in values], dtype=np.int64)
