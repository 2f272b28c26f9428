"""The comparison of starts on DAIC-WOZ's fixture, from raw files to the report; what is wrong with its input."""

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from steps.asr.config import AsrConfig
from steps.asr.model import CtcModel
from steps.asr.recognizers.recognizer import save_recognizer
from steps.asr.train.learn_units import learn_units
from steps.asr.units import UnitsConfig
from steps.inference import export
from steps.models.conformer import ConformerConfig
from tests.integration.box import ROOT, checkout, stage_error
from tests.lab import run
from tests.local.daic_woz_fixture import daic_woz
from tests.steps.subsystems.test_initialization import ENCODER, SMALL, corpus, train
from utils.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
RECIPE = "egs/daic_woz/depression"
NETWORKS = {"pyresnet_random", "pyresnet_ser", "asr_random", "asr_pretrained"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A checkout with the recipe, the fixture, an exported network of another corpus and a recognizer."""
    here = tmp_path_factory.mktemp("depression")
    root = checkout(here / "repository")
    made_here = shutil.ignore_patterns("data", "exp", "tiny", ".stages", "log")
    shutil.copytree(ROOT / RECIPE, root / RECIPE, ignore=made_here)
    daic_woz(here / "corpus")
    other = corpus(here, "other")
    assert train(other, here / "exp", "pyresnet", settings=SMALL + "model.width=0.0625") == 0
    assert run(export.main, "--data", other, here / "exp/pyresnet/official/norm-global", here / "model") == 0
    config, units = AsrConfig(model=ConformerConfig(**ENCODER)), learn_units(["a b"], UnitsConfig(kind="char"))
    torch.manual_seed(0)
    told = [{"component": "recognizer", "corpus": "read", "utterances": 1}]
    save_recognizer(here / "asr", CtcModel(80, len(units), config.model).state_dict(), config, units, {
        "features": "fbank", "inputs": 80, "trained_on": told})
    return SimpleNamespace(here=here, root=root, work=root / RECIPE / "tiny")


def call(shop, *options: str | Path, corpus_dir: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [shop.root / RECIPE / "run.sh", "--size", "tiny", "--corpus-dir", corpus_dir or shop.here / "corpus",
             "--allow-partial", "true", "--init", shop.here / "model", "--asr", shop.here / "asr", *options]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd="/", timeout=1500,
                          env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"})


def test_the_whole_comparison(shop):
    done = call(shop, "--set", "asr_encoder:model.dropout=0.1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "18 of 18 stages ran" in done.stdout
    rows = [row for row in read_json(shop.work / "exp/RESULTS.json")["rows"] if row["part"] == "test"]
    classes = {row["subsystem"]: row for row in rows if row["target"] == "depression"}
    numbers = {row["subsystem"]: row for row in rows if row["target"] == "phq8"}
    assert classes.keys() == NETWORKS | {"svm_is10"} and numbers.keys() == NETWORKS
    assert {(row["of"], row["items"]) for row in rows} == {("session", 2)}
    assert all({"F1", "UA"} <= row["metrics"].keys() for row in classes.values())
    assert all({"F1", "MAE", "RMSE"} <= row["metrics"].keys() for row in numbers.values())
    assert all(f" --init {shop.here / 'model'} --asr {shop.here / 'asr'}" in row["command"] for row in rows)
    audit = read_json(shop.work / "exp/audit/avec2017.json")
    assert audit["passed"] and {entry["corpus"] for entry in audit["components"]} == {"other", "read"}
    page = (shop.work / "exp/report/index.html").read_text()
    assert "<h3>phq8</h3>" in page and "asr_pretrained" in page
    again = call(shop, "--set", "asr_encoder:model.dropout=0.1")
    assert again.returncode == 0 and again.stdout.count("done already") == 18


def test_without_models_to_start_from_their_stages_are_left_out_and_told(shop):
    done = call(shop, "--init", "none", "--asr", "none", "--dry-run")
    assert done.returncode == 0 and done.stderr.count("\n") == 4
    assert "note: without a model to start from pyresnet_ser is left out" in done.stderr
    assert "pyresnet_random" in done.stdout and "Train asr_pretrained" not in done.stdout


def test_a_model_of_another_width_is_told(shop):
    line = stage_error(call(shop, "--set", "asr_encoder:model.dropout=0.1", "--width", "0.125", "--stage", "32",
                            "--stop-stage", "32"), 1)
    assert "has width 0.0625, the configuration says 0.125" in line


def test_a_session_without_turns_of_the_participant_is_named(shop, tmp_path):
    spoiled = shutil.copytree(shop.here / "corpus", tmp_path / "corpus")
    table = spoiled / "302_P/302_TRANSCRIPT.csv"
    table.write_text(table.read_text().replace("Participant", "Ellie"))
    line = stage_error(call(shop, "--stage", "1", "--stop-stage", "1", corpus_dir=spoiled), 1)
    assert "302_P/302_TRANSCRIPT.csv: session 302 has no turn of the participant" in line
