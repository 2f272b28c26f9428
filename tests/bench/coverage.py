"""How often 95 % intervals of UA over speakers cover the UA of all speakers there could be.

    python tests/bench/coverage.py [--draws N]

Speakers are drawn from worlds in which each has a recall of his own of every class; the interval of
steps/scoring/statistics.py beside the percentiles of a bootstrap over speakers, which was used before.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from steps.scoring import metrics, statistics

# classes, utterances a class, mean recall, spread over speakers (of the logit), unequal numbers of utterances
WORLDS = {"four classes": (4, 10, 0.8, 0.8, False), "nearly right": (4, 10, 0.93, 0.6, False),
          "eight classes": (8, 8, 0.6, 0.6, False), "unequal speakers": (4, 10, 0.8, 0.8, True)}
MANY = 100_000  # speakers, of whom UA is taken to be the true one


def draw(speakers: int, world: str, random: np.random.Generator) -> np.ndarray:
    """Confusions (1, speakers, C, C); a wrong decision is for the next class."""
    classes, each, recall, spread, unequal = WORLDS[world]
    middle = np.log(recall / (1 - recall)) + np.linspace(-0.8, 0.8, classes)
    own = spread * (random.normal(size=(speakers, 1)) + 0.7 * random.normal(size=(speakers, classes)))
    size = random.gamma(3, 1 / 3, size=(speakers, 1)) if unequal else np.ones((speakers, 1))
    items = random.poisson(each * size, size=(speakers, classes)) if unequal else np.full((speakers, classes), each)
    right = random.binomial(items, 1 / (1 + np.exp(-middle - own)))
    counts = np.zeros((1, speakers, classes, classes))
    place = np.arange(classes)
    counts[0, :, place, place] = right.T
    counts[0, :, place, (place + 1) % classes] = (items - right).T
    return counts


def percentiles(counts: np.ndarray, random: np.random.Generator, replicates: int = 1000) -> tuple[float, float]:
    """2.5 and 97.5 % of UA over draws of speakers."""
    speakers = counts.shape[1]
    times = random.multinomial(speakers, np.full(speakers, 1 / speakers), size=replicates)
    low, high = np.percentile(metrics.ua(np.einsum("rs,sij->rij", times, counts[0])), [2.5, 97.5])
    return float(low), float(high)


def coverage(speakers: int, world: str, draws: int) -> tuple[float, float]:
    """Percent of the draws in which each of the two intervals covers: jackknife-t, percentiles."""
    random, found = np.random.default_rng(speakers), np.zeros(2)
    true = float(metrics.ua(draw(MANY, world, random).sum(axis=1))[0])
    for _ in range(draws):
        counts = draw(speakers, world, random)
        own = statistics.jackknife(counts, metrics.classification, metrics.SCALES, counts.sum())["UA"]
        for number, (low, high) in enumerate((own, percentiles(counts, random))):
            found[number] += low <= true <= high
    jackknifed, drawn = 100 * found / draws
    return float(jackknifed), float(drawn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000, metavar="N", help="(default: %(default)s)")
    arguments = parser.parse_args()
    print("| world | speakers | jackknife-t | percentiles |\n|---|---|---|---|")
    for world in WORLDS:
        for speakers in (8, 10, 24):
            own, drawn = coverage(speakers, world, arguments.draws)
            print(f"| {world} | {speakers} | {own:.1f} % | {drawn:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
