"""Sequences for a network: stacking, batches that a resumed run draws alike, experiments end to end."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from steps.data.dataset import Dataset, Item
from steps.examples.fold import load_examples
from steps.examples.part import Frames
from steps.experiments import plan, run_task
from steps.inputs.archive import ArchiveSource
from steps.scoring.experiment import read_metrics
from steps.subsystems.contract import load_experiment_config
from steps.subsystems.sequence_network import (
    AttentionRnnLearner,
    FramesConfig,
    Room,
    SequenceBatches,
    Sequences,
    cache_limit,
    normalized,
    stacked,
)
from steps.training.distributed import World
from utils.errors import UserError
from utils.files import ROOT

SMALL = ("model.projection=[8] model.hidden=6 model.branch=[6] model.dropout=0 model.input_noise=0 "
         "frames.stack=2 frames.stride=2 frames.frequency_masks=0 frames.time_masks=1 training.epochs=12 "
         "training.patience=0 training.batch_size=10 "
         "training.metric=loss training.tensorboard=false training.optimizer.learning_rate=0.02")


def plan_task(data, out, settings=SMALL) -> Path:
    assert plan.main(["--config", "attention_rnn", "--inputs", "toy", "--protocol", "plain", "--set", settings,
                      "--data", str(data), "--out", str(out)]) == 0
    return out / "log" / "task.1.json"


def run(data, out, settings=SMALL) -> Path:
    task = plan_task(data, out, settings)
    assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    return out / "norm-global" / "fold1" / "seed0"


def sequences(lengths, **options):
    generator = np.random.default_rng(1)
    return Sequences([generator.normal(size=(length, 3)).astype(np.float32) for length in lengths],
                     FramesConfig(**options))


def batches(count=50, seed=3, world=None, **options):
    lengths = np.random.default_rng(2).integers(2, 40, count)
    return SequenceBatches(sequences(lengths, **options), {"emotion": torch.arange(count)},
                           [f"u{n:02d}" for n in range(count)], 4, seed, world)


def same(one, two):
    return all(torch.equal(a["x"], b["x"]) and torch.equal(a["lengths"], b["lengths"])
               and torch.equal(a["targets"]["emotion"], b["targets"]["emotion"]) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(("length", "stack", "stride"), [(7, 3, 3), (1, 3, 3), (9, 3, 3), (8, 4, 2), (5, 1, 2),
                                                        (4, 1, 1)])
def test_stacked_frames_stand_side_by_side(length, stack, stride):
    frames = np.random.default_rng(0).normal(size=(length, 2))
    found = stacked(frames, stack, stride)
    expected = [[value for k in range(stack) for value in frames[min(t + k, length - 1)]]
                for t in range(0, length, stride)]
    np.testing.assert_array_equal(found, expected)


def test_an_utterance_is_normalized_on_itself_and_a_flat_column_is_zero():
    frames = np.random.default_rng(0).normal(3, 5, (40, 3))
    frames[:, 1] = 7.3
    found = normalized(frames)
    np.testing.assert_allclose(found[:, [0, 2]].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found[:, [0, 2]].std(axis=0), 1, atol=1e-6)
    assert (found[:, 1] == 0).all()


def test_an_epoch_has_every_utterance_once_in_batches_of_like_length():
    made = batches()
    plan_of_epoch = made.plan(1)
    assert len(plan_of_epoch) == made.count(1) == 13
    assert sorted(np.concatenate(plan_of_epoch).tolist()) == list(range(50))
    spread = np.mean([np.ptp(made.length[batch]) for batch in plan_of_epoch])
    assert spread < 0.4 * np.mean([np.ptp(made.length[batch]) for batch in np.array_split(np.arange(50), 13)])
    assert [batch.tolist() for batch in made.plan(2)] != [batch.tolist() for batch in plan_of_epoch]


def test_a_resumed_epoch_goes_on_with_the_same_batches_and_masks():
    options = {"frequency_masks": 1, "max_frequency_mask_bins": 2, "time_masks": 1, "max_time_mask_fraction": 0.5}
    whole = list(batches(**options).epoch(4, 0))
    assert same(whole[7:], batches(**options).epoch(4, 7))
    assert not same(whole, batches(seed=4, **options).epoch(4, 0))


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_that_read_ahead_change_neither_order_nor_masks(workers):
    options = {"frequency_masks": 1, "max_frequency_mask_bins": 2, "time_masks": 1, "max_time_mask_fraction": 0.5}
    ahead = batches(**options)
    ahead.workers = workers
    assert same(list(batches(**options).epoch(4, 2)), list(ahead.epoch(4, 2)))


def test_masks_are_for_training_only():
    made = sequences([9, 5], time_masks=3, max_time_mask_fraction=0.9)
    batch = made.batch(np.array([1, 0]))
    np.testing.assert_array_equal(batch["x"][0, :5], made.features[1])
    assert batch["lengths"].tolist() == [5, 9] and (batch["x"][0, 5:] == 0).all()


def test_processes_share_each_batch():
    parts = [list(batches(world=World(rank, 2)).epoch(1, 0)) for rank in (0, 1)]
    for whole, first, second in zip(batches().epoch(1, 0), *parts, strict=True):
        together = torch.cat([first["targets"]["emotion"], second["targets"]["emotion"]])
        assert sorted(together.tolist()) == sorted(whole["targets"]["emotion"].tolist())


@pytest.mark.parametrize(("count", "processes"), [(9, 4), (50, 7), (5, 5)])
def test_every_process_has_an_item_of_every_batch(count, processes):
    """Batches of 4 are too small for more processes than that: there are fewer, larger ones."""
    parts = [list(batches(count, world=World(rank, processes)).epoch(1, 0)) for rank in range(processes)]
    assert len({len(part) for part in parts}) == 1
    assert all(len(batch["lengths"]) >= 1 for part in parts for batch in part)
    seen = [number for part in parts for batch in part for number in batch["targets"]["emotion"].tolist()]
    assert sorted(seen) == list(range(count))


def test_more_processes_than_utterances_are_refused():
    with pytest.raises(UserError, match="3 training utterances cannot be shared by 4 processes; lower --processes"):
        batches(3, world=World(0, 4))


def frames_of(count: int, reads: list[int]) -> Frames:
    """Sequences of 10 frames of 3 numbers (120 bytes) that note when they are read."""
    def read(item: Item) -> np.ndarray:
        reads.append(int(item.id))
        return np.full((10, 3), int(item.id), dtype=np.float32)

    return Frames(read, tuple(Item(str(number)) for number in range(count)), lambda item: 10)


def test_lengths_are_known_without_reading():
    reads = []
    features = frames_of(4, reads)
    assert Sequences(features, FramesConfig()).lengths().tolist() == [10] * 4 and reads == []
    assert Sequences(features.take(np.array([1])).join(features), FramesConfig()).lengths().tolist() == [10] * 5
    assert Frames(features.read, features.items).lengths().tolist() == [10] * 4 and reads == [0, 1, 2, 3]


def test_all_parts_share_one_room_and_give_it_back(monkeypatch):
    """Of 1440 bytes a quarter is 360: three sequences of 120."""
    monkeypatch.setenv("EMOTION_MEMORY", "1440")
    room, reads = Room(), []
    train, dev = (Sequences(frames_of(4, reads), FramesConfig(), room) for _ in range(2))
    for sequences_ in (train, dev, train, dev):
        sequences_.batch(np.arange(4))
    assert Counter(reads) == {0: 1 + 2, 1: 1 + 2, 2: 1 + 2, 3: 2 + 2}  # of train 0 to 2 are kept, of dev nothing
    del train, sequences_
    reads.clear()
    dev.batch(np.arange(3))
    dev.batch(np.arange(3))
    assert reads == [0, 1, 2]


@pytest.mark.parametrize(("memory", "processes", "limit"), [(4 << 30, 1, 1 << 30), (64 << 30, 1, 4 << 30),
                                                            (4 << 30, 2, 1 << 29)])
def test_what_is_kept_fits_the_memory_of_the_job(monkeypatch, memory, processes, limit):
    monkeypatch.setenv("EMOTION_MEMORY", str(memory))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert cache_limit() == limit


@pytest.mark.parametrize("settings", ["", " model.cell=advanced model.pooling=mean frames.normalize_utterance=true"])
def test_an_experiment_learns_what_only_the_order_of_frames_tells(toy_frames, tmp_path, settings):
    directory = run(toy_frames, tmp_path / "exp" / "rnn" / "plain", SMALL + settings)
    metrics = read_metrics(directory, "emotion")
    assert metrics["test"]["UA"] > 0.75 and metrics["prior_scored"] == ["s5-07"]
    assert metrics["tasks"] == {"emotion": 2, "speaker": 5, "gender": 2}  # of train and dev


def test_a_stored_network_gives_the_same_logits(toy_frames, tmp_path):
    directory = run(toy_frames, tmp_path / "exp" / "rnn" / "plain", SMALL + " refit=false training.epochs=2")
    config = load_experiment_config("attention_rnn", SMALL.split())
    fitted = AttentionRnnLearner.load(config, directory, ["emotion"])
    data = Dataset.open(toy_frames)
    inputs = {"toy": ArchiveSource.open(toy_frames, "toy")}
    examples = load_examples(data, inputs, data.split("plain"), 1, "global", 3.0)
    logits = fitted.predict(examples.dev)["emotion"]
    one = fitted.predict(examples.dev.take(np.array([3])))["emotion"]
    np.testing.assert_allclose(one[0], logits[3], atol=1e-5)
    metrics = read_metrics(directory, "emotion")
    found = (logits.argmax(axis=1) == examples.dev.y).mean()
    assert found == pytest.approx(metrics["dev"]["WA"])


def test_vectors_are_refused(toy, tmp_path):
    with pytest.raises(UserError, match="attention_rnn cannot be trained .* the layout of toy is vector"):
        plan_task(toy, tmp_path / "exp" / "rnn" / "plain")


@pytest.mark.slow
@pytest.mark.parametrize("window", ["checkpoint/select", "checkpoint/refit"])
def test_a_kill_changes_no_score(toy_frames, tmp_path, window):
    settings = SMALL + " model.dropout=0.2 training.epochs=4 training.checkpoint_every_batches=2"
    whole = run(toy_frames, tmp_path / "whole" / "rnn" / "plain", settings)
    out = tmp_path / "exp" / "rnn" / "plain"
    task = plan_task(toy_frames, out, settings)
    command = [sys.executable, "-m", "steps.experiments.run_task", "--device", "cpu", "--data", str(toy_frames),
               "--out", str(out), str(task)]
    fault = {"EMOTION_FAULT": window, "EMOTION_FAULT_ONCE": str(tmp_path / "once")}
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, **fault}, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in ("scores/emotion/dev.tsv", "scores/emotion/test.tsv", "model.safetensors"):
        assert (whole / name).read_bytes() == (out / "norm-global" / "fold1" / "seed0" / name).read_bytes(), name
