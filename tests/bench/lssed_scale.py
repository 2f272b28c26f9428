"""See lssed_scale.sh. The store is sparse: its archives have their real sizes (128 mel, 158 frames on average), but
all values are 0 and nothing of them lies on the disk. So what is measured is everything but the disk itself: opening,
mapping, normalizing, masking, putting together. Memory is what a job may not exceed (anonymous and shared pages, as
utils/jobs/processes.py counts them); pages mapped from the archives are told apart: the kernel drops those at need.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SPEAKERS, FRAMES, MEL, SHIFT, ARCHIVES = 820, 158, 128, 0.032, 20
CLASSES = ("angry", "neutral", "happy", "sad")
PUBLISHED = 147_025


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--utterances", type=int, default=PUBLISHED)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--memory", default="4G", help="of the job that this would be (%(default)s)")
    parser.add_argument("--network", action="store_true", help="instead: training steps of PyResNet-50 on small "
                        "batches, and what 60 epochs at LSSED's size would take")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("dir", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.dir, arguments.batch_size)))
        return 0
    if arguments.network:
        extrapolate(arguments.utterances, arguments.batch_size)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        data = arguments.dir or Path(temporary) / "data"
        if not (data / "cuts.jsonl.gz").is_file():
            simulate(data, arguments.utterances)
        code = {"this checkout": ROOT}
        if arguments.against:
            code = {arguments.against: checked_out(arguments.against, Path(temporary) / "code"), **code}
        found = {name: measured(root, data, arguments) for name, root in code.items()}
    report(found)
    return 0


def checked_out(commit: str, to: Path) -> Path:
    """The files of another commit."""
    to.mkdir()
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(to)], input=archive, check=True)
    return to


def measured(root: Path, data: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The figures of one checkout, in a process of its own; a job of this memory is told its size as a task is."""
    sys.path.insert(0, str(ROOT))
    from utils.jobs.options import parse_memory

    environment = {**os.environ, "PYTHONPATH": str(root), "EMOTION_MEMORY": str(parse_memory(arguments.memory))}
    done = subprocess.run([sys.executable, __file__, "--measure", "--batch-size", str(arguments.batch_size), str(data)],
                          env=environment, stdout=subprocess.PIPE, text=True, check=True, cwd=root)
    return json.loads(done.stdout.splitlines()[-1])


def simulate(data: Path, count: int) -> None:
    """A data set of features only, its split (80/10/10 of the speakers) and its sparse store `spectrogram`."""
    import numpy as np

    from steps.data.cuts import write_cuts
    from steps.features.store import archive_path, failed_path, index_path, npy_header

    rng = np.random.default_rng(0)
    lengths = np.clip(rng.gamma(6.0, FRAMES / 6.0, count).round().astype(int), 20, 900)
    ids = [f"{number:07d}_{number % SPEAKERS:03d}" for number in range(count)]
    store = data / "spectrogram"
    (data / "splits").mkdir(parents=True)
    store.mkdir()
    write_cuts(data / "cuts.jsonl.gz", (cut(key, number, int(lengths[number])) for number, key in enumerate(ids)))
    with open(data / "splits/speakers.tsv", "w", encoding="utf-8") as stream:
        stream.write("id\tfold\tpart\n")
        for number, key in enumerate(ids):
            place = number % SPEAKERS % 10
            stream.write(f"{key}\t1\t{'test' if place == 0 else 'dev' if place == 1 else 'train'}\n")
    (data / "splits/speakers.json").write_text(json.dumps({"name": "speakers", "speaker_overlap": False}))
    (data / "corpus.json").write_text(json.dumps({
        "name": "lssed", "targets": [{"field": "emotion", "kind": "class", "classes": CLASSES}],
        "speakers_known": True, "size": "full", "protocols": ["speakers"]}))
    for task, mine in enumerate(np.array_split(np.arange(count), ARCHIVES), start=1):
        rows = int(lengths[mine].sum())
        with open(archive_path(store, task), "wb") as raw:
            raw.write(npy_header(rows, MEL))
            raw.truncate(128 + 4 * rows * MEL)
        starts = np.concatenate([[0], np.cumsum(lengths[mine])])
        index_path(store, task).write_text("".join(f"{ids[number]}\t{starts[place]}\t{lengths[number]}\n"
                                                   for place, number in enumerate(mine)))
        failed_path(store, task).write_text("")
    (store / "feature.json").write_text(json.dumps({
        "name": "spectrogram", "version": 1, "options": {}, "kind": "frames", "dim": MEL, "frame_shift": SHIFT,
        "archives": ARCHIVES}))


