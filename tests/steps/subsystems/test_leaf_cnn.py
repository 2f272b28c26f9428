"""LEAF-CNN end to end on recordings of tones: training batches, stored models, embeddings."""

import numpy as np
import pytest
import torch

from steps.data.dataset import Dataset
from steps.examples.part import Frames
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.features.store import FeatureStore
from steps.inputs.embedding import EMBEDDINGS
from steps.inputs.opening import open_source
from steps.models.config import LeafCnnConfig
from steps.models.leaf_cnn import LeafCnn
from steps.scoring.experiment import read_metrics
from steps.scoring.scores import read_scores
from steps.subsystems.contract import load_experiment_config
from steps.subsystems.leaf_cnn import EqualWaveforms
from steps.subsystems.network_config import LeafSamplesConfig
from steps.subsystems.sequence_network import SequenceBatches
from tests.steps.inputs.test_waveform import toned  # noqa: F401
from utils.errors import UsageError, UserError

SETTINGS = ("size=tiny training.epochs=8 training.batch_size=8 training.metric=loss "
            "training.optimizer.learning_rate=0.01 model.front_end.stride=10 "
            "keep_embeddings=true refit=false")


def made(lengths, **options):
    """Training batches of recordings of which sample t is the number 1000 * utterance + t."""
    rows = [1000 * n + np.arange(length, dtype=np.float32) for n, length in enumerate(lengths)]
    waveforms = EqualWaveforms(rows, LeafSamplesConfig(normalize_utterance=False, **options))
    ids = [f"u{n:02d}" for n in range(len(lengths))]
    return SequenceBatches(waveforms, {"emotion": torch.arange(len(lengths))}, ids, 4, 3)


def test_a_training_batch_has_the_median_of_its_lengths_and_no_padding():
    lengths = np.random.default_rng(0).integers(50, 400, 20)
    batches = made(lengths)
    for positions, batch in zip(batches.plan(1), batches.epoch(1, 0), strict=True):
        median = int(np.median(lengths[positions]))
        assert batch["x"].shape == (4, median) and (batch["lengths"] == median).all()
        for position, row in zip(positions, batch["x"].numpy(), strict=True):
            assert set(row) <= set(1000 * position + np.arange(lengths[position]))
    limited = made(lengths, max_seconds=0.01)
    assert max(batch["x"].shape[1] for batch in limited.epoch(1, 0)) == 160


def test_another_rate_is_refused():
    frames = Frames(lambda item: np.zeros(9, dtype=np.float32), (), shift=1 / 8000)
    with pytest.raises(UserError, match="reads 16000 samples a second, this input has 8000"):
        EqualWaveforms(frames, LeafSamplesConfig())


@pytest.mark.parametrize("config", ["leaf_cnn", "mel_pcen_cnn", "log_mel_cnn"])
def test_it_learns_from_recordings_and_is_stored_whole(toned, tmp_path, config):  # noqa: F811
    out = tmp_path / "exp" / config / "plain"
    assert plan.main(["--config", config, "--inputs", "waveform", "--norms", "none", "--protocol",
                      "plain", "--set", SETTINGS, "--data", str(toned), "--out", str(out)]) == 0
    task = str(out / "log" / "task.1.json")
    assert run_task.main(["--device", "cpu", "--data", str(toned), "--out", str(out), task]) == 0
    place = out / "norm-none" / "fold1" / "seed0"
    metrics = read_metrics(place, "emotion")
    assert metrics["test"]["UA"] > 0.9 and metrics["prior_scored"] == ["u03"]
    data = Dataset.open(toned)
    source, scores = open_source("waveform", data), read_scores(place / "scores/emotion/test.tsv")
    known = [number for number, key in enumerate(scores.ids) if key != "u03"]
    items = [data.items[scores.ids[number]] for number in known]
    trained = TrainedExperiment.open(place)
    found = trained.log_posteriors(items, [source[item.id] for item in items])
    np.testing.assert_allclose(found, scores.logp[known], atol=1e-4)
    assert FeatureStore.open(place / EMBEDDINGS)["u00"].shape == (10,)


def test_four_convolutions_before_the_last_are_refused():
    with pytest.raises(UsageError, match="model.channels is .*; accepted: at least 5 entries"):
        load_experiment_config("leaf_cnn", ["model.channels=[8,8,8,8]"])
    model = LeafCnnConfig(channels=[8] * 6)
    with pytest.raises(UsageError, match="model.channels has 6 entries; accepted: 5"):
        LeafCnn({"emotion": 2}, model)
