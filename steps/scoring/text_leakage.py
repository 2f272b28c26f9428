"""Acoustic leakage through recognition errors.

Where few sentences are said in every emotion, the words tell nothing: a subsystem on the reference text must sit at
chance. If it does better on what a recognizer heard, it reads the emotion from the recognizer's mistakes, which follow
the voice, and not from words. The excess is no failure, but it is not semantics either, and is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steps.scoring.summary import Summary, compare

FEW = 20  # different sentences
LEVEL = 0.05
REFERENCE = "reference"
SAME = ("corpus", "protocol", "target", "part", "subsystem")
NAMES = ("corpus", "protocol", "target", "part", "subsystem", "variant", "sentences")


def excesses(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry a system on recognized text that has a sibling on the reference text of FEW sentences at most.

    Returns:
        {corpus, protocol, part, subsystem, variant, sentences, UA, reference_UA, chance, reference_interval (or None),
        excess, p (None without known speakers), speakers}; UA is pooled, p is that of the sign-flip test over speakers.
    """
    found = []
    for row in rows:
        few = 0 < (row.get("sentences") or 0) <= FEW
        if row.get("text_source") in (None, REFERENCE) or row.get("subset") or not few:
            continue
        other = next((other for other in rows if other.get("text_source") == REFERENCE and not other.get("subset")
                      and all(other[name] == row[name] for name in SAME)), None)
        if other is None or row["metrics"].get("UA") is None or other["metrics"].get("UA") is None:
            continue
        mine, theirs = (Summary.from_json(one["summary"], len(one["classes"])) for one in (row, other))
        test = (compare(mine, theirs) or {}).get("UA", {})
        found.append({**{name: row[name] for name in NAMES},
                      "UA": row["metrics"]["UA"], "reference_UA": other["metrics"]["UA"],
                      "chance": 1 / len(row["classes"]), "reference_interval": other["intervals"].get("UA"),
                      "excess": row["metrics"]["UA"] - other["metrics"]["UA"], "p": test.get("p"),
                      "speakers": test.get("speakers")})
    return found


def describe(entry: Mapping[str, Any]) -> str:
    """One sentence for a person."""
    interval = entry["reference_interval"]
    spread = f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else ""
    p = entry["p"]
    few = f"only {entry['speakers']} speakers" if entry["speakers"] else "speakers unknown"
    test = f"no test, {few}" if p is None else \
        f"p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}, sign-flip test over {entry['speakers']} speakers"
    leaks = p is not None and p < LEVEL and entry["excess"] > 0
    return (f"{entry['corpus']}, {entry['protocol']}, {entry['part']}: {entry['subsystem']}/{entry['variant']} has UA "
            f"{100 * entry['UA']:.1f} on what was heard of {entry['sentences']} sentences and "
            f"{100 * entry['reference_UA']:.1f}{spread} on their reference text, chance is {100 * entry['chance']:.1f}"
            f". Excess {100 * entry['excess']:+.1f} ({test}): "
            + ("acoustic leakage through recognition errors" if leaks else "no leakage that the test can tell") + ".")


def sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines for a table's page or a terminal; [] where there is nothing to tell."""
    return [describe(entry) for entry in excesses(rows)]
