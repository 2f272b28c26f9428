"""Recipes of the emotion corpora on fixtures in the published layouts: prepared and validated; MEC 2017 to its end."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.integration.box import ROOT, checkout
from tests.local.emotion_fixtures import BUILDERS
from tests.local.meld_fixture import meld

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TINY = ("--size", "tiny")
CORPORA = {**BUILDERS, "meld": partial(meld, audio=True)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A checkout with all recipes, so that what they write stays there."""
    made = checkout(tmp_path_factory.mktemp("recipes") / "repository")
    ignored = shutil.ignore_patterns("data", "exp", "tiny", ".stages", "log")
    shutil.copytree(ROOT / "egs", made / "egs", dirs_exist_ok=True, ignore=ignored)
    return made


def call(root: Path, corpus: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(root / "egs" / corpus / "ensemble/run.sh"), *TINY, *options], capture_output=True,
                          text=True, cwd="/", timeout=1500, env={key: value for key, value in os.environ.items()
                                                                 if key != "PYTHONPATH"})


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_recipe_prepares_and_validates_its_fixture(root, tmp_path, corpus):
    CORPORA[corpus](tmp_path / "corpus")
    partial = [] if corpus == "mec2017" else ["--allow-partial", "true"]
    done = call(root, corpus, "--corpus-dir", str(tmp_path / "corpus"), *partial, "--stop-stage", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 of 2 stages ran" in done.stdout
    assert (root / f"egs/{corpus}/ensemble/tiny/data/{corpus}/validation.json").is_file()


def test_mec2017_by_a_table_of_its_own(root, tmp_path):
    BUILDERS["mec2017"](tmp_path)
    lines = ["path\temotion\tpart"]
    for part, name in (("train", "train"), ("validation", "dev"), ("test", "test")):
        labels = dict(line.split("\t")[:2] for line in (tmp_path / f"{part}.tsv").read_text().splitlines()[1:]
                      ) if part != "test" else {}
        lines += [f"{part}/{path.name}\t{labels.get(path.stem, '-')}\t{name}"
                  for path in sorted((tmp_path / part).iterdir())]
    (tmp_path / "all.tsv").write_text("\n".join(lines) + "\n")
    done = call(root, "mec2017", "--table", str(tmp_path / "all.tsv"), "--stop-stage", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (root / "egs/mec2017/ensemble/tiny/data/mec2017_table/validation.json").is_file()


def test_mec2017_trains_its_recognizer_and_writes_a_submission(root, tmp_path):
    BUILDERS["mec2017"](tmp_path)
    done = call(root, "mec2017", "--corpus-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    recipe = root / "egs/mec2017/ensemble/tiny"
    assert (root / "egs/mandarin4k/asr/tiny/exp/recognizer").is_dir()
    assert (recipe / "data/mec2017/layers/asr/layer.json").is_file()
    rows = [line.split("\t") for line in (recipe / "exp/submission.tsv").read_text().splitlines()]
    split = [line.split("\t") for line in (recipe / "data/mec2017/splits/official.tsv").read_text().splitlines()]
    assert [f"test-{clip}" for clip, _ in rows] == sorted(key for key, _, part in split if part == "test")
    assert {emotion for _, emotion in rows} <= {"angry", "disgust", "happy", "sad", "surprise", "anxious", "worried",
                                                "neutral"}
    assert "unlabelled, no metrics" in (recipe / "exp/RESULTS.md").read_text()
