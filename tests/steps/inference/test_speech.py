"""Models with subsystems that need a recognizer: i-vectors, transcripts, frames. The recognizer is untrained."""

import json
import shutil

import numpy as np
import pytest
import torch

from steps.asr.config import AsrConfig
from steps.asr.decode import decode_task
from steps.asr.model import CtcModel
from steps.asr.recognizers.recognizer import open_recognizer, save_recognizer
from steps.asr.train.learn_units import learn_units
from steps.asr.transcripts import transcribe
from steps.asr.units import UnitsConfig
from steps.features import extract
from steps.features.registry import create
from steps.inference import export
from steps.inference.model import EmotionModel
from steps.ivector.archive import prefixed, write_arrays
from steps.ivector.total_variability import TotalVariability
from steps.models.conformer import ConformerConfig
from steps.scoring.scores import read_scores
from tests.lab import PROTOCOL, fuse, run, train

SUBSYSTEMS = {"svm_ivector": ("linear_svm", "C=[0.01]", "ivector_tokens", "norm-global"),
              "rnn_fbank": ("attention_rnn", "model.projection=[8] model.hidden=4 model.branch=[8] training.epochs=2 "
                            "training.tensorboard=false refit=false", "fbank", "norm-global"),
              "text": ("text_svm", "C=[1] min_documents=1", "text", "asr-text")}


def untrained(directory):
    """A recognizer that hears something, always the same in the same sound."""
    torch.manual_seed(3)
    units = learn_units(["abc def ghi"], UnitsConfig(kind="char", fallback="unknown"))
    config = AsrConfig(model=ConformerConfig(dim=16, layers=1, heads=2, expansion=2, kernel=5, channels=4))
    weights = CtcModel(80, len(units), config.model).state_dict()
    weights["output.weight"] *= 20
    save_recognizer(directory, weights, config, units, {"features": "fbank", "inputs": 80, "trained_on": []})
    return open_recognizer(directory)


def random_extractor(directory, recognizer):
    """An i-vector extractor over the recognizer's units, its model drawn at random."""
    generator = np.random.default_rng(0)
    count, dim, rank = recognizer.dim - 1, 20, 3
    model = TotalVariability(generator.normal(size=(count, dim, rank)), generator.normal(size=(count, dim)),
                             np.tile(9 * np.eye(dim), (count, 1, 1)), np.eye(dim))
    arrays = {**prefixed("total_variability", model.to_arrays()), "mapping": np.arange(count)}
    directory.mkdir(parents=True)
    write_arrays(directory / "model.safetensors", arrays)
    (directory / "extractor.json").write_text(json.dumps({
        "format": 1, "kind": "ivector-extractor", "fingerprint": "random", "components": count, "features": dim,
        "dim": rank, "occupancy": "tokens", "prune": 0.02, "top": 20, "recognizer": recognizer.fingerprint,
        "cepstra": {"name": "speaker_mfcc", "options": create("speaker_mfcc").options},
        "speaker_features": {"delta_order": 0}, "trained_on": []}))


@pytest.fixture(scope="module")
def speech(lab):
    """The corpus of the lab with filter banks, i-vectors and transcripts, and three subsystems on them."""
    asr, extractor = lab.root / "asr", lab.root / "extractors" / "tokens" / "extractor"
    random_extractor(extractor, untrained(asr))
    for name, words in (("fbank", []), ("ivector_tokens", ["--from", extractor, "--set", f"asr={asr}"])):
        for step in (["--prepare"], ["--task", "1"], ["--finish"]):
            assert run(extract.main, "--features", name, lab.data, *words, *step) == 0
    decoded = lab.data / "layers" / "asr" / "decoded"
    for step in (["--prepare"], ["--task", "1"], ["--finish"]):
        assert run(decode_task.main, "--asr", asr, "--method", "prefix", "--set", "prefixes=4", *step,
                   lab.data, decoded) == 0
    assert run(transcribe.main, "--text", decoded / "hypotheses.tsv", "--asr", asr, lab.data) == 0
    for name, (config, settings, features, _) in SUBSYSTEMS.items():
        train(lab.data, lab.exp, name, config, settings, features, "global")
    lab.asr, lab.extractors = asr, extractor.parents[1]
    return lab


