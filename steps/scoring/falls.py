"""What a model loses on another corpus, against a test within one corpus: `falls` of the rows of pairs of corpora.

    within   the tested corpus's own models minus this one, on the same utterances: those that its own test parts have
    own      this model on the test part of its own corpus minus on this one
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
SAME = "its own test part"  # the subset of a tested corpus on which its own models were tested
METRICS = ("UA", "WA")


def add_falls(rows: Iterable[Row]) -> None:
    """Set `falls` of the rows of a pair of two corpora. Rows of other results stay as they are."""
    from steps.scoring import results
    from steps.scoring.summary import compare, plain

    pairs = {pair_of(row): row for row in rows if row.get("train_corpus") and row["part"] == "test"}
    for (*system, train, test, subset), row in pairs.items():
        row.pop("falls", None)
        if train == test or subset:
            continue
        own, within = pairs.get((*system, train, train, "")), pairs.get((*system, test, test, ""))
        like = pairs.get((*system, train, test, SAME), row)
        falls: dict[str, Any] = {}
        if own is not None:
            falls["own"] = {name: plain(own["metrics"][name] - row["metrics"][name]) for name in METRICS}
        if within is not None and within["items"] == like["items"]:
            tests = compare(results.summary_of(within), results.summary_of(like)) or {}
            falls["within"] = {name: plain(within["metrics"][name] - like["metrics"][name]) for name in METRICS}
            falls["within"] |= {"items": like["items"], "p": {name: tests[name]["p"] for name in METRICS
                                                             if name in tests}}
        if falls:
            row["falls"] = falls
    adjust(pairs.values())


def adjust(rows: Iterable[Row]) -> None:
    """Set `p_holm` of each fall: adjusted for those of all pairs and systems, which stand in one table."""
    from steps.scoring.statistics import holm
    from steps.scoring.summary import plain

    for name in METRICS:
        families: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in rows:
            within = row.get("falls", {}).get("within", {})
            if within.get("p", {}).get(name) is not None:
                families.setdefault((row["protocol"], row["target"]), []).append(within)
        for tests in families.values():
            for test, p in zip(tests, holm([test["p"][name] for test in tests]), strict=True):
                test.setdefault("p_holm", {})[name] = plain(p, 9)


def pair_of(row: Row) -> tuple[str, ...]:
    """What tells the rows of a part apart: protocol, system, training corpus, tested corpus, subset."""
    return tuple(str(row.get(name) or "") for name in ("protocol", "target", "subsystem", "variant",
                                                       "text_source", "train_corpus", "corpus", "subset"))
