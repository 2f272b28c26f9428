"""Manifests of thousands of hours without a recording, to measure how batches are made of them.

A set for each corpus of the mix, in the form that steps/export_shar.sh leaves (speech.json, cuts.<shard>.jsonl, the
index), but no audio. Durations are log-normal about the corpus's mean; texts have 4.5 characters a second. The same
seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.arguments import ArgumentParser
from utils.errors import run_main

SHORTEST, LONGEST = 0.5, 30.0
CHARACTERS_A_SECOND = 4.5
COMMON_CHARACTERS = (0x4E00, 3500)  # where they start, and how many


@dataclass(frozen=True)
class Mix:
    """What a corpus gives: hours, mean seconds of an utterance, deviation of the logarithm, speakers.

    Hours are the published ones. Means are hours over published utterances for the first five, guesses for the rest.
    """

    name: str
    hours: float
    mean: float
    spread: float
    speakers: int


MANDARIN = (
    Mix("aishell", 178, 4.5, 0.3, 400), Mix("aishell3", 85, 3.5, 0.4, 218), Mix("magicdata", 755, 4.5, 0.35, 1080),
    Mix("st_cmds", 110, 3.9, 0.35, 855), Mix("thchs30", 34, 9.1, 0.2, 60), Mix("aishell4", 120, 3.6, 0.8, 61),
    Mix("alimeeting", 119, 2.9, 0.8, 450), Mix("kespeech", 1542, 5.7, 0.4, 27237),
    Mix("wenetspeech", 1000, 4.6, 0.7, 1),
)


def durations(mix: Mix, hours: float, seed: int) -> np.ndarray:
    """Seconds of each utterance, float64 (N,), whole milliseconds."""
    from steps.training.random_state import generator

    count = max(1, round(3600 * hours / mix.mean))
    middle = math.log(mix.mean) - mix.spread**2 / 2
    drawn = np.exp(generator(seed, "simulate", mix.name).normal(middle, mix.spread, count))
    return np.round(np.clip(drawn, SHORTEST, LONGEST), 3)


def lines(mix: Mix, seconds: np.ndarray, seed: int) -> Iterator[bytes]:
    """The cuts, one JSON line each, as lhotse writes them."""
    from steps.training.random_state import generator

    random = generator(seed, "text", mix.name)
    first, many = COMMON_CHARACTERS
    for number, duration in enumerate(seconds.tolist()):
        key = f"{mix.name}-{number:07d}"
        characters = first + random.integers(0, many, max(1, int(CHARACTERS_A_SECOND * duration)))
        text = "".join(map(chr, characters.tolist()))
        samples = round(16000 * duration)
        yield json.dumps({
            "id": key, "start": 0, "duration": duration, "channel": 0,
            "supervisions": [{"id": key, "recording_id": key, "start": 0.0, "duration": duration, "channel": 0,
                              "text": text, "language": "zh", "speaker": f"{mix.name}-{number % mix.speakers}"}],
            "recording": {"id": key, "sources": [{"type": "shar", "channels": [0], "source": ""}],
                          "sampling_rate": 16000, "num_samples": samples, "duration": duration},
            "type": "MonoCut"}, ensure_ascii=False).encode() + b"\n"


def simulate(out: Path, hours: float, per_shard: int, seed: int) -> int:
    """Write every set of the mix, scaled to `hours` in all; the number of cuts."""
    from steps.asr.large.lazy_cuts import IndexWriter, shard_name, write_set_about
    from utils.files import atomic_open

    total, scale = 0, hours / sum(mix.hours for mix in MANDARIN)
    for mix in MANDARIN:
        seconds = durations(mix, mix.hours * scale, seed)
        rows = lines(mix, seconds, seed)
        for shard, start in enumerate(range(0, len(seconds), per_shard)):
            index = IndexWriter(out / mix.name, shard)
            with atomic_open(out / mix.name / shard_name("cuts", shard), "wb") as stream:
                for duration in seconds[start:start + per_shard]:
                    line = next(rows)
                    index.add(duration, stream.tell(), len(line), 0, 0)
                    stream.write(line)
            index.close()
        write_set_about(out / mix.name, {"corpus": mix.name, "simulated": True, "trained_on": []})
        total += len(seconds)
    return total


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="tests.bench.simulate_manifest", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=sum(mix.hours for mix in MANDARIN), help="(%(default)s)")
    parser.add_argument("--per-shard", type=int, default=2000, help="cuts a shard (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("out", type=Path, metavar="OUT")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    total = simulate(arguments.out, arguments.hours, arguments.per_shard, arguments.seed)
    print(f"{arguments.out}: {total} cuts, {arguments.hours:.0f} h of {len(MANDARIN)} simulated corpora")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
