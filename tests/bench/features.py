"""Feature extraction against the libraries alone, and two tasks against one. Called by tests/bench/features.sh.

Candidates take turns within each round, so that a disturbance hits all of them; the best round of each counts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRACT = [sys.executable, "-m", "steps.features.extract"]


def write_data(directory: Path, paths: list[Path]) -> None:
    """A data set over `paths`, 16 kHz mono."""
    import soundfile

    directory.mkdir(parents=True)
    with gzip.open(directory / "cuts.jsonl.gz", "wt", encoding="utf-8") as stream:
        for path in paths:
            info = soundfile.info(str(path))
            recording = {"sources": [{"type": "file", "channels": [0], "source": str(path)}], "id": path.stem,
                         "sampling_rate": info.samplerate, "num_samples": info.frames, "duration": info.duration}
            stream.write(json.dumps({"id": path.stem, "start": 0.0, "duration": info.duration, "recording": recording,
                                     "supervisions": [{"id": path.stem}]}) + "\n")
    (directory / "corpus.json").write_text(json.dumps({"name": "bench", "targets": []}))


def together(*commands: list[str]) -> None:
    """Run processes side by side; each must succeed."""
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    if any([process.wait() for process in running]):
        raise SystemExit(f"failed: {commands[0]}")


def tasks(features: str, data: Path, count: int) -> None:
    """The tasks of one extraction, all at once, without front end and dispatcher."""
    shutil.rmtree(data / features, ignore_errors=True)
    base = [*EXTRACT, "--features", features, "--nj", str(count), str(data)]
    together(*([*base, "--task", str(task)] for task in range(1, count + 1)))


def stage(features: str, data: Path, count: int) -> None:
    """The whole front end through the local dispatcher."""
    shutil.rmtree(data / features, ignore_errors=True)
    together([str(ROOT / "steps" / "extract_features.sh"), "--features", features, "--nj", str(count), str(data)])


def best(candidates: dict[str, Callable[[], None]], rounds: int) -> dict[str, tuple[float, float]]:
    """Of each candidate: seconds of its best round, and least CPU seconds."""
    wall: dict[str, list[float]] = {name: [] for name in candidates}
    cpu: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, candidate in candidates.items():
            began, used = time.perf_counter(), children_seconds()
            candidate()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(children_seconds() - used)
    return {name: (min(wall[name]), min(cpu[name])) for name in candidates}


def children_seconds() -> float:
    """CPU time of all processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("corpus", type=Path, help="directory of 16 kHz mono .flac or .wav files, e.g. RAVDESS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="every n-th file only, so many in all")
    parser.add_argument("--only", choices=["is10", "fbank"])
    arguments = parser.parse_args()
    paths = sorted(path.resolve() for path in arguments.corpus.rglob("*") if path.suffix in (".flac", ".wav"))
    if arguments.limit:
        paths = paths[::max(1, len(paths) // arguments.limit)][:arguments.limit]
    if not paths:
        raise SystemExit(f"{arguments.corpus}: no .flac or .wav files")
    load = os.getloadavg()[0]
    print(f"{len(paths)} files, best of {arguments.rounds}, {os.cpu_count()} cores, load at the start {load:.1f}"
          + (" (not idle: efficiency cannot be measured)" if load > 0.5 else ""))
    with tempfile.TemporaryDirectory() as scratch:
        data, listing = Path(scratch) / "data", Path(scratch) / "files"
        write_data(data, paths)
        listing.write_text("".join(f"{path}\n" for path in paths))

        def alone(what: str) -> Callable[[], None]:
            return lambda: together([sys.executable, str(ROOT / "tests/bench/features_alone.py"), what, str(listing)])

        if arguments.only != "fbank":
            table("IS10", "2 tasks", best({
                "2 tasks": lambda: tasks("is10", data, 2), "1 task": lambda: tasks("is10", data, 1),
                "stage, 2 tasks": lambda: stage("is10", data, 2),
                "opensmile process_files, 2 threads": alone("opensmile-threads"),
                "opensmile process_files, 2 processes": alone("opensmile-processes")}, arguments.rounds))
        if arguments.only != "is10":
            table("fbank", "1 task", best({
                "2 tasks": lambda: tasks("fbank", data, 2), "1 task": lambda: tasks("fbank", data, 1),
                "stage, 1 task": lambda: stage("fbank", data, 1),
                "kaldi-native-fbank alone": alone("fbank")}, arguments.rounds))


def table(title: str, ours: str, measured: dict[str, tuple[float, float]]) -> None:
    """Seconds of each candidate; the efficiency of two tasks; ours over the libraries alone."""
    print(f"\n{title:<44}     wall      CPU")
    for name, (wall, cpu) in measured.items():
        print(f"  {name:<42} {wall:6.2f} s {cpu:6.2f} s")
    print(f"  {'efficiency of 2 tasks, t1 / (2 t2)':<42} {measured['1 task'][0] / (2 * measured['2 tasks'][0]):6.2f}")
    for name, (wall, cpu) in measured.items():
        if "task" not in name:
            print(f"  {f'{ours} / {name}':<42} {measured[ours][0] / wall:6.2f}   {measured[ours][1] / cpu:6.2f}")


if __name__ == "__main__":
    main()
