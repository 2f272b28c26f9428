"""Recipes of PyResNet in small, from a clean clone: mini with all that an option adds; LSSED, which has no audio."""

import json
import os
import subprocess

import pytest

from steps.data.dataset import Dataset
from steps.inference.model import EmotionModel
from tests.integration.box import tone
from tests.local.emotion_fixtures import lssed
from tests.soak.workshop import Workshop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    made = Workshop(tmp_path_factory.mktemp("pyresnet"))
    made.clone()
    return made


def call(shop: Workshop, recipe: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(shop.root / "egs" / recipe / "run.sh"), "--size", "tiny", *options], capture_output=True,
                          text=True, cwd="/", timeout=1500, env={key: value for key, value in os.environ.items()
                                                                 if key != "PYTHONPATH"})


def subsystems(tiny) -> set[str]:
    return {row["subsystem"] for row in json.loads((tiny / "exp/RESULTS.json").read_text())["rows"]}


def test_mini_with_its_comparisons_and_the_window_study(shop, tmp_path):
    options = ("--comparisons", "true", "--windows", "true")
    done = call(shop, "mini/pyresnet", *options)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "24 of 24 stages ran" in done.stdout
    tiny = shop.root / "egs/mini/pyresnet/tiny"
    assert subsystems(tiny) == {"svm_is10", "resnet", "pyresnet", "vgg", "mts", "head_fusion", "pyresnet_25ms",
                                "pyresnet_40ms", "pyresnet_65ms", "pyresnet_100ms"}
    record = EmotionModel.open(tiny / "exp/model").classify(tone(tmp_path / "a.wav", 1, seconds=0.5))
    assert set(record["posteriors"]) == set(Dataset.open(tiny / "data/mini").target().classes)
    again = call(shop, "mini/pyresnet", *options)
    assert again.returncode == 0 and again.stdout.count("done already") == 24


def test_another_width_trains_the_networks_anew_and_nothing_before(shop):
    done = call(shop, "mini/pyresnet", "--comparisons", "true", "--windows", "true", "--width", "0.07", "--dry-run")
    assert done.returncode == 0, done.stderr
    told = dict(line.strip().split("  ", 1) for line in done.stdout.splitlines())
    kept = {number for number, text in told.items() if text.endswith("done already")}
    assert kept == {"1", "2", "3", "10", "11", "12", "13", "14", "15", "30", "60", "61"} and len(told) == 24


@pytest.mark.parametrize(("protocol", "functionals"), [("class_80_20", True), ("speakers", False)])
def test_lssed_goes_from_features_to_a_model_without_recordings(shop, tmp_path, protocol, functionals):
    lssed(tmp_path / "corpus", people=10)
    if not functionals:
        (tmp_path / "corpus/is13").rename(tmp_path / "is13")
    done = call(shop, "lssed/pyresnet", "--corpus-dir", str(tmp_path / "corpus"), "--allow-partial", "true",
                "--protocol", protocol)
    assert done.returncode == 0, done.stderr[-3000:]
    tiny = shop.root / "egs/lssed/pyresnet/tiny"
    rows = [row for row in json.loads((tiny / "exp/RESULTS.json").read_text())["rows"] if row["protocol"] == protocol]
    assert {row["subsystem"] for row in rows} == {"resnet", "pyresnet"} | ({"svm_is13"} if functionals else set())
    assert all(("speaker overlap" in row["marks"]) == (protocol == "class_80_20") for row in rows)
    assert (tiny / "exp/report/index.html").stat().st_size > 1000
    audit = json.loads((tiny / f"exp/audit/{protocol}.json").read_text())
    assert audit["permuted"][0]["passed"]
    record = EmotionModel.open(tiny / "exp/model").classify(tone(tmp_path / "a.wav", 1, seconds=0.5))
    assert list(record["posteriors"]) == ["angry", "neutral", "happy", "sad"]
