"""The README's one table of all recipes: of each corpus and protocol what dev parts speak for, and its test scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from steps.data.variant import Variant
from steps.scoring import results
from steps.scoring.cells import cell, escape
from steps.scoring.metrics import TRACK

METRICS = {"confusion": ("MAF", "UA", "WA"), "moments": ("CCC", "MAE", "RMSE"), "tracks": TRACK,
           "errors": ("WER", "CER")}


def overview(recipes: Mapping[str, Sequence[results.Row]]) -> str:
    """A table a kind of target. A row: the leading system; the best fusion and the best single one of a
    normalization, by dev; and the subsystem that the recipe is named after.

    Args:
        recipes: "egs/<corpus>/<system>" -> rows of its RESULTS.json. Noisy conditions, subsets and cross-corpus tests
            have their tables in the recipe's own README, and so have kinds that are not in METRICS.
    """
    lines: dict[str, list[str]] = {}
    for recipe in sorted(recipes):
        for group in competing(recipes[recipe]):
            for row in chosen(group, Path(recipe).name) if kind_of(group[0]) in METRICS else []:
                lines.setdefault(kind_of(row), []).append(line(recipe, row))
    blocks = []
    for kind, names in METRICS.items():
        if kind in lines:
            head = ["recipe", "test", "system", *names, "seeds", "marks"]
            blocks.append("\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines[kind]]))
    return "\n\n".join(blocks)


def kind_of(row: results.Row) -> str:
    return "tracks" if row["summary"].get("tracks") else row["summary"]["kind"]


def competing(rows: Iterable[results.Row]) -> list[list[results.Row]]:
    """Rows on clean, whole parts, by what they compete within."""
    groups: dict[tuple[str, str, str], list[results.Row]] = {}
    for row in rows:
        if not (row.get("subset") or row.get("condition") or row.get("train_corpus")):
            groups.setdefault(results.group_of(row), []).append(row)
    return [groups[name] for name in sorted(groups)]


def chosen(group: Sequence[results.Row], system: str) -> list[results.Row]:
    """Test rows: the leading one; of each normalization the best fusion and the best single system on dev; `system`."""
    tests = {(row["subsystem"], row["variant"]): row for row in group if row["part"] == "test" and row["metrics"]}
    found = [row for row in tests.values() if row in results.leading(group)]
    best: dict[tuple[str, bool], results.Row] = {}
    norms = {row["variant"]: Variant.parse(row["variant"]).norm for row in group}
    dev = [row for row in group if row["part"] == "dev" and norms[row["variant"]]]
    for row in sorted(dev, key=lambda row: (-results.quality(row), results.key_of(row))):
        best.setdefault((norms[row["variant"]], bool(row.get("fuses"))), row)
    for place in sorted(best, key=lambda place: (place[0] != "speaker", place[0], not place[1])):
        row = tests.get((best[place]["subsystem"], best[place]["variant"]))
        if row is not None and row not in found:
            found.append(row)
    return found + [row for row in tests.values() if row["subsystem"] == system and row not in found]


def line(recipe: str, row: results.Row) -> str:
    """The recipe's name leads to its README, which has the whole table."""
    name = escape(row["subsystem"] if row["variant"] == "-" else f"{row['subsystem']}, {row['variant']}")
    test = escape(f"{row['protocol']}, {row['target']}, {row['items']}")
    cells = [f"[{recipe.removeprefix('egs/')}]({recipe}/README.md)", test,
             f"**{name}**" if row.get("primary") else name, *(cell(row, metric) for metric in METRICS[kind_of(row)]),
             " ".join(map(str, row["seeds"])), escape(", ".join(row["marks"]))]
    return "| " + " | ".join(cells) + " |"
