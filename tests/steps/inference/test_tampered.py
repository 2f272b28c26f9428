"""An exported model whose checksums are right and whose content is not: one line, whatever it is, and nothing runs."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from steps.components.directory import write_checksums
from steps.inference.model import EmotionModel
from utils.errors import UserError


def tampered(directory, name, change):
    """One file changed, the checksums made anew."""
    path = directory / name
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            content = dict(arrays)
        np.savez(path, **(change(content) or content))
    elif path.suffix == ".safetensors":
        content = load_file(path)
        save_file(change(content) or content, path)
    else:
        content = json.loads(path.read_text()) if path.suffix == ".json" else yaml.safe_load(path.read_text())
        content = change(content) or content
        path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content, sort_keys=False))
    write_checksums(directory)


def put(*keys, value):
    """Set one value deep in a mapping."""
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def refused(directory):
    with pytest.raises(UserError) as raised:
        EmotionModel.open(directory)
    assert "\n" not in str(raised.value) and str(raised.value).isprintable()
    return str(raised.value)


SVM, NET, FOREST = (f"nodes/{name}/" for name in ("svm_is10", "multitask_is10", "forest_is10"))
IS10, SVM_NODE, FOREST_NODE, NET_NODE, FUSION_NODE = range(5)


def node(number, *keys, value):
    """Set one value of a node."""
    return put("nodes", number, *keys, value=value)


def classes(value):
    return put("targets", "emotion", "classes", value=value)


CHANGES = [
    ("model.yaml", lambda content: ["x"], "expected a mapping"),
    ("model.yaml", classes("glad"), "classes is 'glad'; expected a list"),
    ("model.yaml", classes(["glad", "glad"]), "one comes twice"),
    ("model.yaml", classes(["glad", "sa\x1b[2Jd"]), r"classes\[1\] is 'sa\\x1b"),
    ("model.yaml", classes(["sad", "glad"]), "classes is not what model.yaml says"),
    ("model.yaml", put("targets", value={}), "targets are missing"),
    ("model.yaml", put("targets", "more", value={"kind": "class", "classes": ["a"]}), "expected one of classes"),
    ("model.yaml", put("targets", "emotion", "kind", value="number"), "predicts no numbers"),
    ("model.yaml", put("targets", "emotion", "kind", value="track"), "predict|tracks"),
    ("model.yaml", put("targets", value={"mood": {"kind": "class", "classes": ["glad", "sad"]}}), "target is not what"),
    ("model.yaml", put("nodes", value=[]), "has no nodes"),
    ("model.yaml", put("nodes", SVM_NODE, value=None), r"nodes\[1\] is null"),
    ("model.yaml", node(SVM_NODE, "name", value="../../x"), "a name without a directory"),
    ("model.yaml", node(SVM_NODE, "name", value="forest_is10"), "forest_is10 comes twice"),
    ("model.yaml", node(SVM_NODE, "name", value="waveform"), "waveform comes twice"),
    ("model.yaml", node(SVM_NODE, "kind", value="os:system"), "of kind os:system; accepted: features, "),
    ("model.yaml", node(SVM_NODE, "kind", value="steps.inference.nodes.subsystem:Subsystem"), "accepted: features, "),
    ("model.yaml", node(SVM_NODE, "kind", value="fusion"), "model.json"),
    ("model.yaml", node(SVM_NODE, "about", "kind", value="random_forest"), "kind is not what model.yaml says"),
    ("model.yaml", node(SVM_NODE, "inputs", value=["compare"]), "reads compare, which no node before it gives"),
    ("model.yaml", node(SVM_NODE, "inputs", value=["svm_is10"]), "svm_is10 reads svm_is10, which no node before it"),
    ("model.yaml", node(SVM_NODE, "inputs", value=[]), "svm_is10 reads nothing"),
    ("model.yaml", node(SVM_NODE, "inputs", value=["waveform"]), "svm_is10 is damaged"),
    ("model.yaml", node(FOREST_NODE, "inputs", value=["svm_is10"]), "what it reads is not what"),
    ("model.yaml", node(IS10, "about", "dim", value=10**10), "dim is 10000000000"),
    ("model.yaml", node(IS10, "about", "dim", value=1583), "1583"),
    ("model.yaml", node(IS10, "about", "options", "extractor", value="precomputed"), "model.yaml: is10: .*unknown key"),
    ("model.yaml", node(IS10, "about", "options", value={"extractor": "precomputed"}), "the model lacks its files"),
    ("model.yaml", node(IS10, "about", "options", value={"extractor": "ivector"}), "the model lacks its files"),
    ("model.yaml", node(IS10, "about", "options", "feature_set", value="../x"), "feature_set"),
    ("model.yaml", node(IS10, "kind", value="ivectors"), "is10"),
    ("model.yaml", node(IS10, "kind", value="transcript"), "has no key decoding"),
    ("model.yaml", put("nodes", FUSION_NODE, "inputs", value=["svm_is10"]), "predicts, and nothing reads"),
    ("model.yaml", lambda content: content.update(nodes=content["nodes"][:FUSION_NODE]), "predicts, and nothing reads"),
    ("nodes/fusion/model.json", put("weights", value=[1.0]), "weights"),
    ("nodes/fusion/model.json", put("weights", value=[0.2, float("nan"), 0.3]), r"weights\[1\] is nan"),
    ("nodes/fusion/model.json", put("temperature", value=0), "temperature is 0"),
    ("nodes/fusion/model.json", put("classes", value=["sad", "glad"]), "other subsystems or classes"),
    (SVM + "config.yaml", put("kind", value="random_forest"), "svm_is10"),
    (SVM + "config.yaml", put("config", value=3), "config is 3; expected a mapping"),
    (SVM + "config.yaml", put("config", "clip", value=[1]), "clip"),
    (SVM + "config.yaml", lambda content: {key: content[key] for key in ("kind", "config")}, "no key norm"),
    (SVM + "metrics.json", put("targets", "emotion", "log_prior", value=[]), "log_prior is a list of 0"),
    (SVM + "metrics.json", put("targets", "emotion", "log_prior", "glad", value=float("nan")), "log_prior.glad is nan"),
    (SVM + "metrics.json", put("targets", "emotion", "temperature", value=-1), "temperature is -1"),
    (SVM + "metrics.json", put("targets", "emotion", "temperature", value="1"), "temperature is '1'"),
    (SVM + "model.json", lambda content: ["x"], "model.json: it holds a list"),
    (SVM + "model.npz", put("weights", value=np.zeros((2, 3))), "not of these features"),
    (SVM + "model.npz", put("weights", value=np.full((2, 1582), np.nan)), "weights holds values that are not finite"),
    (SVM + "model.npz", put("biases", value=np.zeros(3)), r"biases has the shape \(3,\)"),
    (SVM + "normalization.npz", put("mean", value=np.zeros(9)), "mean has the shape"),
    (SVM + "normalization.npz", put("std", value=-np.ones(1582)), "a negative deviation"),
    (FOREST + "model.npz", lambda content: {**content, "left": np.zeros_like(content["left"])}, "no node behind"),
    (FOREST + "model.npz", lambda content: {**content, "feature": content["feature"] + 10**6}, "not of these features"),
    (FOREST + "model.npz", lambda content: {**content, "start": content["start"] + 10**6}, "no list of nodes"),
    (NET + "model.json", put("inputs", value=10**9), "inputs is 1000000000"),
    (NET + "model.json", put("tasks", "emotion", value=7), "has the shape"),
    (NET + "config.yaml", put("config", "model", "trunk", value=[65000, 65000]), "has the shape"),  # 17 GB, if built
    (NET + "config.yaml", put("config", "model", "dropout", value=float("nan")), "dropout"),
    (NET + "model.safetensors", lambda content: {name: np.full_like(value, np.nan) for name, value in content.items()},
     "not finite"),
    (NET + "model.safetensors", lambda content: {name: value[:1] for name, value in content.items()}, "has the shape"),
]


@pytest.fixture(scope="module")
def copied(exported, tmp_path_factory):
    return shutil.copytree(exported("fusion_simplex"), tmp_path_factory.mktemp("tampered") / "model")


@pytest.fixture
def model(copied):
    """The model of three subsystems; what a test does to its files is undone."""
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    yield copied
    for path, content in before.items():
        path.unlink(missing_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize(("name", "change", "says"), CHANGES, ids=[f"{name}-{says}" for name, _, says in CHANGES])
def test_content_that_does_not_belong_together_is_one_line(model, name, change, says):
    tampered(model, name, change)
    assert re.search(says, refused(model))


def test_the_files_of_a_node_lie_below_its_name_whatever_model_yaml_says(model):
    tampered(model, "model.yaml", node(SVM_NODE, "place", value="../../elsewhere"))
    EmotionModel.open(model)


CONTENTS = [b"", b"{", b"\x00\xff" * 50, b"[" * 100_000, b"null", b"9" * 5000, None]


def test_a_file_that_is_another_is_one_line(model):
    names = sorted(path.relative_to(model) for path in model.rglob("*")
                   if path.is_file() and path.name not in ("README.md", "trained_on.json"))
    assert len(names) > 10
    cases = [(name, CONTENTS[number % len(CONTENTS)]) for number, name in enumerate(names)]
    for name, content in cases + [(names[0], content) for content in CONTENTS]:
        path = model / name
        before = path.read_bytes()
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        if path.name != "checksums.json":
            write_checksums(model)
        assert path.name in (said := refused(model)) or path.parent.name in said
        path.write_bytes(before)


def test_a_link_that_leads_out_and_a_name_that_does_are_refused(model, tmp_path):
    config, sums = model / SVM / "config.yaml", model / "checksums.json"
    content = json.loads(sums.read_text())
    shutil.copy(config, tmp_path / "config.yaml")
    config.unlink()
    config.symlink_to(tmp_path / "config.yaml")
    assert "config.yaml is a link that leads out of the model" in refused(model)
    config.unlink()
    shutil.copy(tmp_path / "config.yaml", config)
    sums.write_text(json.dumps({**content, "../secret": "0"}))
    assert "names ../secret, which is not in the model" in refused(model)
    sums.write_text(json.dumps({key: value for key, value in content.items() if key != SVM + "metrics.json"}))
    assert "metrics.json is not in checksums.json" in refused(model)
