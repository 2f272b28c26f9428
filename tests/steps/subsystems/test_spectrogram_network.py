"""Spectrograms for a convolutional network: lengths of training batches, experiments end to end."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from steps.data.dataset import Dataset
from steps.examples.fold import load_examples
from steps.experiments import plan, run_task
from steps.inputs.archive import ArchiveSource
from steps.scoring.experiment import read_metrics
from steps.subsystems.contract import load_experiment_config
from steps.subsystems.sequence_network import SequenceBatches
from steps.subsystems.spectrogram_network import (
    SpectrogramFramesConfig,
    SpectrogramNetworkLearner,
    Spectrograms,
    of_length,
)
from utils.files import ROOT

SMALL = ("model.width=0.07 model.dropout=0 frames.frequency_masks=0 frames.time_masks=0 "
         "training.epochs=14 training.batch_size=8 training.metric=loss training.tensorboard=false "
         "training.optimizer.learning_rate=0.005")


def run(data, out, settings=SMALL):
    assert plan.main(["--config", "pyresnet", "--inputs", "toy", "--protocol", "plain", "--set", settings,
                      "--data", str(data), "--out", str(out)]) == 0
    task = out / "log" / "task.1.json"
    assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    return out / "norm-global" / "fold1" / "seed0"


@pytest.fixture
def bands(make_dataset, tmp_path):
    """6 speakers x 10 utterances of 8 to 20 frames, 16 bins: which half of them is loud gives the class."""
    generator = np.random.default_rng(8)
    ids = [f"s{speaker}-{take:02d}" for speaker in range(6) for take in range(10)]
    loud = 2 * np.repeat(np.eye(2), 8, axis=1)
    rows = [generator.normal(size=(int(generator.integers(8, 21)), 16)) + loud[int(key[-1]) % 2] for key in ids]
    part = {"s4": "dev", "s5": "test"}
    return make_dataset(tmp_path / "data" / "bands", ids, [["low", "high"][int(key[-1]) % 2] for key in ids],
                        [key[:2] for key in ids], [None] * 60, rows,
                        [{key: part.get(key[:2], "train") for key in ids}], failed=["s5-07"])


def made(lengths, batch_size=4, min_crop=1, **options):
    """Batches of sequences whose frame t is the number 100 * utterance + t."""
    frames = [(100 * n + np.arange(length, dtype=np.float32))[:, None] for n, length in enumerate(lengths)]
    sequences = Spectrograms(frames, SpectrogramFramesConfig(min_crop=min_crop, **options))
    ids = [f"u{n:02d}" for n in range(len(lengths))]
    return SequenceBatches(sequences, {"emotion": torch.arange(len(lengths))}, ids, batch_size, 3)


def test_a_longer_utterance_is_cut_and_a_shorter_one_repeated():
    frames, random = np.arange(7)[:, None], np.random.default_rng(0)
    starts = {int(of_length(frames, 3, random)[0, 0]) for _ in range(100)}
    assert starts == {0, 1, 2, 3, 4}
    for length in (7, 10, 20):
        found = of_length(frames, length, random)[:, 0]
        assert len(found) == length and set(np.diff(found)) <= {1, -6}
    assert (of_length(frames, 7, random)[:, 0] == np.arange(7)).all()


def test_a_training_batch_has_the_median_of_its_lengths_and_no_padding():
    lengths = np.random.default_rng(2).integers(2, 40, 50)
    batches = made(lengths)
    for positions, batch in zip(batches.plan(1), batches.epoch(1, 0), strict=True):
        median = int(np.median(lengths[positions]))
        assert batch["x"].shape[1] == median and (batch["lengths"] == median).all()
        for position, row in zip(positions, batch["x"][:, :, 0].numpy(), strict=True):
            assert set(row) <= set(100 * position + np.arange(lengths[position]))
    limited = [batch["x"].shape[1] for batch in made(lengths, max_crop=30, min_crop=20).epoch(1, 0)]
    assert min(limited) == 20 and max(limited) == 30


def test_a_resumed_epoch_goes_on_with_the_same_stretches():
    options = {"max_crop": 9, "time_masks": 1, "max_time_mask_fraction": 0.5}
    lengths = np.random.default_rng(2).integers(2, 40, 50)
    whole, rest = list(made(lengths, **options).epoch(4, 0)), list(made(lengths, **options).epoch(4, 7))
    assert all(torch.equal(one["x"], two["x"]) for one, two in zip(whole[7:], rest, strict=True))
    assert not torch.equal(whole[0]["x"], next(made(lengths, **options).epoch(5, 0))["x"])


def test_views_of_utterances_share_the_median_length_and_are_changed_before_they_are_cut():
    sequences = made([9, 5, 30]).sequences
    seen = []

    def change(frames, random):
        seen.append(len(frames))
        return frames + 1000

    view = sequences.view([0, 1, 2, 1], change, [np.random.default_rng(number) for number in range(4)])
    assert seen == [9, 5, 30, 5] and view["x"].shape == (4, 7, 1) and view["lengths"].tolist() == [7] * 4
    assert set(view["x"][1].flatten().tolist()) == {1100.0 + t for t in range(5)}
    assert not torch.equal(view["x"][1], view["x"][3])  # each has its own generator


def test_scoring_sees_every_frame():
    prepared = made([9, 5], max_crop=3, time_masks=3, max_time_mask_fraction=0.9).sequences
    assert prepared.batch(np.array([0, 1]))["lengths"].tolist() == [9, 5]


@pytest.mark.parametrize("settings", ["", " model.architecture=resnet50 training.precision=bf16 model.head=average"])
def test_an_experiment_learns_and_its_stored_network_gives_the_same_logits(bands, tmp_path, settings):
    directory = run(bands, tmp_path / "exp" / "net" / "plain", SMALL + " refit=false" + settings)
    metrics = read_metrics(directory, "emotion")
    assert metrics["test"]["UA"] > 0.85 and metrics["prior_scored"] == ["s5-07"]
    fitted = SpectrogramNetworkLearner.load(
        load_experiment_config("pyresnet", (SMALL + settings).split()), directory, ["emotion"])
    data = Dataset.open(bands)
    examples = load_examples(data, {"toy": ArchiveSource.open(bands, "toy")}, data.split("plain"), 1, "global", 3.0)
    logits = fitted.predict(examples.dev)["emotion"]
    np.testing.assert_allclose(fitted.predict(examples.dev.take(np.array([3])))["emotion"][0], logits[3], atol=1e-4)
    assert (logits.argmax(axis=1) == examples.dev.y).mean() == pytest.approx(metrics["dev"]["WA"])


@pytest.mark.slow
@pytest.mark.parametrize("window", ["checkpoint/select", "checkpoint/refit"])
def test_a_kill_changes_no_score(bands, tmp_path, window):
    """Stretches, masks, dropout and batch norm's averages go on as if nothing had been."""
    settings = (SMALL + " frames.max_crop=12 frames.time_masks=1 model.dropout=0.2 training.epochs=2 "
                "training.checkpoint_every_batches=2")
    whole = run(bands, tmp_path / "whole" / "net" / "plain", settings)
    out = tmp_path / "exp" / "net" / "plain"
    words = ["--data", str(bands), "--out", str(out)]
    assert plan.main(["--config", "pyresnet", "--inputs", "toy", "--protocol", "plain", "--set", settings,
                      *words]) == 0
    command = [sys.executable, "-m", "steps.experiments.run_task", "--device", "cpu", *words,
               str(out / "log" / "task.1.json")]
    fault = {"EMOTION_FAULT": window, "EMOTION_FAULT_ONCE": str(tmp_path / "once")}
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, **fault}, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in ("scores/emotion/dev.tsv", "scores/emotion/test.tsv", "model.safetensors"):
        assert (whole / name).read_bytes() == (out / "norm-global" / "fold1" / "seed0" / name).read_bytes(), name
