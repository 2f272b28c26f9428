"""A model of numbers: two targets of one network, exported alone and as a fusion of two."""

import json
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from steps.data import prepare
from steps.data.dataset import Dataset
from steps.experiments import plan, run_task
from steps.features import extract
from steps.fusion import fuse
from steps.inference import export
from steps.inference.model import EmotionModel
from steps.scoring.scores import read_predictions
from tests.integration.box import tone, write_table
from tests.lab import NETWORK, PROTOCOL
from tests.lab import run as quietly
from tests.steps.inference.test_main import run
from utils.errors import UserError

TARGETS = ("phq8", "valence")
VARIANT = "norm-global+target-phq8-valence"
HEAD = "# target: phq8 kind=number\n# target: valence kind=number\n"


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """data, exp, and the test part's items: 6 speakers with 4 tones, one too short for IS10."""
    root = tmp_path_factory.mktemp("numbers")
    rows = [
        {
            "path": f"s{s}_{n}.wav",
            "phq8": 4 + 10 * (n % 2) + s,
            "valence": (-1) ** n * 0.5 + s / 10,
            "speaker": f"s{s}",
            "part": ("train", "train", "train", "train", "dev", "test")[s],
        }
        for s in range(6)
        for n in range(4)
    ]
    for number, row in enumerate(rows):
        tone(root / row["path"], number, 0.02 if row["path"] == "s5_0.wav" else 0.3)
    where = SimpleNamespace(root=root, data=root / "data" / "lab", exp=root / "exp")
    words = ("--table", write_table(root / "table.tsv", rows, HEAD), "--corpus", "lab", where.data)
    assert quietly(prepare.main, *words) == 0
    for step in (["--prepare"], ["--task", "1"], ["--finish"]):
        assert quietly(extract.main, "--features", "is10", where.data, *step) == 0
    for name, more in (("wide", ""), ("narrow", " model.trunk=[4]")):
        learn(where, name, NETWORK + more + " training.metric=CCC")
    assert (
        quietly(
            fuse.main,
            "--protocol",
            PROTOCOL,
            "--subsystems",
            "wide narrow",
            "--variants",
            VARIANT,
            "--targets",
            " ".join(TARGETS),
            where.data,
            where.exp,
        )
        == 0
    )
    opened = Dataset.open(where.data)
    where.items = [opened.items[key] for key in opened.split(PROTOCOL).ids(1, "test")]
    return where


def learn(where, name, settings):
    out = where.exp / name / PROTOCOL
    words = [
        "--config",
        "multitask_dnn",
        "--inputs",
        "is10",
        "--protocol",
        PROTOCOL,
        "--norms",
        "global",
        "--targets",
        " ".join(TARGETS),
        "--set",
        settings,
        "--data",
        where.data,
        "--out",
        out,
    ]
    assert quietly(plan.main, *words) == 0
    for task in sorted((out / "log").glob("**/task.*.json")):
        assert (
            quietly(run_task.main, "--device", "cpu", "--data", where.data, "--out", out, task) == 0
        )
    assert quietly(plan.main, *words, "--finish") == 0


@pytest.fixture(scope="module")
def model(where):
    """name -> the exported model."""

    def get(name):
        out = where.root / f"model_{name}"
        if not out.exists():
            assert quietly(export.main, where.exp / name / PROTOCOL / VARIANT, out) == 0
        return out

    return get


@pytest.mark.parametrize("name", ["wide", "fusion_equal", "fusion_simplex"])
def test_the_numbers_of_the_test_part_come_out_again(where, model, name):
    records = list(
        EmotionModel.open(model(name)).classify_many([item.path for item in where.items])
    )
    members = ["wide", "narrow"] if name.startswith("fusion") else [name]
    for target in TARGETS:
        tables = {
            one: read_predictions(
                where.exp / one / PROTOCOL / VARIANT / "fold1/seed0/scores" / target / "test.tsv"
            )
            for one in (name, *members)
        }
        np.testing.assert_allclose(
            [record[target] for record in records], in_order(where, tables[name]), atol=1e-5
        )
        for one in members:
            np.testing.assert_allclose(
                [record["subsystems"][one][target] for record in records],
                in_order(where, tables[one]),
                atol=1e-5,
            )
    assert "too short" in records[0]["prior"][members[0]] and "prior" not in records[1]
    assert set(records[1]) == {"file", *TARGETS, "subsystems", "transcript", "seconds"}


def in_order(where, table):
    values = dict(zip(table.ids, table.predictions, strict=True))
    return [values[item.id] for item in where.items]


def test_tables_and_windows_have_a_column_a_target(where, model, tmp_path):
    status, lines = run(
        "--format", "tsv", model("fusion_simplex"), where.items[1].path, tmp_path / "gone.wav"
    )
    header, row, bad = (line.split("\t") for line in lines)
    assert status == 1 and header[:8] == [
        "file",
        "seconds",
        "phq8",
        "valence",
        "wide:phq8",
        "wide:valence",
        "narrow:phq8",
        "narrow:valence",
    ]
    alone = EmotionModel.open(model("fusion_simplex")).classify(where.items[1].path)
    assert (
        float(row[2]) == pytest.approx(alone["phq8"], abs=1e-5)
        and bad[2] == ""
        and "gone.wav" in bad[-1]
    )
    samples = np.concatenate([soundfile.read(item.path)[0] for item in where.items[1:]])
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    status, lines = run(
        "--timeline",
        tmp_path / "pictures",
        "--window",
        0.3,
        "--shift",
        0.3,
        model("wide"),
        tmp_path / "long.wav",
    )
    record = json.loads(lines[0])
    assert status == 0 and len(record["windows"]) == 3
    assert record["valence"] == pytest.approx(
        np.mean([window["valence"] for window in record["windows"]]), abs=2e-6
    )
    assert list(record["windows"][0]) == ["start", "end", *TARGETS, "subsystems", "transcript"]
    assert record["windows"][0][
        "phq8"
    ] == pytest.approx(  # a window is what the same samples are alone
        EmotionModel.open(model("wide")).classify(where.items[1].path)["phq8"], abs=1e-3
    )
    texts = [
        text.text
        for text in ElementTree.parse(record["picture"]).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {*TARGETS} <= {*texts}


def test_the_directory_says_what_it_predicts(model):
    directory = model("wide")
    assert EmotionModel.open(directory).about["targets"] == {
        name: {"kind": "number"} for name in TARGETS
    }
    assert "Predicts phq8, valence of a recording." in (directory / "README.md").read_text()


def test_numbers_of_a_training_without_their_mean_are_refused(where, tmp_path):
    from steps.experiments.apply import TrainedExperiment
    from steps.experiments.apply_numbers import NumberExperiment

    place = where.exp / "wide" / PROTOCOL / VARIANT / "fold1/seed0"
    with pytest.raises(
        UserError, match=r"predicts numbers \(phq8, valence\), no classes; leave it out here"
    ):
        TrainedExperiment.open(place)
    for path in place.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    about = json.loads((place / "metrics.json").read_text())
    del about["targets"]["valence"]["mean"]
    (tmp_path / "metrics.json").write_text(json.dumps(about))
    with pytest.raises(
        UserError, match="does not say the mean of phq8, valence, as an earlier version wrote it"
    ):
        NumberExperiment.open(tmp_path)
