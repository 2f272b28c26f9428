"""Resampling to 16 kHz: soxr (steps/data/audio/resampling.py) beside scipy's polyphase filter, which was used before.

    python tests/bench/resampling.py [--recordings N]

Pass band and what is left above 8 kHz, processor time side by side, and what changes on speech: the
features of N of JAVED's videos (sound at 44.1 kHz; EMOTION_CORPORA names the corpora).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from steps.data.audio import RATE, read_sound, resample

Resample = Callable[[np.ndarray, int], np.ndarray]


def by_scipy(samples: np.ndarray, rate: int) -> np.ndarray:
    common = math.gcd(rate, RATE)
    return resample_poly(samples.astype("float64"), RATE // common, rate // common).astype("float32")


def level(method: Resample, rate: int, hertz: float) -> float:
    """dB that a sine has after resampling, its edges apart."""
    samples = np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate).astype("float32")
    inside = method(samples, rate)[RATE // 4:-RATE // 4].astype(np.float64)
    return 10 * math.log10(2 * np.mean(np.square(inside)) + 1e-30)


def processor_time(method: Resample, samples: np.ndarray, rate: int) -> float:
    started = time.process_time()
    method(samples, rate)
    return time.process_time() - started


def response(rate: int) -> None:
    print(f"\n{rate} to {RATE} Hz, dB\n\n| Hz | scipy | soxr |\n|---|---|---|")
    for hertz in (1000, 4000, 7000, 7300, 7500, 7800, 8100, 9000, 12000, 20000):
        print(f"| {hertz} | {level(by_scipy, rate, hertz):.2f} | {level(resample, rate, hertz):.2f} |")


def times(rate: int) -> None:
    samples = np.random.default_rng(0).standard_normal(30 * rate).astype("float32")
    rounds = [(processor_time(by_scipy, samples, rate), processor_time(resample, samples, rate)) for _ in range(5)]
    former, now = (min(column) for column in zip(*rounds, strict=True))
    print(f"{rate} Hz, 30 s: scipy {1000 * former:.1f} ms, soxr {1000 * now:.1f} ms, {former / now:.1f} times as fast")


def on_speech(count: int) -> None:
    from steps.features import registry

    videos = Path(os.environ.get("EMOTION_CORPORA", "/nonexistent")) / "javed" / "video"
    paths = sorted(videos.glob("*.mp4"))[:count]
    if not paths:
        print(f"\nMISSING: {videos} has no videos; nothing is measured on speech")
        return
    print(f"\nJAVED, {len(paths)} videos: difference of the features, in standard deviations of each column over all\n")
    print("| features | median | 95 % | columns that move by more than 0.1 |\n|---|---|---|---|")
    sounds = [read_sound(path) for path in paths]
    for name in ("is10", "fbank"):
        extractor = registry.create(name)
        one, two = ([extractor.extract(method(sound.samples, sound.rate)) for sound in sounds]
                    for method in (by_scipy, resample))
        rows = [np.atleast_2d(np.concatenate([np.atleast_2d(part) for part in side])) for side in (one, two)]
        deviation = rows[0].std(axis=0)
        moved = np.abs(rows[0] - rows[1])[:, deviation > 0] / deviation[deviation > 0]
        print(f"| {name} | {np.median(moved):.4f} | {np.quantile(moved, 0.95):.3f} | "
              f"{100 * np.mean(moved.mean(axis=0) > 0.1):.1f} % |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=24, metavar="N", help="(default: %(default)s)")
    arguments = parser.parse_args()
    for rate in (44100, 48000):
        response(rate)
    print()
    for rate in (8000, 22050, 44100, 48000):
        times(rate)
    on_speech(arguments.recordings)


if __name__ == "__main__":
    main()
