"""Networks on recordings and on images in one recipe: raw files to the report, a kill, a changed
picture."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.integration.box import checkout, command, recipe, stage_error, two_emotions, write_table
from utils.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RUN = """#!/usr/bin/env bash
# A recipe of the tests: recordings and images of one small corpus, a network on each, both together.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option corpus-dir "../../../corpus" "directory with table.tsv"
option norms      "none" "feature normalizations"
option seeds      "0" "seeds of each network"
option set        "" "key=value ... over every model configuration"
option size       tiny "full, or tiny" --choices "full tiny"
option nj         1 "parallel tasks" --int --free
option cluster    local "local, slurm, sge, or a YAML file" --free
parse_options "$@"

protocol=official
recipe_begin lab
recipe_stages

stage_prepare  1 --table "$corpus_dir/table.tsv"
stage_validate 2
stage_train    3 waveform_cnn waveform_cnn waveform
stage_train    4 image_cnn image_cnn images
stage_fuse     5 waveform_cnn image_cnn
stage_permuted 6 waveform waveform_cnn --norms none
stage_audit    7
stage_score    8
stage_report   9
run_stages
"""
SETTINGS = (
    "waveform_cnn:training.checkpoint_every_batches=1 image_cnn:training.checkpoint_every_batches=1 "
    "training.batch_size=4 training.optimizer.learning_rate=0.02 training.metric=loss "
    "image_cnn:training.epochs=30 image_cnn:model.dropout=0"
)
TRAINED = {"waveform_cnn": 3, "image_cnn": 4}


def scores(work: Path, name: str) -> dict[str, bytes]:
    """{part: score table} of a subsystem."""
    place = work / "exp" / name / "official/norm-none/fold1/seed0/scores/emotion"
    return {part: (place / f"{part}.tsv").read_bytes() for part in ("dev", "test")}


def make(root: Path) -> SimpleNamespace:
    """A checkout with the recipe; tones of 0.1 s, and 1 to 3 images that are bright above or below."""
    checkout(root)
    rows, random = two_emotions(), np.random.default_rng(3)
    for number, row in enumerate(rows):
        images = random.integers(0, 60, size=(number % 3 + 1, 8, 6)).astype(np.uint8)
        images[:, slice(0, 4) if row["emotion"] == "glad" else slice(4, 8)] += 150
        row["images"] = f"{Path(row['path']).stem}.npy"
        (root / "corpus").mkdir(exist_ok=True)
        np.save(root / "corpus" / row["images"], images)
    write_table(root / "corpus/table.tsv", rows)
    directory = recipe(root, text=RUN)
    return SimpleNamespace(run=directory / "run.sh", work=directory / "tiny", corpus=root / "corpus")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The recipe after a run from raw files to the report."""
    shop = make(tmp_path_factory.mktemp("whole"))
    shop.done = command(shop.run, "--set", SETTINGS)
    return shop


def test_the_recipe_goes_from_raw_files_to_the_report(whole):
    assert whole.done.returncode == 0, whole.done.stderr[-3000:]
    assert "9 of 9 stages ran" in whole.done.stdout
    rows = read_json(whole.work / "exp/RESULTS.json")["rows"]
    tested = {row["subsystem"]: row for row in rows if row["part"] == "test"}
    assert {*TRAINED, "fusion_equal", "fusion_simplex"} <= tested.keys()
    assert tested["image_cnn"]["items"] == 8 and tested["image_cnn"]["metrics"]["UA"] == 1.0
    assert "image_cnn" in (whole.work / "exp/report/index.html").read_text()
    again = command(whole.run, "--set", SETTINGS)
    assert again.returncode == 0 and again.stdout.count("done already") == 9


@pytest.mark.parametrize("name", TRAINED)
def test_a_kill_in_training_changes_no_score(whole, tmp_path, name):
    shop = make(tmp_path)
    words = [shop.run, "--set", SETTINGS, "--stop-stage", str(TRAINED[name])]
    once = tmp_path / "once"
    killed = command(*words, EMOTION_FAULT=f"*/{name}/*/checkpoint/refit*", EMOTION_FAULT_ONCE=str(once))
    assert killed.returncode == 1 and once.exists(), killed.stderr
    assert "take it up again with" in killed.stderr
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert scores(shop.work, name) == scores(whole.work, name)


def test_a_changed_picture_trains_what_reads_images_and_nothing_else(whole):
    place = whole.corpus / "s0_0.npy"
    np.save(place, 255 - np.load(place))  # of the same size
    done = command(whole.run, "--set", SETTINGS, "--stop-stage", "4")
    assert done.returncode == 0, done.stderr
    ran = [line.split()[0] for line in done.stdout.splitlines() if ": ran " in line]
    assert "4" in ran and "3" not in ran, done.stdout


def test_a_picture_that_is_missing_or_none_is_told_before_training(tmp_path):
    shop = make(tmp_path)
    (shop.corpus / "s2_1.npy").unlink()
    assert "s2_1.npy: no such file" in stage_error(command(shop.run), 1)
    (shop.corpus / "s2_1.npy").write_bytes(b"no array")
    assert "s2_1.npy is no .npy array" in stage_error(command(shop.run), 1)
