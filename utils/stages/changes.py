"""What changed since a recorded run of a stage, in plain words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from utils.stages.command import is_extent
from utils.stages.fingerprint import LATE, OWN, State
from utils.stages.number import StageNumber

FORMAT = 2
"""Of markers. The first knew no inputs by content alone: what it lacks is no change, it is noted once all else is as it
was (plan.py)."""

INPUTS = ("file", "files", "audio", "sound", "images", "late", "code", "config", "recordings",
          "stage")


def differences(old: dict[str, Any], state: State, ran: Collection[StageNumber] = ()) -> tuple[list[str], bool]:
    """What changed since a recorded run.

    Args:
        old: a marker, or the record of a start, with "parts" and "runs".
        state: in the format of `old`.
        ran: stages that will have run by then; what they make is not compared.

    Returns:
        (reasons in plain words, whether finished tasks of the stage hold all the same).
    """
    parts, runs = old.get("parts", {}), old.get("runs", {})
    first_format = old.get("format", 1) < FORMAT
    again = {number for number in {*runs, *state.runs}
             if runs.get(number) != state.runs.get(number) and StageNumber.parse(number) not in ran
             and not (first_format and (number in runs) != (number in state.runs))}
    reasons = [f"stage {number} ran again" for number in sorted(again, key=StageNumber.parse)]
    only_extent = not reasons
    for key in [*state.parts, *(key for key in parts if key not in state.parts)]:
        before, now = parts.get(key), state.parts.get(key)
        if before == now or any(number in ran for number in state.made.get(key, ())):
            continue
        if key.startswith("stage ") and StageNumber.parse(key[6:]) in ran:
            continue
        if key.startswith(OWN) and "outputs" not in old:  # a start that did not end has no outputs yet
            continue
        if first_format and (before is None or now is None) and key.split(" ")[0] in INPUTS:
            continue
        only_extent = only_extent and (is_extent(key) or key.startswith(LATE))
        if not (key.startswith("stage ") and key[6:] in again):
            reasons.append(_difference(key, before, now))
    return reasons, only_extent


def _difference(key: str, before: str | None, now: str | None) -> str:
    kind, _, name = key.partition(" ")
    if kind in ("option", "argument", "command"):
        if before is None:
            return f"{key} is new: {now}"
        if now is None:
            return f"{key} was {before}, is gone"
        before, now = _apart(before, now)
        return f"{key} was {before}, is {now}"
    if kind in ("sound", "recordings") and "; " in str(before) and "; " in str(now):
        (before, utterances), (now, others) = str(before).split("; "), str(now).split("; ")
        if before == now:
            count, had = others.split(",")[0], utterances.split(",")[0]
            return f"utterances in {name} changed ({count}{'' if count == had else f', were {had}'})"
        kind, name = "files", f"of {name}"
    if before in (None, "absent"):
        return f"{name} is new"
    if now in (None, "absent"):
        return f"{name} is gone"
    if kind in ("audio", "files", "images"):
        count, had = now.split(",")[0], before.split(",")[0]
        what = "recordings" if name.startswith("of ") else \
            "images of" if kind == "images" else "files under"
        return f"{what} {name} changed ({count}{'' if count == had else f', were {had}'})"
    if kind == "stage":
        return f"stage {name} ran with other settings"
    return f"{name} changed"


def _apart(before: str, now: str) -> tuple[str, str]:
    """Two long values without the words that they begin and end with alike."""
    old, new = before.split(" "), now.split(" ")
    if len(before) + len(now) <= 200:
        return before, now
    head = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = min(len(old), len(new)) - head
    tail = next((k for k, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b or k == rest), rest)

    def shown(words: list[str]) -> str:
        middle = words[head:len(words) - tail] or ["(nothing)"]
        return " ".join([*(["..."] if head else []), *middle, *(["..."] if tail else [])])

    return shown(old), shown(new)
