"""A small corpus of tones, what a recipe would train on it, and that exported."""

import contextlib
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from steps.data import prepare
from steps.data.dataset import Dataset
from steps.experiments import plan, run_task
from steps.features import extract
from steps.inference import export
from steps.scoring.scores import read_scores, write_scores
from tests.integration.box import tone, write_table
from utils.errors import run_main

PROTOCOL = "official"
NETWORK = ("keep_model=true model.trunk=[16] model.branch=[8] training.epochs=6 training.batch_size=8 "
           "training.tensorboard=false training.optimizer.learning_rate=0.01")
SUBSYSTEMS = {"svm_is10": ("linear_svm", ""), "forest_is10": ("random_forest", "trees=8"),
              "multitask_is10": ("multitask_dnn", NETWORK)}


def run(main, *argv) -> int:
    """A front end's Python in this process; what it prints is swallowed."""
    with contextlib.redirect_stdout(io.StringIO()):
        return run_main(main, [str(word) for word in argv])


def train(data, exp, name, config, settings, features="is10", norms="global speaker"):
    out = exp / name / PROTOCOL
    words = ["--config", config, "--inputs", features, "--protocol", PROTOCOL, "--norms", norms, "--set", settings,
             "--data", data, "--out", out]
    assert run(plan.main, *words) == 0
    for task in sorted((out / "log").glob("task.*.json")):
        assert run(run_task.main, "--device", "cpu", "--data", data, "--out", out, task) == 0
    assert run(plan.main, *words, "--finish") == 0


def fuse(exp, variant, names, weights, how="simplex"):
    """A fusion directory as steps/fuse_subsystems.sh leaves it: equal footing, these weights."""
    out = exp / f"fusion_{how}" / PROTOCOL
    place = out / variant / "fold1" / "seed0"
    tables = [exp / name / PROTOCOL / variant / "fold1" / "seed0" / "scores" / "emotion" / "test.tsv" for name in names]
    scores = [read_scores(path) for path in tables]
    summed = sum(weight * one.logp for weight, one in zip(weights, scores, strict=True))
    write_scores(place / "scores" / "emotion" / "test.tsv", scores[0].ids, scores[0].labels, scores[0].classes,
                 summed - np.log(np.exp(summed).sum(axis=1, keepdims=True)))
    (place / "model.json").write_text(json.dumps({
        "how": how, "subsystems": [[name, variant] for name in names], "classes": scores[0].classes,
        "weights": weights, "biases": [0.0] * len(scores[0].classes), "temperature": 1.0}))
    (out / "subsystem.json").write_text(json.dumps({"subsystem": f"fusion_{how}", "variants": [variant]}))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """data, exp, and the test part's items: 6 speakers with 6 tones of 0.3 s, one of them too short for IS10."""
    root = tmp_path_factory.mktemp("lab")
    rows = [{"path": f"s{s}_{n}.wav", "emotion": ("glad", "sad")[n % 2], "speaker": f"s{s}", "gender": "fm"[s % 2],
             "part": ("train", "train", "train", "train", "dev", "test")[s]} for s in range(6) for n in range(6)]
    for number, row in enumerate(rows):
        tone(root / row["path"], number, 0.02 if row["path"] == "s5_0.wav" else 0.3)
    data, exp = root / "data" / "lab", root / "exp"
    assert run(prepare.main, "--table", write_table(root / "table.tsv", rows), "--corpus", "lab", data) == 0
    assert run(extract.main, "--features", "is10", data, "--prepare") == 0
    assert run(extract.main, "--features", "is10", data, "--task", "1") == 0
    assert run(extract.main, "--features", "is10", data, "--finish") == 0
    for name, (config, settings) in SUBSYSTEMS.items():
        train(data, exp, name, config, settings)
    fuse(exp, "norm-global", list(SUBSYSTEMS), [0.2, 0.5, 0.3])
    opened = Dataset.open(data)
    ids = opened.split(PROTOCOL).ids(1, "test")
    return SimpleNamespace(root=root, data=data, exp=exp, items=[opened.items[key] for key in ids])


@pytest.fixture(scope="session")
def exported(lab):
    """name/variant -> directory of the exported model, made when first asked for."""
    made = {}

    def get(name, variant="norm-global"):
        if (name, variant) not in made:
            out = lab.root / "models" / f"{name}.{variant}"
            assert run(export.main, lab.exp / name / PROTOCOL / variant, out) == 0
            made[name, variant] = out
        return made[name, variant]

    return get


@pytest.fixture(scope="session")
def scores_of(lab):
    """name, variant -> the score table of the test part."""
    return lambda name, variant="norm-global": read_scores(
        lab.exp / name / PROTOCOL / variant / "fold1" / "seed0" / "scores" / "emotion" / "test.tsv")
