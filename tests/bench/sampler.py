"""Batches over manifests of thousands of hours, without audio: start, memory, speed, exactness. See sampler.sh.

Two ways are measured, each rank in a process of its own: `plan` (steps/asr/train/epoch_plan.py, what training uses) and
`lhotse` (DynamicBucketingSampler over lazily read shar, each rank iterating over every cut).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

BATCHES = 200  # over which the speed is measured


def plan_batches(sets: list[Path], rank: int, world: int, seconds: float, start: int) -> Iterator[list[str]]:
    """Ids of the utterances of each batch, every cut read with its text, as training does."""
    from steps.asr.large.lazy_cuts import SpeechSets
    from steps.asr.train.epoch_plan import EpochPlan

    found = SpeechSets(sets)
    plan = EpochPlan(found.seconds, found.shards, max_duration=seconds, world=world)
    for numbers in plan.batches(1, rank, start):
        cuts = [found[number] for number in numbers.tolist()]
        assert all(cut.supervisions[0].text for cut in cuts)
        yield [cut.id for cut in cuts]


def lhotse_batches(sets: list[Path], rank: int, world: int, seconds: float, start: int) -> Iterator[list[str]]:
    """The same of lhotse's sampler."""
    from lhotse import CutSet
    from lhotse.dataset.sampling import DynamicBucketingSampler

    from steps.asr.large.lazy_cuts import SpeechSet

    weights = [SpeechSet(path).about["seconds"] for path in sets]
    cuts = CutSet.mux(*(CutSet.from_shar(in_dir=path / "shar") for path in sets), weights=weights, seed=0)
    sampler = DynamicBucketingSampler(cuts, max_duration=seconds, num_buckets=30, shuffle=True, buffer_size=20000,
                                      shuffle_buffer_size=20000, seed=0, world_size=world, rank=rank, drop_last=False)
    for batch in itertools.islice(iter(sampler), start, None):
        yield [cut.id for cut in batch]


def measure_rank(way: str, sets: list[Path], rank: int, world: int, seconds: float, start: int) -> dict[str, object]:
    """Seconds to the first batch, then batches a second; what the first batches hold; peak memory."""
    began = time.perf_counter()
    batches = (plan_batches if way == "plan" else lhotse_batches)(sets, rank, world, seconds, start)
    held = [next(batches)]
    first = time.perf_counter() - began
    began, used = time.perf_counter(), time.process_time()
    held += itertools.islice(batches, BATCHES)
    speed = (len(held) - 1) / (time.perf_counter() - began)
    alone = (len(held) - 1) / (time.process_time() - used)
    return {"first": first, "speed": speed, "alone": alone, "cuts": sum(map(len, held)) / len(held),
            "digest": hashlib.sha256(json.dumps(held[:BATCHES // 2]).encode()).hexdigest(),
            "later": hashlib.sha256(json.dumps(held[BATCHES // 2:BATCHES]).encode()).hexdigest(),
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def in_process(way: str, sets: list[Path], rank: int, world: int, seconds: float, start: int) -> dict[str, object]:
    """measure_rank in a process of its own, imports not counted in the times but in the memory."""
    command = [sys.executable, __file__, "--rank", str(rank), "--way", way, "--world", str(world),
               "--start", str(start), "--seconds", str(seconds), *map(str, sets)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def exactness(sets: list[Path], world: int, seconds: float) -> dict[str, float]:
    """One epoch of the plan in every rank: what is lost, doubled, left out; how full and how even batches are."""
    import numpy as np

    from steps.asr.large.lazy_cuts import SpeechSets
    from steps.asr.train.epoch_plan import EpochPlan

    found = SpeechSets(sets)
    plan = EpochPlan(found.seconds, found.shards, max_duration=seconds, world=world)
    began = time.perf_counter()
    seen, steps, speech, padded, uneven = np.zeros(len(found), int), 0, 0.0, 0.0, 0.0
    for group in plan.groups(1):
        steps += 1
        sums = [float(found.seconds[numbers].sum()) for numbers in group]
        padded += sum(float(found.seconds[numbers].max()) * len(numbers) for numbers in group)
        speech, uneven = speech + sum(sums), uneven + (max(sums) - min(sums)) / max(sums)
        for numbers in group:
            np.add.at(seen, numbers, 1)
    return {"utterances": len(found), "steps": steps, "lost": int((seen[plan.usable] == 0).sum()),
            "doubled": int((seen - 1).clip(min=0).sum()), "counted": plan.doubled, "left_out": plan.left_out,
            "wrongly": int(seen[~plan.usable].sum()), "planning": time.perf_counter() - began,
            "padding": 1 - speech / padded, "seconds_a_batch": speech / steps / world, "uneven": uneven / steps}


def report(sets: list[Path], ways: list[str], world: int, seconds: float) -> None:
    whole = exactness(sets, world, seconds)
    print(f"{whole['utterances']} utterances, {world} ranks, batches of at most {seconds:.0f} s: "
          f"{whole['steps']} steps; {whole['seconds_a_batch']:.0f} s of speech a batch, "
          f"{100 * whole['padding']:.1f} % padding, shortest batch of a step "
          f"{100 * whole['uneven']:.1f} % below the longest")
    print(f"plan, {world} ranks together: {whole['lost']} lost, {whole['doubled']} doubled "
          f"({whole['counted']} counted), {whole['left_out']} left out by length; an epoch is planned in "
          f"{whole['planning']:.1f} s")
    for way in ways:
        fresh = in_process(way, sets, 0, world, seconds, 0)
        print(f"{way}: first batch after {fresh['first']:.1f} s, {fresh['speed']:.1f} batches/s a rank, "
              f"{fresh['alone']:.1f} a CPU second ({fresh['cuts']:.0f} utterances each), "
              f"{fresh['memory']:.2f} GiB a rank", flush=True)
        start = int(whole["steps"]) // 2
        if way == "plan":
            # The batches from `start` on must be those that the run from an earlier batch gives there.
            resumed = in_process(way, sets, 0, world, seconds, start)
            earlier = in_process(way, sets, 0, world, seconds, start - BATCHES // 2)
            same = resumed["digest"] == earlier["later"]
            print(f"{way}: resumed at batch {start} after {resumed['first']:.1f} s; the same batches: {same}")
        else:
            print(f"{way}: a resume at batch {start} would take {start / fresh['speed']:.0f} s at this speed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--world", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=600.0, help="of speech a batch and rank")
    parser.add_argument("--ways", nargs="+", default=["plan", "lhotse"])
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rank is None:
        report(arguments.sets, arguments.ways, arguments.world, arguments.seconds)
    else:
        print(json.dumps(measure_rank(arguments.way, arguments.sets, arguments.rank, arguments.world, arguments.seconds,
                                      arguments.start)))


if __name__ == "__main__":
    main()
