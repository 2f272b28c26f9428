"""A new corpus in an afternoon: utils/new_recipe.sh on a copy of the tree."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
EMOTIONS = {"angry": 400.0, "sad": 150.0}


@pytest.fixture
def tree(tmp_path):
    """The rooms of the repository without results, tests and environments."""
    for room in ("utils", "steps", "local", "conf"):
        shutil.copytree(ROOT / room, tmp_path / "tree" / room, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "path.sh", tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def table(tmp_path):
    """Two emotions that differ in pitch, six speakers; a directory and a file name that need quoting."""
    directory = tmp_path / "my corpus's"
    directory.mkdir()
    rows = ["path\temotion\tspeaker\tgender"]
    rng = np.random.default_rng(0)
    for speaker in range(6):
        for emotion, pitch in EMOTIONS.items():
            for take in range(4):
                time = np.arange(8000) / 16000
                tone = 0.3 * np.sign(np.sin(2 * np.pi * (pitch + 9 * speaker) * time)) * rng.uniform(0.5, 1)
                name = f"{speaker}-{emotion} {take}.wav"
                soundfile.write(directory / name, tone + 0.01 * rng.standard_normal(8000), 16000)
                rows.append(f"{name}\t{emotion}\ts{speaker}\t{'female' if speaker % 2 else 'male'}")
    path = directory / "table.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def new_recipe(tree, *arguments):
    return subprocess.run([tree / "utils/new_recipe.sh", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_table_becomes_a_recipe_that_runs_to_its_report(tree, table):
    made = new_recipe(tree, "tones", "ensemble", "--table", str(table))
    assert made.returncode == 0, made.stderr
    run = [tree / "egs/tones/ensemble/run.sh", "--size", "tiny", "--norms", "global"]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    results = json.loads((tree / "egs/tones/ensemble/tiny/exp/RESULTS.json").read_text())
    forest = next(row for row in results["rows"] if row["subsystem"] == "forest_is10" and row["part"] == "test")
    assert forest["metrics"]["UA"] > 0.8
    assert (tree / "egs/tones/ensemble/tiny/exp/report/index.html").exists()


def test_the_protocol_is_what_the_table_allows(tree, table):
    assert new_recipe(tree, "known", "ensemble", "--table", str(table)).returncode == 0
    assert "option protocol   speaker_folds" in (tree / "egs/known/ensemble/run.sh").read_text()
    lines = ["\t".join(line.split("\t")[:2]) for line in table.read_text().splitlines()]
    table.write_text("\n".join(lines) + "\n")
    assert new_recipe(tree, "unknown", "ensemble", "--table", str(table)).returncode == 0
    text = (tree / "egs/unknown/ensemble/run.sh").read_text()
    assert "option protocol   random_folds" in text and 'ensemble_options "global"' in text


def test_a_speaker_called_nan_is_not_known(tree, table):
    table.write_text(table.read_text().replace("\ts0\t", "\tnan\t"))
    assert new_recipe(tree, "halfknown", "ensemble", "--table", str(table)).returncode == 0
    assert "option protocol   random_folds" in (tree / "egs/halfknown/ensemble/run.sh").read_text()


def test_a_corpus_module_is_begun_and_its_recipe_asks_for_the_corpus(tree, tmp_path):
    made = new_recipe(tree, "mycorpus", "ensemble")
    assert made.returncode == 0 and "began local/mycorpus.py" in made.stdout
    speech = tmp_path / "speech"
    for speaker in "abc":
        for emotion in ("angry", "happy", "neutral", "sad"):
            (speech / speaker / emotion).mkdir(parents=True)
            for take in range(2):
                seed = [take, ord(speaker), *emotion.encode()]
                noise = np.random.default_rng(seed).standard_normal(4000) * 0.1
                soundfile.write(speech / speaker / emotion / f"{emotion}{take}{speaker}.wav", noise, 16000)
    run = tree / "egs/mycorpus/ensemble/run.sh"
    empty = subprocess.run([run], capture_output=True, text=True, check=False)
    assert empty.returncode == 2 and "--corpus-dir" in empty.stderr
    whole = subprocess.run([run, "--corpus-dir", speech, "--stop-stage", "1"], capture_output=True, text=True,
                           check=False)
    assert whole.returncode == 0, whole.stderr
    assert "24 utterances" in whole.stdout
    again = new_recipe(tree, "mycorpus", "ensemble", "--corpus-dir", speech)
    assert again.returncode == 2 and "exists" in again.stderr

    module = tree / "local/mycorpus.py"
    module.write_text(module.read_text().replace('"speaker": speaker, ', "").replace("{},", '{"utterances": 25},'))
    run.parent.rename(run.parent.with_name("by_hand"))
    assert new_recipe(tree, "mycorpus", "ensemble", "--corpus-dir", speech).returncode == 0
    assert "option protocol   random_folds" in run.read_text()
    part = subprocess.run([run, "--stop-stage", "1"], capture_output=True, text=True, check=False)
    assert part.returncode == 1 and "utterances: 24 of 25; --allow-partial true takes what is there" in part.stderr
    part = subprocess.run([run, "--allow-partial", "true", "--protocol", "speaker_folds", "--nj", "1", "--asr", "none"],
                          capture_output=True, text=True, check=False)
    assert part.returncode == 2 and "speakers unknown" in part.stderr and "stage 2" not in part.stdout
    assert "error: --protocol is 'speaker_folds', but stage " in part.stderr
    assert "splits/speaker_folds.tsv, which stage 1 did not make; there are: random_folds\n" in part.stderr


@pytest.mark.parametrize(("arguments", "message"), [
    (["Bad", "ensemble"], "is no name of a corpus"),
    (["good", "nosuch"], "there is no system 'nosuch'"),
    (["good"], "expected a corpus and a system"),
    (["good", "ensemble", "--table", "nosuch.tsv"], "no such file"),
    (["good", "ensemble", "--nosuch"], "unknown option --nosuch"),
    (["ravdess", "ensemble", "--table", "/dev/null"], "no such file"),
])
def test_a_mistake_is_one_line_with_status_2(tree, arguments, message):
    result = new_recipe(tree, *arguments)
    assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_an_existing_recipe_is_never_overwritten(tree, table):
    assert new_recipe(tree, "twice", "ensemble", "--table", str(table)).returncode == 0
    again = new_recipe(tree, "twice", "ensemble", "--table", str(table))
    assert again.returncode == 2 and "exists" in again.stderr
    broken = table.with_name("broken.tsv")
    broken.write_text("path\tspeaker\nx.wav\ta\n")
    refused = new_recipe(tree, "other", "ensemble", "--table", str(broken))
    assert refused.returncode == 1 and "'emotion' is missing" in refused.stderr
    assert not (tree / "egs/other").exists()
