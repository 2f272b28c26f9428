"""Times real time of exported models on one core; see tests/bench/inference.sh.

The whole call is measured, from the file to the record, the model being open. Processor time decides, so that other
work on the machine counts little; wall time stands beside it. Where the time goes is measured by wrapping each
extractor, the transcriber and each subsystem.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True, help="directory of recordings")
    parser.add_argument("--utterances", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3, help="the best counts")
    parser.add_argument("models", nargs="+", type=Path)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from steps.features.extract import keep_freed_memory
    from steps.inference.inputs import sources

    keep_freed_memory()
    paths = [path for path, _ in sources([str(arguments.audio)])]
    paths = paths[::max(1, len(paths) // arguments.utterances)][:arguments.utterances]
    print(f"{len(paths)} recordings of {arguments.audio}, one core; times real time by processor time (by wall time)")
    for directory in arguments.models:
        for transcribe in (True, False):
            measure(directory, transcribe, paths, arguments.rounds)


def measure(directory: Path, transcribe: bool, paths: list[str], rounds: int) -> None:
    import torch

    from steps.components.component import TRANSCRIPT
    from steps.inference.model import EmotionModel

    began = time.process_time()
    model = EmotionModel.open(directory, transcribe)
    opened = time.process_time() - began
    torch.set_num_threads(1)
    transcribes = any(node.gives == TRANSCRIPT for node in model.graph.nodes.values())
    if transcribe and not transcribes:
        return
    spent: dict[str, float] = defaultdict(float)
    wrap(model, spent)
    list(model.classify_many(paths[:2]))
    best = (float("inf"), float("inf"), {})
    for _ in range(rounds):
        spent.clear()
        cpu, wall = time.process_time(), time.perf_counter()
        records = list(model.classify_many(paths))
        best = min(best, (time.process_time() - cpu, time.perf_counter() - wall, dict(spent)), key=lambda each: each[0])
    audio = sum(record["seconds"] for record in records)
    what = "with transcripts" if transcribes else "without transcripts"
    print(f"{directory.name}, {what}: {audio / best[0]:.1f} ({audio / best[1]:.1f}); {audio:.0f} s of audio in "
          f"{best[0]:.2f} s, opened in {opened:.1f} s")
    for name, seconds in sorted(best[2].items(), key=lambda each: -each[1]):
        print(f"    {name}: {100 * seconds / best[0]:.0f} %")


def wrap(model: Any, spent: dict[str, float]) -> None:
    """Count the processor time of each part; what one part asks of another counts for the first that asked."""
    for name, node in model.graph.nodes.items():
        node.compute = counted(node.compute, name, spent)


def counted(function: Callable, name: str, spent: dict[str, float]) -> Callable:
    def timed(*words: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return function(*words, **options)
        finally:
            spent[name] += time.thread_time() - began

    return timed


if __name__ == "__main__":
    main()
