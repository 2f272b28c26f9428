"""The network on texts end to end: units of the training part, stored models, embeddings, what is cut."""

import numpy as np
import pytest

from steps.asr.units import Units, UnitsConfig
from steps.data.dataset import Dataset
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.features.store import FeatureStore
from steps.inputs.embedding import EMBEDDINGS
from steps.scoring.experiment import read_metrics
from steps.scoring.scores import read_scores
from steps.subsystems.network_config import TextNetworkConfig
from steps.subsystems.text_network import Texts, likeliest
from utils.errors import UserError

SAID = {"angry": "you never listen to me", "happy": "what a lovely day", "sad": "nobody came at all"}
SETTINGS = ("units.kind=char unit_dropout=0.2 model.layers=1 model.pooling=mean model.unit_embedding=12 "
            "model.hidden=8 model.embedding=8 model.dropout=0 model.input_dropout=0 training.epochs=25 "
            "training.batch_size=4 training.tensorboard=false training.optimizer.learning_rate=0.05 "
            "training.metric=loss keep_embeddings=true refit=false")


@pytest.fixture
def said(make_dataset, tmp_path):
    """4 speakers, three classes; test's texts have a letter that train's do not."""
    ids, labels, speakers, fields, fold = [], [], [], {}, {}
    part = {"s0": "train", "s1": "train", "s2": "dev", "s3": "test"}
    for number in range(48):
        key, speaker = f"u{number:02d}", f"s{number % 4}"
        label = list(SAID)[number // 4 % 3]
        text = SAID[label] + (" z" if speaker == "s3" else "")
        ids.append(key)
        labels.append(label)
        speakers.append(speaker)
        fields[key] = {"text": text, "asr_text": "" if key == "u07" else text}
        fold[key] = part[speaker]
    return make_dataset(tmp_path / "data" / "toy", ids, labels, speakers, [None] * 48, np.zeros((48, 2)), [fold],
                        fields=fields)


def train(data, out, *options, settings=SETTINGS):
    words = ["--config", "text_bigru", "--inputs", "text:reference", "--protocol", "plain", "--set", settings,
             "--data", str(data), "--out", str(out)]
    assert plan.main([*words, *options]) == 0
    for task in sorted((out / "log").glob("task.*.json")):
        assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    return out


def test_it_learns_what_is_said_and_is_stored_whole(said, tmp_path):
    place = train(said, tmp_path / "exp/text/plain") / "ref-text/fold1/seed0"
    assert read_metrics(place, "emotion")["test"]["UA"] == 1.0
    items = [item for item in Dataset.open(said).items.values() if item.speaker == "s3"]
    scores = read_scores(place / "scores" / "emotion" / "test.tsv")
    np.testing.assert_allclose(TrainedExperiment.open(place).log_posteriors(items), scores.logp, atol=1e-5)
    assert FeatureStore.open(place / EMBEDDINGS)["u03"].shape == (8,)
    units = Units.load(place / "model.units")
    assert "y" in units.tokens and "z" not in units.tokens  # learned on the training part alone


def test_an_empty_transcript_has_the_class_prior(said, tmp_path):
    out = train(said, tmp_path / "exp/text/plain", "--inputs", "text:asr")
    assert read_metrics(out / "asr-text/fold1/seed0", "emotion")["prior_scored"] == ["u07"]


def test_an_objective_that_changes_features_is_refused(said, tmp_path):
    with pytest.raises(UserError, match="changed views of vectors or frames"):
        train(said, tmp_path / "exp/text/plain", "--labels", "12",
              settings=f"{SETTINGS} training.objective=fixmatch")


def test_long_texts_are_cut_and_counted():
    units = Units(["<blk>", "<unk>", "▁", "a", "b"], UnitsConfig(kind="char", fallback="unknown"))
    config = TextNetworkConfig(kind="text_bigru", max_units=3)
    texts = Texts([[("ab ab", 1.0)], [("b", 1.0)], [("!", 1.0)]], units, config)
    assert texts.cut == 1 and texts.lengths().tolist() == [3, 2, 1]
    batch = texts.batch(np.array([0, 1, 2]))
    assert batch["x"].tolist() == [[2, 3, 4], [2, 4, 0], [1, 0, 0]] and batch["lengths"].tolist() == [3, 2, 1]


def test_units_are_hidden_in_training_alone():
    units = Units(["<blk>", "<unk>", "▁", "a"], UnitsConfig(kind="char", fallback="unknown"))
    config = TextNetworkConfig(kind="text_bigru", unit_dropout=0.5)
    texts = Texts([[("a" * 200, 1.0)]], units, config)
    hidden = texts.batch(np.array([0]), {0: np.random.default_rng(1)})["x"] == 1
    assert 0.35 < hidden.float().mean() < 0.65
    assert not (texts.batch(np.array([0]))["x"] == 1).any()


def test_of_an_nbest_list_the_likeliest_text_is_read():
    assert likeliest([("a", 0.2), ("b", 0.7), ("c", 0.1)]) == "b"


def test_the_configuration_of_a_text_network_is_checked(said, tmp_path):
    with pytest.raises(UserError, match="units.vocabulary"):
        train(said, tmp_path / "exp/text/plain", settings="units.vocabulary=1")
