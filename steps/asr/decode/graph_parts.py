"""The parts of a decoding graph: G from ARPA by kaldilm, L from spellings, LG by kaldifst, and CTC's topology on LG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from steps.asr.decode.fst import Fst
from steps.asr.decode.graph import BACKOFF, BEGIN, END, UNKNOWN
from utils.errors import UserError
from utils.files import check_regular

NEVER = -99.0  # ARPA's log10 of zero
QUANTUM = 1e-5  # weights that differ by less are taken for equal; kaldifst's default, 1e-3, shifts scores by as much


def read_model(arpa: Path) -> list[str]:
    """The words of an ARPA model, without <s>, </s> and <unk>.

    Raises:
        UserError: no such file, or no ARPA model.
    """
    return [word for word, _ in _unigrams(arpa) if word not in (BEGIN, END, UNKNOWN, "<UNK>")]


def _unigrams(arpa: Path) -> Iterator[tuple[str, float]]:
    """(word, log10 probability) of an ARPA model's unigrams."""
    inside = found = False
    try:
        check_regular(arpa)
        with open(arpa, encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                text = line.strip()
                if text.startswith("\\"):
                    if inside:
                        break
                    inside = text == "\\1-grams:"
                elif inside and text:
                    cells = text.split()
                    if len(cells) not in (2, 3):
                        raise UserError(f"{arpa}, line {number}: expected probability, word and backoff; found "
                                        f"{text!r}")
                    found = True
                    yield cells[1], float(cells[0])
    except FileNotFoundError as error:
        raise UserError(f"{arpa} does not exist; train a language model with python -m steps.asr.lm.ngram") from error
    except ValueError as error:
        raise UserError(f"{arpa} is no ARPA model ({error}); give a file that starts with \\data\\") from error
    if not found:
        raise UserError(f"{arpa} is no ARPA model: it has no \\1-grams:; give a file that starts with \\data\\")


def grammar(arpa: Path, words: Sequence[str], added: Sequence[str], scratch: Path) -> Fst:
    """G: accepts sentences of `words` with the model's weights; backoff arcs read #0.

    Args:
        added: words that share <unk>'s probability. scratch: a directory; words.txt is there.
    """
    import kaldilm

    source = arpa
    if added:
        source = scratch / "more.arpa"
        _write_more(arpa, added, source)
    made = scratch / "G.fst"
    kaldilm.arpa2fst(str(source), output_fst=str(made), disambig_symbol=BACKOFF, max_arpa_warnings=0,
                     read_symbol_table=str(scratch / "words.txt"))
    found = Fst.read(made)
    made.unlink()
    if added:
        source.unlink()
    return found


def _write_more(arpa: Path, added: Sequence[str], out: Path) -> None:
    """The model with more unigrams, which divide the probability of <unk>."""
    share = dict(_unigrams(arpa)).get(UNKNOWN)
    if share is None or share <= NEVER:
        raise UserError(f"{arpa} gives <unk> no probability that more words could share; train it with a vocabulary "
                        "smaller than its text's, or give no more words")
    share -= math.log10(len(added))
    with open(arpa, encoding="utf-8") as stream, open(out, "w", encoding="utf-8") as target:
        for line in stream:
            if line.startswith("ngram 1="):
                line = f"ngram 1={int(line.split('=')[1]) + len(added)}\n"
            target.write(line)
            if line.strip() == "\\1-grams:":
                target.writelines(f"{share:.7g}\t{word}\n" for word in added)


def lexicon(spelled: Mapping[str, Sequence[Sequence[int]]], words: Sequence[str], units: int) -> Fst:
    """L: unit id + 1 -> word, any number of words after one another.

    A spelling that is another word's too, or the beginning of another spelling, ends in a symbol of its own, so that L
    can be determinised (Mohri, Pereira & Riley 2008, section 3.2). Label units + 1 is #0, what follows are these.
    """
    ids = {word: number for number, word in enumerate(words)}
    every = [(word, tuple(spelling)) for word, spellings in spelled.items() for spelling in spellings]
    times = Counter(spelling for _, spelling in every)
    begun = {spelling[:size] for spelling in times for size in range(1, len(spelling))}
    used: Counter[tuple[int, ...]] = Counter()
    arcs = [(0, units + 1, ids[BACKOFF], 0)]  # backoff happens between words
    states = 1
    for word, spelling in every:
        symbols = [unit + 1 for unit in spelling]
        if times[spelling] > 1 or spelling in begun:
            used[spelling] += 1
            symbols.append(units + 1 + used[spelling])
        for place, symbol in enumerate(symbols):
            last = place == len(symbols) - 1
            arcs.append((states + place - 1 if place else 0, symbol, ids[word] if not place else 0,
                         0 if last else states + place))
        states += len(symbols) - 1
    sources, inputs, outputs, targets = np.array(arcs, dtype=np.int64).T
    finals = np.full(states, np.inf)
    finals[0] = 0.0
    return Fst.of(0, finals, sources, inputs, outputs, targets, np.zeros(len(arcs)))


def compose(lexicon: Fst, grammar: Fst, units: int, scratch: Path) -> Fst:
    """min(det(L o G)), with the symbols that only determinisation needs made empty."""
    import kaldifst

    left, right = _to_kaldi(lexicon, scratch), _to_kaldi(grammar, scratch)
    kaldifst.arcsort(left, "olabel")
    kaldifst.arcsort(right, "ilabel")
    both = kaldifst.compose(left, right)
    if both.num_states == 0:
        raise UserError("the language model accepts no sentence of the lexicon's words; it has other symbols")
    kaldifst.determinize_star(both)
    kaldifst.minimize_encoded(both, QUANTUM)
    path = scratch / "scratch.fst"
    both.write(str(path))
    found = Fst.read(path)
    path.unlink()
    found.inputs = np.where(found.inputs > units, 0, found.inputs)
    return found


def _to_kaldi(fst: Fst, scratch: Path):  # noqa: ANN202  kaldifst's types have no stubs
    import kaldifst

    path = scratch / "scratch.fst"
    fst.write(path)
    found = kaldifst.StdVectorFst.read(str(path))
    path.unlink()
    return found


def with_topology(fst: Fst, blank: int = 0) -> Fst:
    """T o `fst`: every unit of a path lasts one frame or more, blanks may stand before, between and after the units,
    and must between two equal ones (Graves et al., ICML 2006, section 3.1). Inputs are unit id + 1.

    A state is (state of `fst`, last unit or 0 after a blank, moved). An empty arc of `fst` is taken right before the
    unit or the end that follows it: a `moved` state knows no frame of its own, so that each path is there once.
    """
    keys, begins = _nodes(fst), fst.first_arcs()
    size = int(fst.inputs.max(initial=0)) + 1
    states, last, moved = keys // (2 * size), keys // 2 % size, keys % 2 == 1
    number = np.arange(len(keys))

    def find(state: np.ndarray, unit: np.ndarray, moves: int) -> np.ndarray:
        return np.searchsorted(keys, (state * size + unit) * 2 + moves)

    counts = begins[states + 1] - begins[states]
    node = np.repeat(number, counts)
    arc = begins[states][node] + np.arange(len(node)) - np.repeat(np.cumsum(counts) - counts, counts)
    emits = (fst.inputs[arc] > 0) & (fst.inputs[arc] != last[node])
    empty = fst.inputs[arc] == 0
    still, held = number[~moved], number[~moved & (last > 0)]
    parts = [
        (still, np.full(len(still), blank + 1), None, find(states[still], 0 * still, 0)),
        (held, last[held], None, held),
        (node[emits], fst.inputs[arc[emits]], arc[emits], find(fst.targets[arc[emits]], fst.inputs[arc[emits]], 0)),
        (node[empty], 0 * node[empty], arc[empty], find(fst.targets[arc[empty]], last[node[empty]], 1)),
    ]
    columns = [np.concatenate([part[place] for part in parts]) for place in (0, 1, 3)]
    outputs = np.concatenate([np.zeros(len(part[0]), int) if part[2] is None else fst.outputs[part[2]]
                              for part in parts])
    costs = np.concatenate([np.zeros(len(part[0])) if part[2] is None else fst.costs[part[2], 0] for part in parts])
    start = int(find(np.array(fst.start), np.array(0), 0))
    return Fst.of(start, fst.finals[states, 0], columns[0], columns[1], outputs, columns[2], costs)


def _nodes(fst: Fst) -> np.ndarray:
    """The states of T o `fst` that can be reached, sorted: (state * size + last unit) * 2 + moved."""
    size = int(fst.inputs.max(initial=0)) + 1
    emitting = fst.inputs > 0
    units = np.unique(fst.targets[emitting] * size + fst.inputs[emitting])
    found = np.unique(np.concatenate([[fst.start * size], units, units // size * size])) * 2
    silent = fst.inputs == 0
    from_states, to_states = fst.sources[silent], fst.targets[silent]
    begins = np.searchsorted(from_states, np.arange(len(fst) + 1))
    front = found
    while len(front):
        state = front // (2 * size)
        counts = begins[state + 1] - begins[state]
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        reached = to_states[np.repeat(begins[state], counts) + inner]
        reached = (reached * size + np.repeat(front // 2 % size, counts)) * 2 + 1
        front = np.setdiff1d(reached, found)
        found = np.union1d(found, front)
    return found
