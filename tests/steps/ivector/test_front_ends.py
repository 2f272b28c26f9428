"""The front ends: from audio to error rates through the real dispatcher, taken up again; mistakes in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steps.features.store import FeatureStore
from tests.steps.ivector.test_train_extractor import SMALL, data  # noqa: F401 (a fixture)
from utils.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[3]


def run(script: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run([ROOT / "steps" / script, *words], cwd=cwd, env=environment, text=True, capture_output=True,
                          check=False)


@pytest.mark.slow
def test_train_extract_and_verify(data, tmp_path):  # noqa: F811
    words = ("--occupancy", "gmm", "--nj", "2", "--set", SMALL, str(data), "exp")
    done = run("train_ivector_extractor.sh", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "s0n0: without statistics" in done.stdout and "extractor: " in done.stdout
    before = read_json(tmp_path / "exp" / "extractor" / "extractor.json")["fingerprint"]
    (tmp_path / "exp" / "finished.1.json").unlink()
    again = run("train_ivector_extractor.sh", *words, cwd=tmp_path)
    assert again.returncode == 0 and "done: 2" in again.stderr, again.stderr
    assert read_json(tmp_path / "exp" / "extractor" / "extractor.json")["fingerprint"] == before
    done = run("extract_ivectors.sh", "--extractor", "exp/extractor", "--nj", "2", "--out", "ivector", str(data),
               cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(FeatureStore.open(tmp_path / "ivector", {"name": "ivector", "dim": 4})) == 18
    done = run("verify_speakers.sh", "--extractor", "exp/extractor", "--ivectors", str(tmp_path / "ivector"), str(data),
               "verification.json", cwd=tmp_path)
    assert done.returncode == 0 and "EER" in done.stdout, done.stderr


def test_the_names_of_extractor_and_recognizer_may_hold_anything(data, tmp_path):  # noqa: F811
    """The extractor is found by its name, and the recognizer's, which is not there, comes back as it was written."""
    directory, asr = "it's 2 #1: \\x", 'a "b"  c\'s: #1 \\n ü'
    (tmp_path / directory).mkdir()
    write_json(tmp_path / directory / "extractor.json", {
        "format": 1, "occupancy": "tokens", "prune": 0.02, "top": 20, "fingerprint": "0", "recognizer": "1",
        "cepstra": {"name": "speaker_mfcc", "options": {}}, "speaker_features": {}})
    done = run("extract_ivectors.sh", "--extractor", directory, "--asr", asr, "--out", "out", str(data), cwd=tmp_path)
    assert done.returncode and asr in done.stderr, done.stderr


@pytest.mark.parametrize(("script", "words", "message"), [
    ("train_ivector_extractor.sh", ["data"], "expected the data and the output directory, found 1"),
    ("train_ivector_extractor.sh", ["--occupancy", "phones", "data", "out"], "--occupancy is 'phones'; accepted:"),
    ("train_ivector_extractor.sh", ["--occupancy", "tokens", "data", "out"], "--occupancy tokens needs --asr DIR"),
    ("train_ivector_extractor.sh", ["--nj", "0", "--asr", "a", "data", "out"], "--nj is '0'"),
    ("extract_ivectors.sh", ["data"], "--extractor DIR is missing"),
    ("verify_speakers.sh", ["--extractor", "x", "--enrol", "0", "data", "out"], "--enrol")])
def test_mistakes_are_one_line(tmp_path, script, words, message):
    done = run(script, *words, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