def exported(speech, tmp_path, name, variant, *words):
    experiment = speech.exp / name / PROTOCOL / variant
    assert run(export.main, "--asr", speech.asr, *words, experiment, tmp_path / "model") == 0
    return tmp_path / "model"


@pytest.mark.parametrize("name", SUBSYSTEMS)
def test_the_scores_come_out_again_without_the_recognizer_that_was_copied(speech, tmp_path, name):
    variant = SUBSYSTEMS[name][-1]
    model = EmotionModel.open(exported(speech, tmp_path, name, variant, "--ivectors", speech.extractors))
    records = list(model.classify_many([item.path for item in speech.items]))
    scores = read_scores(speech.exp / name / PROTOCOL / variant / "fold1" / "seed0" / "scores" / "emotion" / "test.tsv")
    found = np.array([list(record["posteriors"].values()) for record in records])
    np.testing.assert_allclose(found, np.exp(scores.logp), atol=2e-6)


def test_a_transcript_is_that_of_the_layer(speech, tmp_path):
    from steps.data.dataset import Dataset

    model = EmotionModel.open(exported(speech, tmp_path, "text", "asr-text"))
    items = Dataset.open(speech.data, layers=("asr",)).items
    records = list(model.classify_many([item.path for item in speech.items]))
    assert [record["transcript"] for record in records] == [items[item.id].fields["asr_text"] for item in speech.items]
    assert len({record["transcript"] for record in records}) > 1
    assert "transcript" in EmotionModel.open(tmp_path / "model", transcribe=False).graph.nodes  # it is read


def test_features_that_several_want_are_computed_once(speech, tmp_path, monkeypatch):
    from steps.features.fbank import Fbank

    fuse(speech.exp, "norm-global", ["svm_ivector", "rnn_fbank"], [0.5, 0.5], "equal")
    model = EmotionModel.open(exported(speech, tmp_path, "fusion_equal", "norm-global", "--ivectors",
                                       speech.extractors))
    calls = []
    extract_one = Fbank.extract
    monkeypatch.setattr(Fbank, "extract", lambda self, samples: calls.append(1) or extract_one(self, samples))
    record = model.classify(speech.items[1].path)
    assert len(calls) == 1 and set(record["subsystems"]) == {"svm_ivector", "rnn_fbank"}
    assert record["transcript"] is not None


def test_what_is_missing_is_one_line(speech, tmp_path, capsys):
    ivector, text = (speech.exp / name / PROTOCOL / SUBSYSTEMS[name][-1] for name in ("svm_ivector", "text"))
    other = tmp_path / "other"
    shutil.copytree(speech.asr, other)
    about = json.loads((other / "recognizer.json").read_text())
    (other / "recognizer.json").write_text(json.dumps({**about, "fingerprint": "another"}))
    for words, message in (
            ([ivector], "give it with --ivectors DIR"),
            (["--ivectors", speech.extractors, ivector], "give --asr DIR"),
            (["--ivectors", speech.extractors, "--asr", other, ivector], "was trained with the recognizer"),
            ([text], "text reads transcripts: give the recognizer with --asr DIR"),
            (["--asr", other, text], "transcripts of training were made with the recognizer")):
        assert run(export.main, *words, tmp_path / "model") in (1, 2)
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_what_its_inputs_were_trained_on_is_told(speech, tmp_path):
    extractors = tmp_path / "extractors"
    shutil.copytree(speech.extractors, extractors)
    about = extractors / "tokens" / "extractor" / "extractor.json"
    record = {"component": "i-vectors", "corpus": "other", "utterances": 3, "speakers": ["x"], "sentences": None,
              "recordings": None}
    about.write_text(json.dumps({**json.loads(about.read_text()), "trained_on": [record]}))
    model = exported(speech, tmp_path, "svm_ivector", "norm-global", "--ivectors", extractors)
    told = json.loads((model / "trained_on.json").read_text())
    assert [entry["corpus"] for entry in told] == ["lab", "other"] and told[1]["speakers"] == ["x"]
