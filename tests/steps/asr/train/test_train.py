"""Training a recognizer on a toy language: it learns, an interrupted epoch goes on, epochs are averaged."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from steps.asr.config import AsrConfig, AugmentationConfig, SamplingConfig
from steps.asr.decode.engine import engine
from steps.asr.model import CtcModel
from steps.asr.recognizers.recognizer import open_recognizer, save_recognizer
from steps.asr.train.average import average, choose, epoch_path
from steps.asr.train.data import SpeechBatches
from steps.asr.train.speech import Speech
from steps.asr.train.train import EpochKeeper, dev_evaluation, report_texts
from steps.features.registry import create
from steps.models.conformer import ConformerConfig
from steps.training.config import OptimizerConfig, TrainingConfig
from steps.training.distributed import World
from steps.training.objective import Supervised
from steps.training.random_state import seed_everything
from steps.training.trainer import Trainer
from tests.steps.asr.toy_speech import BINS, ToySource, toy_cuts, toy_units
from utils.errors import UserError

CONFIG = AsrConfig(
    model=ConformerConfig(dim=32, layers=2, heads=2, expansion=2, kernel=5, channels=8, dropout=0.1),
    augmentation=AugmentationConfig(noise_probability=0.3, frequency_masks=1, max_frequency_mask_bins=2, time_masks=1),
    sampling=SamplingConfig(max_duration=5.0, buckets=4, min_seconds=0.0),
    training=TrainingConfig(epochs=2, metric="WER", tensorboard=False, checkpoint_every_seconds=0.0,
                            checkpoint_every_batches=2, optimizer=OptimizerConfig(learning_rate=3e-3)),
    average=[1, 2])


class Stop(BaseException):
    """Stands for a kill."""


def toy_trainer(directory, config=CONFIG, workers=0, stop_at=None, utterances=60):
    cuts = list(toy_cuts(utterances))
    sampling = dataclasses.replace(config.sampling, workers=workers)
    batches = SpeechBatches(cuts, np.array([cut.duration for cut in cuts]), [(0, len(cuts))], ToySource(), toy_units(),
                            sampling, config.augmentation, 0)
    if stop_at is not None:
        whole = batches.epoch

        def interrupted(epoch, start):
            for number, batch in enumerate(whole(epoch, start), start=start):
                if (epoch, number) == stop_at:
                    raise Stop
                yield batch

        batches.epoch = interrupted
    seed_everything(0, "weights")
    model = CtcModel(BINS, len(toy_units()), config.model, engine("torch"), config.intermediate)
    return Trainer(Supervised(model), batches, None, config.training, directory / "checkpoint",
                   after_epoch=EpochKeeper(directory / "epochs", max(config.average)))


def same_weights(one, two):
    return all(torch.equal(value, two.state_dict()[key]) for key, value in one.state_dict().items())


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_epoch_goes_on_to_the_same_bits(tmp_path, workers):
    whole = toy_trainer(tmp_path / "whole")
    whole.fit()
    with pytest.raises(Stop):
        toy_trainer(tmp_path / "cut", workers=workers, stop_at=(2, 5)).fit()
    resumed = toy_trainer(tmp_path / "cut", workers=workers)
    resumed.fit()
    assert same_weights(whole.objective.network, resumed.objective.network)
    for epoch in (1, 2):
        one, two = (load_file(epoch_path(tmp_path / name / "epochs", epoch)) for name in ("whole", "cut"))
        assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.slow
def test_the_toy_language_is_learned_and_survives_saving(tmp_path):
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(
        CONFIG.training, epochs=12, checkpoint_every_batches=0))
    trainer = toy_trainer(tmp_path, config, utterances=150)
    trainer.fit()
    cuts = list(toy_cuts(30, first=1000))
    speech = Speech(cuts, np.zeros(30), [], ToySource(), "fbank", cuts, [])
    error = dev_evaluation(speech, toy_units(), World())(trainer.objective.network.eval())
    assert error["WER"] < 15
    save_recognizer(tmp_path / "model", trainer.objective.network.state_dict(), config, toy_units(),
                    {"features": "fbank", "inputs": BINS, "trained_on": []})
    recognizer = open_recognizer(tmp_path / "model")
    features = [ToySource().features(cut, 1.0) for cut in cuts]
    for rows, guessed in zip(features, recognizer.log_posteriors(features), strict=True):
        with torch.no_grad():
            alone, _ = trainer.objective.network(torch.from_numpy(rows)[None], torch.tensor([len(rows)]))
        np.testing.assert_allclose(guessed, alone[0].numpy(), atol=1e-4)
        np.testing.assert_allclose(np.exp(guessed).sum(axis=1), 1, rtol=1e-4)


def test_an_average_is_the_mean_of_the_weights(tmp_path):
    trainer = toy_trainer(tmp_path)
    trainer.fit()
    paths = [epoch_path(tmp_path / "epochs", epoch) for epoch in (1, 2)]
    mean = average(paths)
    one, two = map(load_file, paths)
    for key, value in mean.items():
        np.testing.assert_allclose(value.numpy(), (one[key].numpy() + two[key].numpy()) / 2, rtol=1e-5, atol=1e-6)


def test_dev_chooses_how_many_epochs_are_averaged(tmp_path):
    trainer = toy_trainer(tmp_path)
    trainer.fit()
    second = load_file(epoch_path(tmp_path / "epochs", 2))
    for wanted in (1, 2):
        def evaluate(model, wanted=wanted):
            last_alone = all(torch.equal(value, second[key]) for key, value in model.state_dict().items())
            return {"WER": 10.0 if last_alone == (wanted == 1) else 20.0}

        weights, chosen = choose(trainer.objective.network, tmp_path / "epochs", CONFIG, evaluate)
        assert chosen["epochs"] == wanted and chosen["tried"][str(wanted)] == 10.0
        assert all(torch.equal(value, trainer.objective.network.state_dict()[key]) for key, value in weights.items())


def test_without_epochs_nothing_is_averaged(tmp_path):
    with pytest.raises(UserError, match="no epoch to average"):
        choose(CtcModel(BINS, 5, CONFIG.model), tmp_path, CONFIG, None)


def test_old_epochs_are_removed(tmp_path):
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, epochs=4))
    toy_trainer(tmp_path, config, utterances=10).fit()
    assert sorted(path.name for path in (tmp_path / "epochs").glob("[!.]*")) == ["epoch-3.safetensors",
                                                                                 "epoch-4.safetensors"]


def test_a_target_that_does_not_fit_gives_no_loss(tmp_path):
    model = CtcModel(BINS, 6, CONFIG.model, engine("torch"), 0.3).eval()
    batch = {"features": torch.randn(2, 40, BINS), "lengths": torch.tensor([40, 11]),
             "targets": torch.tensor([2, 3, 2, 3, 4, 5]), "target_lengths": torch.tensor([1, 5])}
    alone = {"features": batch["features"][:1], "lengths": batch["lengths"][:1], "targets": torch.tensor([2]),
             "target_lengths": torch.tensor([1])}
    both, one = model.loss(batch), model.loss(alone)
    assert float(both["loss"]) * both["items"] == pytest.approx(float(one["loss"]) * one["items"], rel=1e-4)


def test_a_directory_without_a_recognizer_is_told(tmp_path):
    with pytest.raises(UserError, match="is no recognizer"):
        open_recognizer(tmp_path)


def test_features_of_another_dimension_are_told(tmp_path):
    save_recognizer(tmp_path, CtcModel(BINS, len(toy_units()), CONFIG.model).state_dict(), CONFIG, toy_units(),
                    {"features": "fbank", "inputs": BINS, "trained_on": []})
    with pytest.raises(UserError, match="takes 12 features a frame"):
        open_recognizer(tmp_path).log_posteriors([np.zeros((50, 80), np.float32)])


def test_too_short_an_utterance_has_no_output_frame(tmp_path):
    save_recognizer(tmp_path, CtcModel(BINS, len(toy_units()), CONFIG.model).state_dict(), CONFIG, toy_units(),
                    {"features": "fbank", "inputs": BINS, "trained_on": []})
    short, long = open_recognizer(tmp_path).log_posteriors([np.zeros((3, BINS), np.float32),
                                                            np.zeros((60, BINS), np.float32)])
    assert short.shape == (0, len(toy_units())) and long.shape == (14, len(toy_units()))


def test_transcripts_that_cannot_be_learned_are_told(capsys):
    cuts = list(toy_cuts(4))
    cuts[1].supervisions[0].text = "ab ééé"
    cuts[2].supervisions[0].text = "ab cd"

    class Short(ToySource):
        def features(self, cut, speed):
            return np.zeros((12 if cut.id == "2" else 400, BINS), np.float32)

    speech = Speech(cuts, np.ones(4), [(0, 4)], Short(), "fbank", [], [])
    report_texts(speech, toy_units())
    unknown, crowded = capsys.readouterr().err.splitlines()
    assert "1 characters" in unknown and "'é' (1)" in unknown
    assert "1 transcripts need more frames" in crowded and crowded.endswith(": 2")


def test_a_recognizer_makes_the_features_of_its_training_whatever_conf_says(tmp_path):
    options = {**create("fbank").options, "num_mel_bins": BINS, "low_freq": 60.0}
    save_recognizer(tmp_path, CtcModel(BINS, len(toy_units()), CONFIG.model).state_dict(), CONFIG, toy_units(),
                    {"features": "fbank", "feature_options": options, "inputs": BINS, "trained_on": []})
    assert open_recognizer(tmp_path).extractor.options == options
