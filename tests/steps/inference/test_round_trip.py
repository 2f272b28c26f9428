"""What was trained and scored comes out of the exported model again, from the recordings alone."""

import json
import shutil

import numpy as np
import pytest

from steps.components.directory import CHECKSUMS
from steps.inference import export
from steps.inference.model import EmotionModel
from steps.inference.selection import select
from tests.lab import PROTOCOL, SUBSYSTEMS, run
from utils.errors import UserError


def posteriors(records, classes, name=None):
    tables = [record["posteriors"] if name is None else record["subsystems"][name] for record in records]
    return np.array([[table[label] for label in classes] for table in tables])


def classified(model, lab, **options):
    items = [item for item in lab.items]
    return list(model.classify_many([item.path for item in items], [item.speaker for item in items], **options))


@pytest.mark.parametrize("name", SUBSYSTEMS)
@pytest.mark.parametrize("variant", ["norm-global", "norm-speaker"])
def test_the_scores_of_the_test_part_come_out_again(lab, exported, scores_of, name, variant):
    model = EmotionModel.open(exported(name, variant))
    records = classified(model, lab)
    scores = scores_of(name, variant)
    assert [item.id for item in lab.items] == scores.ids and model.classes == scores.classes
    np.testing.assert_allclose(posteriors(records, scores.classes), np.exp(scores.logp), atol=1e-6)
    assert [record["emotion"] for record in records] == [scores.classes[n] for n in scores.decisions]
    assert records[0]["prior"].keys() == {name} and "too short" in records[0]["prior"][name]
    assert all("prior" not in record for record in records[1:])
    assert {record.get("speaker") for record in records} == {"s5" if variant == "norm-speaker" else None}


def test_a_fusion_comes_out_again_with_its_subsystems(lab, exported, scores_of):
    records = classified(EmotionModel.open(exported("fusion_simplex")), lab, threads=2)
    for name in (None, *SUBSYSTEMS):
        scores = scores_of(name or "fusion_simplex")
        np.testing.assert_allclose(posteriors(records, scores.classes, name), np.exp(scores.logp), atol=2e-6)


def test_a_moved_model_needs_nothing_of_the_experiment(lab, exported, scores_of, tmp_path):
    before = exported("svm_is10")
    moved = tmp_path / "some where" / "model"
    shutil.copytree(before, moved)
    hidden = lab.root.rename(lab.root.with_name("hidden"))
    try:
        path = hidden / lab.items[1].path.rpartition("/")[2]
        record = EmotionModel.open(moved).classify(path)
    finally:
        hidden.rename(lab.root)
    np.testing.assert_allclose(list(record["posteriors"].values()), np.exp(scores_of("svm_is10").logp[1]), atol=1e-6)
    assert record["file"] == str(path) and record["seconds"] == 0.3 and record["transcript"] is None


def test_the_directory_says_what_it_is_and_holds_no_pickle(exported):
    directory = exported("fusion_simplex")
    names = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    assert {path.rpartition(".")[2] for path in names} <= {"yaml", "json", "npz", "safetensors", "md"}
    assert set(json.loads((directory / CHECKSUMS).read_text())) == names - {CHECKSUMS}
    about = EmotionModel.open(directory).about
    assert about["targets"] == {"emotion": {"kind": "class", "classes": ["glad", "sad"]}}
    assert about["trained_on"]["corpus"] == "lab" and about["trained_on"]["fold"] == 1
    nodes = {node["name"]: node for node in about["nodes"]}
    assert [*nodes] == ["is10", *SUBSYSTEMS, "fusion"] and nodes["fusion"]["inputs"] == [*SUBSYSTEMS]
    assert all(nodes[name]["inputs"] == ["is10"] for name in SUBSYSTEMS)
    assert nodes["multitask_is10"]["about"]["parts"] == "train and dev"
    assert nodes["is10"]["about"]["version"].startswith("opensmile ") and about["versions"]["numpy"]
    assert "EmotionModel.open" in (directory / "README.md").read_text()


