"""Starting from a trained model: the trunk arrives, what differs is refused, what it was trained on is told."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from steps.asr.config import AsrConfig
from steps.asr.model import CtcModel
from steps.asr.recognizers.recognizer import save_recognizer
from steps.asr.train.learn_units import learn_units
from steps.asr.units import UnitsConfig
from steps.audit import audit_leaks
from steps.data import prepare, validate
from steps.data.dataset import Dataset
from steps.experiments import plan, run_task
from steps.features import extract
from steps.inference import export
from steps.inference.model import EmotionModel
from steps.models.conformer import ConformerConfig
from steps.scoring.scores import read_scores
from steps.subsystems.initialization import open_start
from tests.integration.box import tone, write_table
from tests.lab import run
from utils.errors import UserError
from utils.files import read_json

SMALL = ("model.width=0.07 frames.min_crop=32 frames.max_crop=32 training.epochs=1 training.batch_size=8 refit=false "
         "training.tensorboard=false ")
ENCODER = {"dim": 8, "layers": 1, "heads": 1, "expansion": 1, "kernel": 3, "channels": 4, "dropout": 0.0}


def corpus(root, name, first=0):
    """6 speakers with 4 tones each, and two kinds of filter banks."""
    rows = [{"path": f"s{s}_{n}.wav", "emotion": ("glad", "sad")[n % 2], "speaker": f"{name}{s}",
             "part": ("train", "train", "train", "train", "dev", "test")[s]} for s in range(6) for n in range(4)]
    for number, row in enumerate(rows):
        tone(root / name / row["path"], first + number, 0.5)
    data = root / "data" / name
    assert run(prepare.main, "--table", write_table(root / name / "table.tsv", rows), "--corpus", name, data) == 0
    assert run(validate.main, data) == 0
    for features in ("fbank_lssed", "fbank"):
        for step in (["--prepare"], ["--task", "1"], ["--finish"]):
            assert run(extract.main, "--features", features, data, *step) == 0
    return data


def train(data, exp, name, *more, config="pyresnet", features="fbank_lssed", norms="global", settings=SMALL) -> int:
    """Exit status of the first step that fails, else 0."""
    out, init = exp / name / "official", [*more]
    words = ["--config", config, "--inputs", features, "--protocol", "official", "--norms", norms, "--set", settings,
             "--data", data, "--out", out, *init]
    return run(plan.main, *words) or run(run_task.main, "--device", "cpu", "--data", data, "--out", out,
                                         *(init if "--init" in init else []), out / "log/task.1.json")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Two corpora, a network trained on the first and exported, and a recognizer with random weights."""
    root = tmp_path_factory.mktemp("start")
    one, two = corpus(root, "one"), corpus(root, "two", first=100)
    assert train(one, root / "exp", "pyresnet") == 0
    assert run(export.main, "--data", one, root / "exp/pyresnet/official/norm-global", root / "model") == 0
    torch.manual_seed(0)
    config, units = AsrConfig(model=ConformerConfig(**ENCODER)), learn_units(["a b"], UnitsConfig(kind="char"))
    weights = {**CtcModel(80, len(units), config.model).state_dict(), "mean": torch.full((80,), 7.0)}
    save_recognizer(root / "asr", weights, config, units, {"features": "fbank", "inputs": 80, "trained_on": [
        {"component": "recognizer", "corpus": "two", "utterances": 1, "speakers": ["two5"], "sentences": [],
         "recordings": []}]})
    return SimpleNamespace(root=root, one=one, two=two, exp=root / "exp", model=root / "model", asr=root / "asr")


def weights_of(directory):
    return load_file(directory / "fold1/seed0/model.safetensors")


def test_an_exported_network_gives_its_test_scores_again(lab):
    data = Dataset.open(lab.one)
    scores = read_scores(lab.exp / "pyresnet/official/norm-global/fold1/seed0/scores/emotion/test.tsv")
    records = list(EmotionModel.open(lab.model).classify_many([data.items[key].path for key in scores.ids]))
    found = np.array([[record["posteriors"][name] for name in scores.classes] for record in records])
    np.testing.assert_allclose(found, np.exp(scores.logp), atol=1e-5)


def test_the_trunk_starts_from_the_model_and_the_heads_do_not(lab):
    # with the trunk held fast only the running statistics of batch norm move
    assert train(lab.two, lab.exp, "frozen", "--init", lab.model, settings=SMALL + "training.backbone_lr_scale=0") == 0
    before, after = (weights_of(lab.exp / name / "official/norm-global") for name in ("pyresnet", "frozen"))
    assert before.keys() == after.keys()
    for key in before:
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(before[key], after[key]) == key.startswith("trunk."), key
    assert train(lab.two, lab.exp, "started", "--init", lab.model) == 0
    moved = weights_of(lab.exp / "started/official/norm-global")
    assert not torch.equal(moved["trunk.stem.0.weight" if "trunk.stem.0.weight" in moved else next(
        key for key in moved if key.startswith("trunk.") and key.endswith("weight"))], before[next(
            key for key in before if key.startswith("trunk.") and key.endswith("weight"))])


