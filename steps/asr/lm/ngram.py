"""N-gram language models: interpolated modified Kneser-Ney smoothing (Chen & Goodman, Harvard TR-10-98, section 3),
written as ARPA.

    python -m steps.asr.lm.ngram --order 3 --data data/speechocean762 --split official --part train --out exp/lm.arpa
    python -m steps.asr.lm.ngram --order 3 --text FILE --out exp/lm.arpa

kneser_ney.py has the formulas. A trigram model of two million words takes 2 s of one core and 0.4 GiB, of ten
million 1.6 GiB.
"""

from __future__ import annotations

import argparse
import array
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steps.asr.lm.kneser_ney import BEGIN_ID, END_ID, UNKNOWN_ID, Estimate, count
from utils.arguments import ArgumentParser
from utils.errors import UsageError, UserError, run_main
from utils.files import atomic_open, write_json
from utils.text_files import read_keyed, read_lines

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
HIGHEST_ORDER = 6
NEVER = -99.0  # ARPA's log10 of zero


@dataclass
class Order:
    """The n-grams of one order, sorted by key = (id of the first n - 1 words) * vocabulary + last word.

    Attributes:
        keys: (G,) int64; the place in keys is the n-gram's id.
        log_prob: (G,) log10 of the interpolated probability. backoff: (G,) log10 of g; 0 where nothing follows.
        discounts: D1, D2, D3+. fell_back: whether they are FALLBACK.
    """

    keys: np.ndarray
    log_prob: np.ndarray
    backoff: np.ndarray
    discounts: tuple[float, float, float]
    fell_back: bool


@dataclass(frozen=True)
class Perplexity:
    """Of some text: over words and ends of sentences.

    Attributes:
        value: 10 ** (-mean log10 p). known: the same without the words that are unknown.
    """

    value: float
    known: float
    sentences: int
    words: int
    unknown: int


