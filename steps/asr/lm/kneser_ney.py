"""Counts and estimates of interpolated modified Kneser-Ney smoothing (Chen & Goodman, Harvard TR-10-98, section 3).

With a(h w) the count of an n-gram (of the highest order, or beginning with <s>) or else the number of different words
before it, D the discount of its count, and N_c(h) the number of words that follow h with count c:

    p(w | h) = (a(h w) - D(a(h w))) / a(h) + g(h) p(w | h'),   g(h) = (D1 N1(h) + D2 N2(h) + D3 N3+(h)) / a(h)

h' is h without its first word; below the unigrams stands the uniform distribution over the vocabulary and </s>.
N-grams are found by sorting arrays of integers. numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BEGIN_ID, END_ID, UNKNOWN_ID = 0, 1, 2
FALLBACK = (0.5, 1.0, 1.5)  # discounts where the counts of counts give none, as lmplz has them


@dataclass
class Counted:
    """The n-grams of one order, sorted by key.

    Attributes:
        prefix, suffix: (G,) ids of the first and of the last n - 1 words in the order below. last: (G,) word.
        raw: (G,) how often. counts: (G,) the numbers a of the module's text.
        begins: (G,) whether <s> is the first word.
    """

    prefix: np.ndarray
    suffix: np.ndarray
    last: np.ndarray
    raw: np.ndarray
    counts: np.ndarray
    begins: np.ndarray


def count(tokens: np.ndarray, size: int, order: int) -> list[Counted]:
    """The n-grams of every order up to `order`.

    Args:
        tokens: (T,) ids below `size`: sentences one after the other, each from BEGIN_ID to END_ID.
    """
    starts = np.flatnonzero(tokens == BEGIN_ID)
    depth = np.arange(len(tokens)) - np.repeat(starts, np.diff(np.append(starts, len(tokens))))
    raw = np.bincount(tokens, minlength=size)
    nothing = np.zeros(size, dtype=np.int64)
    found = [Counted(nothing, nothing, np.arange(size), raw, raw, np.arange(size) == BEGIN_ID)]
    ids = tokens  # of the n-gram that ends at each place
    for number in range(2, order + 1):
        ends = np.flatnonzero(depth >= number - 1)  # no n-gram reaches over the beginning of its sentence
        keys, first, inverse, raw = np.unique(ids[ends - 1] * size + tokens[ends], return_index=True,
                                              return_inverse=True, return_counts=True)
        first = ends[first]
        higher = Counted(keys // size, ids[first], keys % size, raw, raw, depth[first] == number - 1)
        # Different words before: every n-gram of this order is one left neighbor of its suffix.
        neighbors = np.bincount(higher.suffix, minlength=len(found[-1].raw))
        found[-1].counts = np.where(found[-1].begins, found[-1].raw, neighbors)
        found.append(higher)
        ids = np.full(len(tokens), -1, dtype=np.int64)
        ids[ends] = inverse.reshape(-1)
    return found


class Estimate:
    """Probabilities of one order, given those of the order below; n-grams that occur at most `limit` times go.

    Attributes:
        probability: (G,) of all n-grams, the pruned included. kept: (G,) bool. place: (G,) id among the kept.
        backoff_below: log10 g of the kept n-grams of the order below.
    """

    def __init__(self, grams: Counted, lower: Estimate | None, limit: int, size: int):
        self.grams, self.lower, self.size = grams, lower, size
        counts = grams.counts.astype(np.float64)
        if lower is None:
            counts[BEGIN_ID] = 0.0  # is no event
        self.discounts, self.fell_back = discounts_of(counts)
        self.kept = (grams.raw > limit) | (lower is None)
        self.place = np.cumsum(self.kept) - 1
        discount = np.array([0.0, *self.discounts])[np.minimum(counts, 3).astype(np.int64)]
        contexts = len(lower.grams.raw) if lower else 1
        total = np.bincount(grams.prefix, counts, minlength=contexts)
        # What pruned n-grams had goes to the backoff as well.
        freed = np.bincount(grams.prefix, np.where(self.kept, discount, counts), minlength=contexts)
        share = np.divide(freed, total, out=np.ones_like(total), where=total > 0)
        below = lower.probability[grams.suffix] if lower else 1.0 / (size - 1)
        self.probability = (counts - discount) / total[grams.prefix] + share[grams.prefix] * below
        if lower is not None:
            self.backoff_below = np.log10(share[lower.kept])

    def keys(self) -> np.ndarray:
        """Of the kept n-grams, sorted: id of the first n - 1 words among those kept below * size + last word."""
        kept, grams = self.kept, self.grams
        prefix = self.lower.place[grams.prefix[kept]] if self.lower else 0
        return prefix * self.size + grams.last[kept]


def discounts_of(counts: np.ndarray) -> tuple[tuple[float, float, float], bool]:
    """D1, D2, D3+ of counts (G,) by Chen & Goodman's equation 26, and whether they are FALLBACK instead.

    A small text has no n-gram of some count up to four, or so odd counts of counts that a discount is out of range.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == number)) for number in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return FALLBACK, True
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if any(not 0 < discount <= number for number, discount in enumerate(found, start=1)):
        return FALLBACK, True
    return found, False
