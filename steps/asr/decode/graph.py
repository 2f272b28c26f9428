"""Decoding graphs, units -> words, weighted by a language model (steps/asr/decode/make_graph.py builds them):

    GRAPH/TLG.fst        T o min(det(L o G)): unit id + 1 -> word; G is the ARPA model, L the spellings
    GRAPH/words.txt      `word id`
    GRAPH/lexicon.json   {word: spellings as unit ids}
    GRAPH/graph.json     what it was made of; written last
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.files import read_json
from utils.shape import Number

if TYPE_CHECKING:
    from steps.asr.units import Units

FORMAT = 1
ABOUT = "graph.json"
AGAIN = "build the graph again"
FORM = {"format": int, "units": int, "blank": Number(0, 10**7, whole=True), "tokens": str, "fingerprint": str}
EMPTY, BACKOFF, BEGIN, END, UNKNOWN = "<eps>", "#0", "<s>", "</s>", "<unk>"

Spellings = Mapping[str, Sequence[Sequence[int]]]


@dataclass
class Graph:
    """A graph directory.

    Attributes:
        words: by id; 0 is empty. spellings: of each word. units: number of units V. blank: its id.
        fingerprint: changes whenever the graph does.
    """

    directory: Path
    words: list[str]
    spellings: dict[str, list[list[int]]]
    units: int
    blank: int
    fingerprint: str

    @classmethod
    def open(cls, directory: str | Path, units: Units | None = None) -> Graph:
        """
        Args:
            units: of the recognizer that gives the posteriors.

        Raises:
            UserError: there is none, it is damaged, or it was made for other units.
        """
        directory = Path(directory)
        try:
            about = read_json(directory / ABOUT, FORM, AGAIN)
            spellings = read_json(directory / "lexicon.json", {str: [[Number(0, 10**7, whole=True)]]}, AGAIN)
            lines = (directory / "words.txt").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError as error:
            raise UserError(f"{directory} holds no decoding graph ({error.filename} is missing); build one with "
                            "steps/make_graph.sh") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{directory / 'words.txt'} is no UTF-8 text; {AGAIN}") from error
        if about.get("format") != FORMAT:
            raise UserError(f"{directory / ABOUT} has format {about.get('format')}; this version reads {FORMAT}")
        if units is not None and about["tokens"] != hash_of(units.tokens):
            raise UserError(f"{directory} was built for other units ({about['units']} of them) than the recognizer's "
                            f"({len(units)}); build it again with --recognizer set to this one")
        return cls(directory, [line.split(" ")[0] for line in lines], spellings, about["units"], about["blank"],
                   about["fingerprint"])


def hash_of(texts: Iterable[str]) -> str:
    """A short fingerprint of some lines."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
