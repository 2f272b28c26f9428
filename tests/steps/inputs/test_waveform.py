"""Recordings as an input: rate, segments, utterances without sound, a network through the whole data flow."""

import gzip
import json

import numpy as np
import pytest
import soundfile

from steps.data.dataset import Dataset, Item
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.inputs.opening import open_source
from steps.inputs.source import Run
from steps.inputs.waveform import WaveformSource
from steps.noise.apply_conditions import check_clean, posteriors
from steps.noise.conditions import Condition
from steps.scoring.experiment import read_metrics, scores_path
from utils.errors import UsageError, UserError

SETTINGS = ("model.kernel=64 model.stride=32 model.channels=[8,8] model.embedding=8 model.dropout=0 training.epochs=25 "
            "training.batch_size=4 training.optimizer.learning_rate=0.02 training.tensorboard=false "
            "training.metric=loss refit=false keep_embeddings=true keep_model=true")


@pytest.fixture
def toned(make_dataset, tmp_path):
    """4 speakers x 16 utterances of 0.2 to 0.3 s: a high or a low tone in noise, one without a recording."""
    random, ids, labels, speakers, fold = np.random.default_rng(3), [], [], [], {}
    part = {"s0": "train", "s1": "train", "s2": "dev", "s3": "test"}
    for number in range(64):
        ids.append(f"u{number:02d}")
        speakers.append(f"s{number % 4}")
        labels.append(["low", "high"][number // 4 % 2])
        fold[ids[-1]] = part[speakers[-1]]
        time = np.arange(int(16000 * random.uniform(0.2, 0.3))) / 16000
        tone = np.sin(2 * np.pi * (400 if labels[-1] == "low" else 2500) * time + random.uniform(0, 6))
        soundfile.write(tmp_path / f"{ids[-1]}.wav", 0.3 * tone + 0.02 * random.normal(size=len(time)), 16000)
    data = make_dataset(tmp_path / "data" / "toy", ids, labels, speakers, [None] * 64, np.zeros((64, 2)), [fold])
    with gzip.open(data / "cuts.jsonl.gz", "rt") as stream:
        cuts = [json.loads(line) for line in stream]
    for cut in cuts:
        info = soundfile.info(tmp_path / f"{cut['id']}.wav")
        cut |= {"duration": info.duration, "recording": {
            "id": cut["id"], "sampling_rate": 16000, "num_samples": info.frames, "duration": info.duration,
            "sources": [{"type": "file", "channels": [0], "source": str(tmp_path / f"{cut['id']}.wav")}]}}
    del cuts[3]["recording"]
    with gzip.open(data / "cuts.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)
    return data


def test_a_recording_is_read_at_the_rate_that_is_wanted(toned, tmp_path):
    data = Dataset.open(toned)
    whole, _ = soundfile.read(tmp_path / "u00.wav", dtype="float32")
    source = open_source("waveform", data)
    np.testing.assert_array_equal(source["u00"], whole)
    assert (source.layout, source.width, source.step, source.length("u00")) == ("waveform", 1, 1 / 16000, len(whole))
    slow = open_source("waveform@8000", data)
    assert slow.name == "waveform@8000" and len(slow["u00"]) == slow.length("u00") == -(-len(whole) // 2)
    assert slow.identity()["rate"] == 8000 and source.identity() != slow.identity()


def test_an_utterance_without_a_recording_is_a_failure(toned):
    source = open_source("waveform", Dataset.open(toned))
    assert source.failures == {"u03": "no recording"} and "u03" not in source and len(source) == 63


def test_a_segment_is_read_alone(tmp_path):
    samples = np.arange(16000, dtype=np.float32) / 32768
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    item = Item("a", path=str(tmp_path / "a.wav"), start=0.25, duration=0.5)
    np.testing.assert_array_equal(WaveformSource(16000, {"a": item}, None)["a"], samples[4000:12000])


def test_joined_sources_are_known_by_the_sound_of_both():
    clean, noisy, other = (WaveformSource(16000, {"a": Item("a", path="a.wav")}, sound)
                           for sound in ("clean", "noisy", "other"))
    both = clean.joined(noisy, lambda key: f"{key}.noisy")
    assert {"a", "a.noisy"} == set(both.items)
    assert both.identity() != clean.joined(other, lambda key: f"{key}.noisy").identity()


@pytest.mark.parametrize("name", ["waveform@", "waveform@16k", "waveform@999", "waveform@0800"])
def test_another_form_of_rate_is_refused(toned, name):
    with pytest.raises(UsageError, match="expected waveform, or waveform@RATE"):
        open_source(name, Dataset.open(toned))


def test_a_data_set_without_sound_is_refused(toy):
    with pytest.raises(UserError, match="has no recordings to read waveform from"):
        open_source("waveform", Dataset.open(toy))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_network_learns_from_samples(toned, tmp_path, workers):
    out = tmp_path / "exp" / "cnn" / "plain"
    words = ["--config", "waveform_cnn", "--inputs", "waveform", "--norms", "none", "--protocol", "plain", "--set",
             f"{SETTINGS} training.workers={workers}", "--data", str(toned), "--out", str(out)]
    assert plan.main(words) == 0
    task = str(out / "log" / "task.1.json")
    assert run_task.main(["--device", "cpu", "--data", str(toned), "--out", str(out), task]) == 0
    metrics = read_metrics(out / "norm-none/fold1/seed0", "emotion")
    assert metrics["test"]["UA"] > 0.9 and metrics["prior_scored"] == ["u03"]
    data, trained = Dataset.open(toned), TrainedExperiment.open(out / "norm-none/fold1/seed0")
    ids = data.split("plain").ids(1, "test")  # as a noisy set is scored: recordings of its own
    logp, prior = posteriors(trained, Condition("clean", data), ids)
    check_clean(scores_path(out / "norm-none/fold1/seed0", "emotion", "test"), ids, logp)
    assert prior == ["u03"]
    run = Run(tmp_path / "exp", "another", "plain", 1, 0)
    embedding = open_source("embedding:cnn", Dataset.open(toned), run)
    assert embedding["u00"].shape == (8,)