@dataclass
class NgramModel:
    """words[i] is the word of id i: <s>, </s>, <unk>, then sorted. orders[n - 1] holds the n-grams."""

    words: list[str]
    orders: list[Order]
    index: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = {word: number for number, word in enumerate(self.words)}

    def log_prob(self, history: Sequence[str], word: str) -> float:
        """log10 p(word | history); the history begins with <s> where the sentence does."""
        ids = [self.index.get(item, UNKNOWN_ID) for item in [*history, word]]
        return self._score(ids[-len(self.orders):])

    def _score(self, ids: Sequence[int]) -> float:
        """log10 p(last | the others)."""
        weight = 0.0
        for first in range(len(ids)):
            found = self._find(ids[first:])
            if found is not None:
                return weight + float(self.orders[len(ids) - first - 1].log_prob[found])
            context = self._find(ids[first:-1])
            if context is not None:
                weight += float(self.orders[len(ids) - first - 2].backoff[context])
        raise AssertionError("every word of the vocabulary is a unigram")

    def _find(self, ids: Sequence[int]) -> int | None:
        """The place of an n-gram in its order; None where it is not there."""
        place = 0
        for order, word in zip(self.orders, ids, strict=False):
            key = place * len(self.words) + word
            place = int(order.keys.searchsorted(key))
            if place == len(order.keys) or order.keys[place] != key:
                return None
        return place if ids else None

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> Perplexity:
        """
        Raises:
            UserError: there is no sentence.
        """
        total = known = 0.0
        lines = tokens = unknown = 0
        for sentence in sentences:
            ids = [BEGIN_ID, *(self.index.get(word, UNKNOWN_ID) for word in sentence), END_ID]
            lines, tokens = lines + 1, tokens + len(sentence)
            for end in range(2, len(ids) + 1):
                score = self._score(ids[max(0, end - len(self.orders)):end])
                total += score
                if ids[end - 1] == UNKNOWN_ID:
                    unknown += 1
                else:
                    known += score
        if not lines:
            raise UserError("perplexity: there is no sentence to measure it on")
        events = tokens + lines
        return Perplexity(10 ** (-total / events), 10 ** (-known / (events - unknown)), lines, tokens, unknown)

    def write_arpa(self, path: str | Path) -> None:
        """Write the model in ARPA's form, sorted; two models of the same text are the same file."""
        with atomic_open(path) as stream:
            stream.write("\\data\\\n")
            for number, order in enumerate(self.orders, start=1):
                stream.write(f"ngram {number}={len(order.keys)}\n")
            names: list[str] = [""]
            for number, order in enumerate(self.orders, start=1):
                stream.write(f"\n\\{number}-grams:\n")
                last = number == len(self.orders)
                prefixes, final = (order.keys // len(self.words)).tolist(), (order.keys % len(self.words)).tolist()
                mine: list[str] = []
                for prefix, word, log_prob, backoff in zip(prefixes, final, order.log_prob.tolist(),
                                                           order.backoff.tolist(), strict=True):
                    name = f"{names[prefix]} {self.words[word]}" if number > 1 else self.words[word]
                    ends = last or word == END_ID
                    stream.write(f"{log_prob:.7g}\t{name}\n" if ends else f"{log_prob:.7g}\t{name}\t{backoff:.7g}\n")
                    if not last:  # nothing is looked up by the names of the highest order
                        mine.append(name)
                names = mine
            stream.write("\n\\end\\\n")


def train(sentences: Iterable[Sequence[str]], order: int, vocabulary: Iterable[str] | None = None,
          prune: Sequence[int] = ()) -> NgramModel:
    """The model of sentences of words; it does not depend on their order.

    Args:
        vocabulary: every other word becomes <unk>; words of it that the text lacks get the share of the unseen.
            Default: the words of the text.
        prune: for each order, n-grams that occur at most so often are left to the backoff, e.g. (0, 0, 1); the last
            number holds for higher orders. The first is 0, and none is smaller than the one before.

    Raises:
        UserError: no text, or a word that is <s> or </s>. UsageError: order or prune out of range.
    """
    if not 1 <= order <= HIGHEST_ORDER:
        raise UsageError(f"--order {order}: accepted: 1 to {HIGHEST_ORDER}")
    limits = _limits(prune, order)
    words, tokens = _numbered(sentences, vocabulary)
    orders: list[Order] = []
    lower = None
    for limit, grams in zip(limits, count(tokens, len(words), order), strict=True):
        lower = Estimate(grams, lower, limit, len(words))
        log_prob = np.log10(lower.probability[lower.kept])
        if orders:
            orders[-1].backoff = lower.backoff_below
        else:
            log_prob[BEGIN_ID] = NEVER
        orders.append(Order(lower.keys(), log_prob, np.zeros(len(log_prob)), lower.discounts, lower.fell_back))
    return NgramModel(words, orders)


def _limits(prune: Sequence[int], order: int) -> list[int]:
    limits = [*prune, *[prune[-1] if prune else 0] * order]
    if limits != sorted(limits) or limits[0] != 0:
        raise UsageError(f"--prune {' '.join(map(str, prune))}: accepted: numbers that do not fall, the first 0")
    return limits[:order]


def _numbered(sentences: Iterable[Sequence[str]], vocabulary: Iterable[str] | None) -> tuple[list[str], np.ndarray]:
    """The words by id, and all sentences as ids in one array, each from BEGIN_ID to END_ID."""
    special = {BEGIN: BEGIN_ID, END: END_ID, UNKNOWN: UNKNOWN_ID}
    index = dict(special)
    if vocabulary is not None:
        for word in vocabulary:
            index.setdefault(word, len(index))
    tokens = array.array("i")
    for sentence in sentences:
        tokens.append(BEGIN_ID)
        for word in sentence:
            if word in (BEGIN, END):
                raise UserError(f"language model: {word} is a word of the text; every sentence gets its own, remove it")
            tokens.append(index.get(word, UNKNOWN_ID) if vocabulary is not None
                          else index.setdefault(word, len(index)))
        tokens.append(END_ID)
    if len(tokens) == 0 or len(index) == len(special):
        raise UserError("language model: there is no text to learn it from")
    words = [*special, *sorted(index.keys() - special.keys())]
    renumber = np.empty(len(words), dtype=np.int64)
    renumber[[index[word] for word in words]] = np.arange(len(words))
    return words, renumber[np.frombuffer(tokens, dtype=np.intc)]


# --- the command ----------------------------------------------------------------------------------------------------

def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("steps.asr.lm.ngram", description="Train an n-gram language model and write it as ARPA.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR", help="the transcripts of a prepared data set")
    source.add_argument("--text", type=Path, metavar="FILE", help="one sentence a line")
    parser.add_argument("--split", metavar="PROTOCOL", help="with --data: take one part of a protocol")
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--part", default="train", choices=("train", "dev", "test"))
    parser.add_argument("--language", help="of --text, where lower case depends on it (tr, az)")
    parser.add_argument("--order", type=int, default=3, help="%(default)s; at most 6")
    parser.add_argument("--vocabulary", type=Path, metavar="FILE", help="one word a line; others become <unk>")
    parser.add_argument("--prune", default="", metavar='"0 0 1"', help="leave out n-grams that occur at most so often")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="FILE.json beside it says what it "
                        "was made of")
    arguments = parser.parse_args(argv)
    if arguments.data and not arguments.split:
        raise UsageError("--data needs --split PROTOCOL, so that no test sentence gets into the language model")
    if not all(word.isdigit() for word in arguments.prune.split()):
        raise UsageError(f"--prune {arguments.prune!r}: accepted: whole numbers, e.g. \"0 0 1\"")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.trained_on import describe_texts
    from steps.text.normal_form import normalize, words

    corpus, parts = _texts(arguments)
    sentences = {part: [words(text) for text in texts] for part, texts in parts.items()}
    vocabulary = None
    if arguments.vocabulary:
        vocabulary = sorted({normalize(word) for _, word, _ in read_keyed(arguments.vocabulary)} - {""})
    trained = [sentence for sentence in sentences[arguments.part] if sentence]
    model = train(trained, arguments.order, vocabulary, [int(word) for word in arguments.prune.split()])
    model.write_arpa(arguments.out)
    about = _about(model, arguments, trained)
    about["trained_on"] = describe_texts(parts[arguments.part], corpus)
    write_json(arguments.out.with_name(arguments.out.name + ".json"), about)
    for number, order in enumerate(model.orders, start=1):
        note = "; too little text for its own" if order.fell_back else ""
        print(f"{number}-grams: {len(order.keys)}, discounts {' '.join(f'{value:.3f}' for value in order.discounts)}"
              + note)
    for part in sorted(sentences):
        kept = [sentence for sentence in sentences[part] if sentence]
        if kept:
            found = model.perplexity(kept[:20_000])
            print(f"perplexity on {part}: {found.value:.1f} over {found.words} words and {found.sentences} ends, "
                  f"{found.unknown} words unknown ({found.known:.1f} without them)")
    return 0


def _texts(arguments: argparse.Namespace) -> tuple[str, dict[str, list[str]]]:
    """Name of the source, and the normalized texts of its parts: the one to train on, and dev to look at."""
    from steps.text.normal_form import normalize

    if arguments.text:
        if not arguments.text.is_file():
            raise UsageError(f"--text {arguments.text}: no such file")
        lines = read_lines(arguments.text)
        return arguments.text.name, {arguments.part: [normalize(line, arguments.language) for line in lines]}
    from steps.data.dataset import Dataset

    data = Dataset.open(arguments.data)
    split = data.split(arguments.split)
    return data.name, {part: [normalize(data.items[key].text or "", data.items[key].language)
                              for key in split.ids(arguments.fold, part)]
                       for part in dict.fromkeys([arguments.part, "dev"])}


def _about(model: NgramModel, arguments: argparse.Namespace, sentences: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {"format": 1, "order": len(model.orders), "part": arguments.part,
            "ngrams": [len(order.keys) for order in model.orders], "sentences": len(sentences),
            "words": sum(map(len, sentences)), "vocabulary": len(model.words),
            "discounts": [list(order.discounts) for order in model.orders], "prune": arguments.prune}


if __name__ == "__main__":
    sys.exit(run_main(main))
