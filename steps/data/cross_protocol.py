"""The protocol `cross` of a pooled data set: a fold is a training corpus (or a training corpus and one of its folds).

Train and dev are as in that fold of the corpus's own protocol; test is that fold's own test part and every utterance of
every other corpus. So one training is scored on all corpora, and its own test part says what it is within its corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steps.data.splits import Split
from utils.corpus import PARTS
from utils.errors import UserError

NAME = "cross"
CHOICES = ("first", "all")


@dataclass(frozen=True)
class Own:
    """What the protocol needs of one corpus: ids as the pooled set has them.

    Attributes:
        ids: every utterance of it in the pooled set. own: its own protocol, over the names of `rename`.
    """

    name: str
    ids: frozenset[str]
    own: Split
    rename: Mapping[str, str]


def cross_split(corpora: Sequence[Own], chosen: str, of: Sequence[str],
                speakers_known: bool) -> tuple[Split, list[str]]:
    """The split, and a warning for each fold that has nothing to test within its own corpus.

    Args:
        chosen: "first", the first fold of each corpus; "all", every fold.

    Raises:
        UserError: a fold whose train or dev part has no utterance of the common classes.
    """
    parts: dict[int, dict[str, list[str]]] = {}
    about: dict[str, dict[str, Any]] = {}
    warnings = []
    for corpus in corpora:
        for fold in corpus.own.folds[:1] if chosen == "first" else corpus.own.folds:
            mine = {part: sorted({corpus.rename[key] for key in corpus.own.ids(fold, part) if key in corpus.rename})
                    for part in PARTS}
            where = f"{corpus.name}, protocol {corpus.own.name}, fold {fold}"
            for part in ("train", "dev"):
                if not mine[part]:
                    raise UserError(f"{where}: the part {part} has no utterance of the common classes; choose another "
                                    "protocol with --protocols, or map more of its labels")
            if not mine["test"]:
                warnings.append(f"{where}: its own test part has no labelled utterance of the common classes, so there "
                                "is no figure within the corpus")
            others = [key for other in corpora if other is not corpus for key in other.ids]
            number = len(parts) + 1
            parts[number] = {**mine, "test": sorted([*mine["test"], *others])}
            about[str(number)] = {"corpus": corpus.name, "protocol": corpus.own.name, "fold": fold,
                                  "speaker_overlap": corpus.own.speaker_overlap}
    overlap = any(entry["speaker_overlap"] for entry in about.values())
    description = (f"each of {', '.join(corpus.name for corpus in corpora)} trains, "
                   f"{'the first fold' if chosen == 'first' else 'every fold'} of its own protocol; test is that "
                   "fold's own test part and all of the other corpora")
    info = {"name": NAME, "description": description, "folds": len(parts), "speaker_overlap": overlap,
            "whole": list(of), "speakers_known": speakers_known, "cross": about}
    return Split(NAME, parts, description, overlap, info), warnings