def test_what_the_model_is_belongs_to_the_experiment_and_where_it_lies_does_not(lab, tmp_path, capsys):
    assert train(lab.two, lab.exp, "kept", "--init", lab.model) == 0
    shutil.copytree(lab.model, tmp_path / "moved")
    assert train(lab.two, lab.exp, "kept", "--init", tmp_path / "moved") == 0
    about = read_json(lab.exp / "kept/official/log/task.1.json")["init"]
    assert about == open_start(lab.model).about and "path" not in about
    digest = hashlib.sha256()
    for key, value in sorted(load_file(lab.model / "nodes/pyresnet/model.safetensors").items()):
        if key.startswith("trunk."):
            digest.update(key.removeprefix("trunk.").encode() + value.numpy().tobytes())
    assert about["fingerprint"] == digest.hexdigest()[:16]
    assert train(lab.two, lab.exp, "kept") == 2  # random weights are another experiment
    assert "was made with init = " in capsys.readouterr().err


def test_an_encoder_starts_from_a_recognizer(lab, capsys):
    words = {"config": "asr_encoder", "features": "fbank", "settings": SMALL + "training.backbone_lr_scale=0"}
    assert train(lab.two, lab.exp, "asr", "--init", lab.asr, norms="none", **words) == 0
    found = weights_of(lab.exp / "asr/official/norm-none")
    theirs = load_file(lab.asr / "model.safetensors")
    trunk = {key.removeprefix("trunk."): value for key, value in found.items() if key.startswith("trunk.")}
    assert trunk.keys() == {key for key in theirs if not key.startswith("output.")}
    assert all(torch.equal(value, theirs[key]) for key, value in trunk.items()) and float(trunk["mean"][0]) == 7
    assert train(lab.two, lab.exp, "asr_global", "--init", lab.asr, norms="global", **words) == 2
    assert "normalizes its features itself: use --norms none" in capsys.readouterr().err
    assert train(lab.two, lab.exp, "asr_wide", "--init", lab.asr, norms="none", config="asr_encoder",
                 features="fbank_lssed") == 1
    assert "was trained on features with dim 80; " in capsys.readouterr().err


@pytest.mark.parametrize(("change", "says"), [
    ({"settings": SMALL + "model.width=0.1"}, "has width 0.07, the configuration says 0.1"),
    ({"config": "resnet"}, "has architecture pyresnet50, the configuration says resnet50"),
    ({"features": "fbank"}, "was trained on features with dim 128; "),
    ({"config": "linear_svm", "settings": ""}, "linear_svm cannot be trained on"),
    ({"config": "attention_rnn", "settings": ""}, "attention_rnn has no trunk that could start from another model")])
def test_another_network_or_other_features_are_refused(lab, capsys, change, says):
    assert train(lab.two, lab.exp, "refused", "--init", lab.model, **change) != 0
    line = capsys.readouterr().err
    assert says in line and line.startswith("error: ") and line.count("\n") == 1


def test_a_damaged_model_and_none_are_refused(lab, tmp_path):
    for source, file, says in ((lab.model, "nodes/pyresnet/model.safetensors", "is damaged: it has another check"),
                               (lab.asr, "model.safetensors", "is not what recognizer.json vouches for")):
        place = tmp_path / source.name
        shutil.copytree(source, place)
        content = bytearray((place / file).read_bytes())
        content[-1] ^= 1
        (place / file).write_bytes(bytes(content))
        with pytest.raises(UserError, match=says):
            open_start(place)
    with pytest.raises(UserError, match="no model to start from is there: neither"):
        open_start(tmp_path)
    with pytest.raises(UserError, match="no model to start from is there; export it with steps/export.sh first"):
        open_start(lab.exp / "pyresnet/official/norm-global/fold1/seed0")


def audited(data, exp, name) -> tuple[int, list[str]]:
    """Exit status, and the leaks, of an EXP that has only this subsystem."""
    alone = exp.parent / f"audit_{name}"
    shutil.copytree(exp / name, alone / name, dirs_exist_ok=True)
    status = run(audit_leaks.main, "--protocol", "official", data, alone)
    return status, read_json(alone / "audit/official.json")["leaks"]


def test_the_audit_finds_a_model_that_was_trained_on_test_speakers(lab):
    assert train(lab.two, lab.exp, "clean", "--init", lab.model) == 0
    assert audited(lab.two, lab.exp, "clean") == (0, [])
    words = {"config": "asr_encoder", "features": "fbank", "norms": "none"}
    assert train(lab.two, lab.exp, "leaky", "--init", lab.asr, **words) == 0
    status, leaks = audited(lab.two, lab.exp, "leaky")
    assert status == 1 and len(leaks) == 1
    assert leaks[0].startswith("recognizer that training starts from was trained on two and shares the speaker with 4 "
                               "of 4 test utterances")
    # what is exported now names the training data of the recognizer, too
    assert run(export.main, "--data", lab.two, lab.exp / "leaky/official/norm-none", lab.root / "second") == 0
    told = json.loads((lab.root / "second/trained_on.json").read_text())
    assert [record["speakers"] for record in told] == [[f"two{s}" for s in range(5)], ["two5"]]