def cut(key: str, number: int, frames: int) -> dict[str, Any]:
    duration = round(frames * SHIFT, 3)
    return {"id": key, "start": 0.0, "duration": duration, "channel": 0, "type": "MonoCut", "features": {
        "type": "precomputed", "num_frames": frames, "num_features": MEL, "frame_shift": SHIFT, "sampling_rate": 16000,
        "start": 0.0, "duration": duration, "storage_type": "numpy_files", "storage_path": "/corpora/lssed/spectrogram",
        "storage_key": f"{key}.npy", "recording_id": key, "channels": 0},
        "supervisions": [{"id": key, "recording_id": key, "start": 0.0, "duration": duration, "channel": 0,
                          "speaker": f"{number % SPEAKERS:03d}", "gender": ("female", "male")[number % 2],
                          "language": "en", "custom": {"age": 20.0 + number % 50, "emotion": CLASSES[number // 7 % 4],
                                                       "category": CLASSES[number // 7 % 4]}}]}


class Watch:
    """Peak memory of this process while a step runs, sampled every 20 ms."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []

    def step(self, name: str, run: Any) -> Any:
        peak, ended = {"pinned": 0, "mapped": 0}, threading.Event()

        def sample() -> None:
            while True:
                found = memory()
                peak["pinned"] = max(peak["pinned"], found["RssAnon"] + found["RssShmem"])
                peak["mapped"] = max(peak["mapped"], found["RssFile"])
                if ended.wait(0.02):
                    return

        thread = threading.Thread(target=sample)
        wall, cpu = time.perf_counter(), time.process_time()
        thread.start()
        value = run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        ended.set()
        thread.join()
        self.steps.append({"step": name, "wall": wall, "cpu": cpu, **peak})
        return value


def memory() -> dict[str, int]:
    """Bytes by kind."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)
            if name in ("RssAnon", "RssShmem", "RssFile")}


def measure(path: Path, batch_size: int) -> list[dict[str, Any]]:
    """Every step that a training of a spectrogram network takes before and beside the network."""
    import torch

    from steps.data.dataset import Dataset
    from steps.examples.fold import fingerprint, load_examples, what_is_read
    from steps.inputs.archive import ArchiveSource
    from steps.subsystems.contract import load_experiment_config
    from steps.subsystems.sequence_network import SequenceBatches
    from steps.subsystems.spectrogram_network import Spectrograms

    torch.set_num_threads(1)
    watch = Watch()
    watch.step("start (imports)", lambda: None)
    data = Dataset.open(path)
    watch.step("manifest", lambda: data.items)
    split = watch.step("split", lambda: data.split("speakers"))
    store = watch.step("store", lambda: {"spectrogram": ArchiveSource.open(path, "spectrogram")})
    watch.step("fingerprint", lambda: fingerprint(data, split, 1, what_is_read(store)))
    examples = watch.step("normalizer, global", lambda: load_examples(data, store, split, 1, "global", 3.0))
    config = load_experiment_config("pyresnet", [f"training.batch_size={batch_size}"])
    part = examples.train.labelled()
    batches = watch.step("plan of batches", lambda: SequenceBatches(
        Spectrograms(part.x, config.frames), {"emotion": torch.from_numpy(part.y)}, part.ids, batch_size, 0))
    steps = batches.count(1)
    watch.step("epoch of batches", lambda: sum(1 for _ in batches.epoch(1, 0)))
    watch.step("again: epoch of batches", lambda: sum(1 for _ in batches.epoch(2, 0)))
    dev = Spectrograms(examples.dev.x, config.frames)
    watch.step("dev part, once", lambda: sum(len(dev.batch(numbers)["x"]) for numbers in blocks(len(dev), 64)))
    watch.steps[0] |= {"steps": steps, "utterances": len(part)}
    return watch.steps


def blocks(count: int, size: int) -> Iterator[Any]:
    """Positions 0 ... count - 1, so many at a time."""
    import numpy as np

    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count))


def extrapolate(utterances: int, batch_size: int, epochs: int = 60, batches: tuple[int, ...] = (4, 8, 16)) -> None:
    """Steps on small batches of LSSED's mean length: time an utterance and memory an utterance are what grows."""
    import numpy as np
    import torch

    from steps.subsystems.contract import load_experiment_config
    from steps.subsystems.spectrogram_network import SpectrogramNetworkLearner
    from steps.training.optimizer import make_optimizer

    torch.set_num_threads(1)
    config = load_experiment_config("pyresnet", ["model.architecture=pyresnet50", "model.width=1.0"])
    model = SpectrogramNetworkLearner.build(config, MEL, {"emotion": len(CLASSES)}, {}).train()
    optimizer, seconds, peaks = make_optimizer(model, config.training), [], []

    def step(size: int) -> None:
        batch = {"x": torch.randn(size, FRAMES, MEL), "lengths": torch.full((size,), FRAMES),
                 "targets": {"emotion": torch.arange(size) % len(CLASSES)}}
        optimizer.zero_grad(set_to_none=True)
        model.loss(batch)["loss"].backward()
        optimizer.step()

    for size in batches:
        step(size)
        watch = Watch()
        watch.step("step", lambda size=size: step(size))
        seconds.append(watch.steps[0]["cpu"])
        peaks.append(watch.steps[0]["pinned"])
        print(f"batch of {size}: {seconds[-1]:.1f} CPU s a step, {peaks[-1] / 2**30:.2f} GiB")
    each, fixed = np.polyfit(batches, seconds, 1)
    grows, base = np.polyfit(batches, peaks, 1)
    train = round(0.8 * utterances)
    steps = -(-train // batch_size)
    whole = epochs * (train * each + steps * max(fixed, 0.0))
    parameters = sum(value.numel() for value in model.parameters())
    print(f"PyResNet-50, {parameters / 1e6:.1f} M parameters: {each:.3f} CPU s, {grows / 2**20:.1f} MiB an utterance "
          f"of {FRAMES} frames\n{train} utterances, batches of {batch_size}: {steps} steps an epoch, "
          f"{steps * epochs} in {epochs} epochs\nextrapolated: {whole / 86400:.0f} days of one core of this machine, "
          f"{(base + grows * batch_size) / 2**30:.1f} GiB")


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    for name, steps in found.items():
        print(f"{name}: {steps[0]['utterances']} training utterances, {steps[0]['steps']} batches an epoch")
        print(f"  {'':<26}{'wall':>9}{'CPU':>9}{'memory':>11}{'mapped':>11}")
        for step in steps:
            print(f"  {step['step']:<26}{step['wall']:>7.1f} s{step['cpu']:>7.1f} s{step['pinned'] / 2**20:>7.0f} MiB"
                  f"{step['mapped'] / 2**20:>7.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
