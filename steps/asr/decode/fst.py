"""Finite-state transducers as numpy arrays, and OpenFst's binary vector files, which kaldifst reads and writes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.files import atomic_path, check_regular

MAGIC = 2125659606
WEIGHTS = {"standard": 1, "lattice4": 2}  # 32-bit numbers a weight: a cost; graph cost and acoustic cost
EXPANDED = 3  # properties of a vector file: expanded, mutable; the reader computes the others when it needs them


@dataclass
class Fst:
    """S states, A arcs sorted by their source; label 0 is empty.

    Attributes:
        start: a state. finals: (S, W) costs of ending, +inf where a state is not final.
        sources, inputs, outputs, targets: (A,) int64. costs: (A, W) float32, negative log; W is 1, of lattices 2.
    """

    start: int
    finals: np.ndarray
    sources: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    targets: np.ndarray
    costs: np.ndarray

    def __len__(self) -> int:
        return len(self.finals)

    @classmethod
    def of(cls, start: int, finals: np.ndarray, sources: np.ndarray, inputs: np.ndarray, outputs: np.ndarray,
           targets: np.ndarray, costs: np.ndarray) -> Fst:
        """With the arcs sorted; of `finals` and `costs` one column is enough."""
        order = np.argsort(sources, kind="stable")
        inputs, outputs, targets = (np.asarray(array, dtype=np.int64)[order] for array in (inputs, outputs, targets))
        wide = [np.asarray(array, dtype=np.float32).reshape(len(array), -1) for array in (finals, costs)]
        return cls(start, wide[0], np.asarray(sources, dtype=np.int64)[order], inputs, outputs, targets, wide[1][order])

    def first_arcs(self) -> np.ndarray:
        """(S + 1,): the arcs of state s are first_arcs[s] ... first_arcs[s + 1] - 1."""
        return np.searchsorted(self.sources, np.arange(len(self) + 1))

    def write(self, path: str | Path) -> None:
        """As OpenFst's vector file with tropical weights."""
        states, arcs = len(self), len(self.sources)
        counts = np.bincount(self.sources, minlength=states)
        # Everything is 32 bits wide: a state is [cost, count, 0], an arc [input, output, cost, target].
        body = np.zeros(3 * states + 4 * arcs, dtype="<i4")
        places = 3 * np.arange(states) + 4 * (np.cumsum(counts) - counts)
        body[places] = self.finals[:, 0].astype("<f4").view("<i4")
        body[places + 1] = counts
        at = 3 * (self.sources + 1) + 4 * np.arange(arcs)
        for shift, column in enumerate((self.inputs, self.outputs, self.costs[:, 0].astype("<f4").view("<i4"),
                                        self.targets)):
            body[at + shift] = column
        header = struct.pack("<i", MAGIC) + _text("vector") + _text("standard")
        header += struct.pack("<iiQqqq", 2, 0, EXPANDED, self.start, states, arcs)
        with atomic_path(path) as temporary:
            temporary.write_bytes(header + body.tobytes())

    @classmethod
    def read(cls, path: str | Path) -> Fst:
        """
        Raises:
            UserError: no such file, or not a vector file of tropical or lattice weights.
        """
        try:
            check_regular(path)
            return cls._of_bytes(Path(path).read_bytes())
        except FileNotFoundError as error:
            raise UserError(f"{path} does not exist; build the graph with steps/make_graph.sh") from error
        except (ValueError, struct.error, IndexError, KeyError) as error:
            raise UserError(f"{path} is damaged or no OpenFst vector file ({error}); build the graph again") from error

    @classmethod
    def _of_bytes(cls, content: bytes) -> Fst:
        (magic,) = struct.unpack_from("<i", content)
        kind, place = _read_text(content, 4)
        weights, place = _read_text(content, place)
        version, flags, _, start, states, _ = struct.unpack_from("<iiQqqq", content, place)
        if (magic, kind, version, flags) != (MAGIC, "vector", 2, 0):
            raise ValueError(f"type {kind}, version {version}, flags {flags}")
        width = WEIGHTS[weights]
        body = np.frombuffer(content[place + struct.calcsize("<iiQqqq"):], dtype=np.int32)  # a copy, so aligned
        counts, places = _states(body, states, width)
        finals = body[places[:, None] + np.arange(width)].view(np.float32)
        sources = np.repeat(np.arange(states), counts)
        at = np.arange(len(sources)) * (3 + width) + (sources + 1) * (2 + width)
        columns = [body[at + shift].astype(np.int64) for shift in (0, 1, 2 + width)]
        costs = body[at[:, None] + 2 + np.arange(width)].view(np.float32)
        return cls(start, finals, sources, columns[0], columns[1], columns[2], costs)


def _states(body: np.ndarray, states: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """How many arcs each state has and where it is; each one's place depends on the arcs before it."""
    words = memoryview(body)
    counts, places = np.zeros(states, dtype=np.int64), np.zeros(states, dtype=np.int64)
    place = 0
    for state in range(states):
        places[state] = place
        counts[state] = count = words[place + width]
        place += width + 2 + (3 + width) * count
    if place != len(body):
        raise ValueError(f"{place} of {len(body)} numbers are described")
    return counts, places


def _text(value: str) -> bytes:
    return struct.pack("<i", len(value)) + value.encode()


def _read_text(content: bytes, place: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<i", content, place)
    return content[place + 4:place + 4 + size].decode(), place + 4 + size