@pytest.mark.parametrize("name", ["model.yaml", "nodes/svm_is10/model.npz"])
def test_a_damaged_file_is_named(exported, tmp_path, name):
    directory = tmp_path / "model"
    shutil.copytree(exported("svm_is10"), directory)
    content = (directory / name).read_bytes()
    (directory / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{name} is damaged|{name}.*not valid YAML"):
        EmotionModel.open(directory)
    (directory / name).unlink()
    with pytest.raises(UserError, match="is missing"):
        EmotionModel.open(directory)


def test_arrays_that_the_checksums_do_not_cover_are_refused(exported, tmp_path):
    directory = tmp_path / "model"
    shutil.copytree(exported("svm_is10"), directory)
    sums = json.loads((directory / CHECKSUMS).read_text())
    for name in ("model.yaml", "nodes/svm_is10/model.npz"):
        (directory / CHECKSUMS).write_text(json.dumps({key: value for key, value in sums.items() if key != name}))
        with pytest.raises(UserError, match=f"{name} is not in checksums.json"):
            EmotionModel.open(directory)


def test_a_description_without_what_is_needed_is_refused(exported, tmp_path):
    directory = tmp_path / "model"
    shutil.copytree(exported("svm_is10"), directory)
    path = directory / "model.yaml"
    path.write_text(path.read_text().replace("\nnodes:", "\nnode:"))
    with pytest.raises(UserError, match="model.yaml has no key nodes; copy the model again"):
        EmotionModel.open(directory)


def test_a_newer_format_and_a_directory_of_something_else_are_refused(exported, tmp_path):
    directory = tmp_path / "model"
    shutil.copytree(exported("svm_is10"), directory)
    path = directory / "model.yaml"
    path.write_text(path.read_text().replace("format: 2", "format: 3"))
    with pytest.raises(UserError, match="has format 3; this version reads 1 and 2"):
        EmotionModel.open(directory)
    with pytest.raises(UserError, match="is no exported model"):
        EmotionModel.open(tmp_path)


def test_a_few_utterances_are_normalized_as_the_average_speakers(lab, exported, capsys):
    model = EmotionModel.open(exported("svm_is10", "norm-speaker"))
    whole = classified(model, lab)
    few = list(model.classify_many([item.path for item in lab.items[:3]], ["s5"] * 3))
    nobody = list(model.classify_many([item.path for item in lab.items]))
    assert {record["speaker"] for record in whole} == {"s5"}
    assert {record["speaker"] for record in few + nobody} == {"average"}
    # Oracle: mean over the training speakers of their means and variances, then the stored normalization.
    from steps.data.dataset import Dataset
    from steps.features.store import FeatureStore

    data, store = Dataset.open(lab.data), FeatureStore.open(lab.data / "is10")
    rows = [store.matrix(sorted(key for key, item in data.items.items() if item.speaker == f"s{s}" and key in store))
            .astype(np.float64) for s in range(5)]
    mean, std = np.mean([r.mean(0) for r in rows], 0), np.sqrt(np.mean([r.var(0) for r in rows], 0))
    experiment = model.graph.nodes["svm_is10"].experiment
    scaled = np.divide(store[lab.items[1].id] - mean, std, out=np.zeros_like(mean), where=std > 0).astype(np.float32)
    svm = experiment.predictor.model
    logits = experiment.normalizers["is10"].apply(scaled) @ svm.weights.T + svm.biases
    z = logits / experiment.temperature
    np.testing.assert_allclose(list(few[1]["posteriors"].values()), np.exp(z) / np.exp(z).sum(), atol=1e-4)


def test_an_export_replaces_a_model_and_nothing_else(lab, exported, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    experiment = lab.exp / "svm_is10" / PROTOCOL / "norm-global"
    assert run(export.main, experiment, tmp_path / "mine") == 2
    assert "is no exported model" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    for _ in range(2):
        assert run(export.main, experiment, tmp_path / "model") == 0
    assert [path.name for path in tmp_path.iterdir() if path.name != "mine"] == ["model"]


def test_the_primary_fusion_of_a_protocol(lab, tmp_path):
    path = tmp_path / "exp" / "fusion" / f"{PROTOCOL}.json"
    path.parent.mkdir(parents=True)
    for entry in lab.exp.iterdir():
        shutil.copytree(entry, tmp_path / "exp" / entry.name)
    path.write_text(json.dumps({"primary": {"subsystem": "fusion_simplex", "variant": "norm-global"}}))
    assert select(path).name == f"fusion_simplex/{PROTOCOL}/norm-global/fold1/seed0"
    path.write_text("{}")
    with pytest.raises(UserError, match="declares no primary fusion"):
        select(path)


def test_what_cannot_be_exported_is_one_line(lab, tmp_path, capsys):
    place = lab.exp / "svm_is10" / PROTOCOL
    for words, status, message in (
            ([place], 2, "has the variants norm-global, norm-speaker; name one of them"),
            ([place / "norm-global", "--fold", "7"], 2, "has no fold 7; it has 1"),
            ([lab.exp], 2, "is no trained subsystem"),
            ([lab.root / "nowhere"], 2, "no such directory"),
            ([place / "norm-global", "--data", tmp_path], 2, "name the data set with --data DIR")):
        assert run(export.main, *words, tmp_path / "model") == status
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    assert not (tmp_path / "model").exists()
