"""Models as they were exported before they were lists of nodes: opened, with the same records."""

import re
import shutil

import pytest
import yaml

from steps.components.directory import write_checksums
from steps.inference.model import EmotionModel
from tests.steps.inference.test_tampered import put, refused, tampered


def as_earlier(model, out):
    """The model with the files and the model.yaml of the earlier form."""
    shutil.copytree(model, out)
    about = yaml.safe_load((out / "model.yaml").read_text())
    [(label, told)] = about.pop("targets").items()
    nodes = {node["name"]: node for node in about.pop("nodes")}
    (out / "subsystems").mkdir()
    subsystems, features = {}, {}
    for name, node in nodes.items():
        if node["kind"] == "subsystem":
            subsystems[name] = {**node["about"], "features": node["inputs"][0]}
            (out / "nodes" / name).rename(out / "subsystems" / name)
        elif node["kind"] == "features":
            features[name] = node["about"]
    if "fusion" in nodes:
        (out / "nodes" / "fusion").rename(out / "fusion")
    (out / "nodes").rmdir()
    about |= {
        "format": 1,
        "label": label,
        "classes": told["classes"],
        "fusion": "fusion" in nodes,
        "subsystems": subsystems,
        "features": features,
        "recognizer": None,
    }
    (out / "model.yaml").write_text(yaml.safe_dump(about, sort_keys=False))
    write_checksums(out)
    return out


@pytest.mark.parametrize(
    ("name", "variant"), [("fusion_simplex", "norm-global"), ("svm_is10", "norm-speaker")]
)
def test_an_earlier_model_gives_the_same_records(lab, exported, tmp_path, name, variant):
    now = exported(name, variant)
    paths, speakers = [item.path for item in lab.items], [item.speaker for item in lab.items]
    first, second = (
        list(EmotionModel.open(directory).classify_many(paths, speakers))
        for directory in (now, as_earlier(now, tmp_path / "model"))
    )
    assert first == second and len(first) == len(lab.items)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("classes", value=["sad", "glad"]), "classes is not what model.yaml says"),
        (put("classes", value=[]), "classes are missing"),
        (put("subsystems", value={}), "0 subsystems and no fusion"),
        (put("fusion", value=False), "3 subsystems and no fusion"),
        (
            put("subsystems", "svm_is10", "features", value="compare"),
            "reads compare, which features does not describe",
        ),
        (
            put("subsystems", "svm_is10", "features", value=None),
            "reads the transcript, and recognizer is null",
        ),
        (
            put("subsystems", "svm_is10", "kind", value="os:system"),
            "kind is not what model.yaml says",
        ),
        (
            lambda content: content["subsystems"].update(
                {"../../x": content["subsystems"].pop("svm_is10")}
            ),
            "a name without a directory",
        ),
        (put("features", "is10", "dim", value=1583), "1583"),
        (put("features", "is10", "options", "extractor", value="ivector"), "is10"),
        (put("label", value="mood"), "target is not what model.yaml says"),
    ],
)
def test_one_whose_parts_do_not_belong_together_is_one_line(exported, tmp_path, change, says):
    model = as_earlier(exported("fusion_simplex"), tmp_path / "model")
    tampered(model, "model.yaml", change)
    assert re.search(says, refused(model))


def test_a_damaged_file_of_one_is_named(exported, tmp_path):
    model = as_earlier(exported("svm_is10"), tmp_path / "model")
    path = model / "subsystems/svm_is10/model.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "svm_is10/model.npz is damaged" in refused(model)
    shutil.rmtree(model / "subsystems")
    assert "is missing" in refused(model)


def test_what_it_is_called_is_free_of_the_names_of_subsystems(exported, tmp_path):
    """A subsystem may be called as the features that it reads."""
    model = as_earlier(exported("svm_is10"), tmp_path / "model")
    (model / "subsystems/svm_is10").rename(model / "subsystems/is10")
    about = yaml.safe_load((model / "model.yaml").read_text())
    about["subsystems"] = {"is10": about["subsystems"]["svm_is10"]}
    (model / "model.yaml").write_text(yaml.safe_dump(about))
    write_checksums(model)
    assert [*EmotionModel.open(model).graph.nodes] == ["is10.input", "is10"]
