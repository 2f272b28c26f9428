"""The cross-corpus recipe on two tiny synthetic corpora that it makes itself: every stage, and nothing twice."""

import json
import os
import shutil
import subprocess

import pytest

from tests.integration.box import ROOT, checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_two_corpora_by_each_other(tmp_path):
    root = checkout(tmp_path / "repository")
    ignored = shutil.ignore_patterns("data", "exp", "tiny", ".stages", "log")
    shutil.copytree(ROOT / "egs", root / "egs", dirs_exist_ok=True, ignore=ignored)
    recipe = root / "egs/cross_corpus/pyresnet"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def call(*options: str) -> str:
        done = subprocess.run([str(recipe / "run.sh"), "--size", "tiny", *options], capture_output=True, text=True,
                              cwd="/", timeout=1500, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    assert "15 of 15 stages ran" in call()
    assert call().count("done already") == 15
    rows = json.loads((recipe / "tiny/exp/RESULTS.json").read_text())["rows"]
    pairs = {(row["subsystem"], row["train_corpus"], row["corpus"]) for row in rows if row["part"] == "test"}
    assert pairs == {(name, train, test) for name in ("svm_is10", "resnet", "pyresnet")
                     for train in ("mini", "mini_other") for test in ("mini", "mini_other")}
    audit = json.loads((recipe / "tiny/exp/audit/cross.json").read_text())
    assert audit["passed"] and len(audit["permuted"]) == 1
    told = {(entry["kind"], entry["with"]): entry["verdict"] for entry in audit["overlaps"]}
    assert all(told[kind, part] == "none" for kind in ("utterance", "audio", "speaker") for part in ("train", "dev"))
    assert "Across corpora" in (recipe / "tiny/exp/report/index.html").read_text()
