"""What a user gets wrong ends with one clear line and exit status 2 (usage) or 1 (bad data); what is merely unusual
works: other sampling rates, stereo, clips of 20 ms, and any file name."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from steps.scoring.experiment import read_metrics
from tests.integration.box import (
    ROOT,
    checkout,
    command,
    only_error,
    recipe,
    stage_error,
    tone,
    two_emotions,
    write_table,
)

RECIPES = sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("egs/*/*/run.sh"))


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A checkout with the real recipes and the small one; nothing in it has run."""
    root = checkout(tmp_path_factory.mktemp("bad") / "house")
    for name in RECIPES:
        shutil.copytree(ROOT / name, root / name, ignore=lambda directory, names: [
            n for n in names if n not in ("run.sh", "cmd.sh", "conf") and not n.endswith(".yaml")])
    write_table(root / "corpus/table.tsv", two_emotions())
    recipe(root)
    return root


def ravdess(house: Path, *words: str | Path):
    return command(house / "egs/ravdess/ensemble/run.sh", *words)


def small(house: Path, *words: str | Path):
    return command(house / "egs/lab/small/run.sh", *words)


def prepared(directory: Path, rows: list[dict], head: str = "", change: Callable[[Path], object] | None = None):
    """Run prepare_data.sh on a table whose corpus was spoiled by `change`."""
    table = write_table(directory / "corpus/table.tsv", rows, head)
    if change is not None:
        change(directory / "corpus")
    return command("steps/prepare_data.sh", "--corpus", "lab", "--table", table, directory / "data")


# --- options of a recipe -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "says"), [
    (["--stage", "foo"], "--stage needs the number of a stage, not 'foo'"),
    (["--stage"], "--stage needs a value"),
    (["--stage", "--nj", "2"], "--stage needs a value"),
    (["--stage=-1"], "--stage needs the number of a stage, not '-1'"),
    (["--stop-stage", "1.5"], "this recipe has no stage 1.5; it has 1, 2, 10"),
    (["--stop-stage", "1.5.2"], "--stop-stage needs the number of a stage, not '1.5.2'"),
    (["--stage", "99"], "this recipe has no stage 99; it has 1, 2, 10"),
    (["--corpus-dri", "x"], "unknown option --corpus-dri"),
    (["--corpus_dir", "x"], "did you mean --corpus-dir?"),
    (["--protocol", "seven_folds"], "--protocol is 'seven_folds'; accepted: six_folds, one_actor_out"),
    (["--nj", "0"], "--nj is '0'; accepted: 1 or more"),
    (["--nj", "two"], "--nj needs an integer, not 'two'"),
    (["--nj", "-3"], "--nj is '-3'"),
    (["--seeds", "rubbish"], "--seeds is 'rubbish'; accepted: whole numbers"),
    (["--seeds", "0, 1"], "--seeds is '0, 1'"),
    (["--seeds", ""], "--seeds is ''"),
    (["--norms", "gobal"], "--norms is 'gobal'; accepted: one or more of global, speaker, none"),
    (["--noise", "loud"], "--noise is 'loud'; accepted: ratios in dB"),
    (["--noise", "20,10"], "--noise is '20,10'"),
    (["--ivectors", "phones"], "--ivectors has 'phones'; accepted: kinds with a conf/ivector_KIND.yaml"),
    (["--ivectors", " "], "--ivectors is blank; accepted: kinds"),
    (["--asr", ""], "--asr is empty; accepted: none, or a recognizer's directory"),
    (["--cluster", "nosuch"], "--cluster is 'nosuch'; accepted: local, slurm, sge, or a file name.yaml"),
    (["--cluster", "nosuch.yaml"], "--cluster nosuch.yaml: no such file"),
    (["--size", "huge"], "--size is 'huge'; accepted: full, tiny"),
    (["data"], "unexpected argument 'data'"),
    ([], "its path is empty; give it with --corpus-dir"),
    (["--corpus-dir", "/no/such/place"], "needs /no/such/place, which does not exist and no stage makes; "
                                         "check --corpus-dir"),
])
def test_a_wrong_option_is_told_before_anything_runs(house, words, says):
    done = ravdess(house, *words)
    line = only_error(done, 2)
    assert says in line and done.stdout == ""
    assert not (house / "egs/ravdess/ensemble/data").exists()


@pytest.mark.parametrize(("recipe_name", "words", "says"), [
    *[(name, ["--width", width], f"--width is '{width}'; accepted: 0.01 to 4")
      for name, width in (("ravdess/pyresnet", "0"), ("ravdess/pyresnet", "0.00"), ("ravdess/pyresnet", "0.009"),
                          ("daic_woz/depression", "100"), ("daic_woz/depression", "4.5"), ("lssed/pyresnet", "1e-1"))],
    ("ravdess/pyresnet", ["--folds", "1,2"], "--folds is '1,2'"),
    ("ravdess/pyresnet", ["--architecture", "51"], "--architecture is '51'; accepted: 50, 101, 152"),
    ("cross_corpus/pyresnet", ["--corpora", ""], "--corpora is ''; accepted: two prepared data sets or more"),
    ("cross_corpus/pyresnet", ["--corpora", "a=/no/such b=/nor/such"], "needs /no/such/cuts.jsonl.gz, which does not "
     "exist and no stage makes; check --corpora")])
def test_a_wrong_option_of_the_spectrogram_recipes_is_told_too(house, recipe_name, words, says):
    done = command(house / "egs" / recipe_name / "run.sh", *words)
    assert says in only_error(done, 2)


def test_a_width_at_the_edges_is_taken(house):
    for width in ("0.01", ".25", "1", "4.0"):
        done = command(house / "egs/ravdess/pyresnet/run.sh", "--width", width)
        assert "its path is empty; give it with --corpus-dir" in only_error(done, 2)  # the width is no matter


def test_a_stage_whose_input_is_not_there_yet_says_which(house):
    line = only_error(small(house, "--stage", "4"), 2)
    assert line.startswith("error: stage 4 (Train svm_is10) needs stage ") and "not done yet" in line


def test_a_directory_that_is_another_corpus_says_what_belongs_there(house):
    line = stage_error(ravdess(house, "--asr", "none", "--corpus-dir", house / "corpus"), 2)
    assert "no directories Actor_01 ... Actor_24" in line and "zenodo.org" in line


@pytest.mark.parametrize(("script", "words", "says"), [
    ("prepare_data.sh", ["--corpus", "ravdess", "--corpus-dir", "/no/such/place"], "/no/such/place: no such directory"),
    ("prepare_data.sh", ["--corpus", "ravdes", "--corpus-dir", "."], "did you mean ravdess?"),
    ("prepare_data.sh", ["--table", "/no/table.tsv"], "/no/table.tsv: no such file"),
    ("prepare_data.sh", ["--table", "t.tsv", "--nj", "0"], "--nj: '0'; accepted: 1 or more"),
    ("validate_data.sh", ["--jobs", "2"], "--jobs"),
    ("extract_features.sh", ["--features", "is11"], "--features is11: there is no conf/is11.yaml; known: "),
    ("extract_features.sh", ["--features", "is10", "--nj", "0"], "argument --nj: '0'; accepted: 1 or more"),
])
def test_a_wrong_option_of_a_front_end_is_one_line(tmp_path, script, words, says):
    assert says in only_error(command(f"steps/{script}", *words, tmp_path / "data", cwd=tmp_path), 2)


# --- recordings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda path: path.write_bytes(path.read_bytes()[:1000]), "truncated: its header promises 3244 bytes, the file has "
                                                              "1000"),
    (lambda path: path.write_bytes(b""), "the file is empty (0 bytes)"),
    (lambda path: path.write_text("This is a text.\n" * 40), "not audio that can be read"),
    (lambda path: path.write_bytes(path.read_bytes()[:44]), "truncated"),
    (lambda path: path.unlink(), "No such file or directory"),
    (lambda path: (path.unlink(), path.mkdir()), "s2_1.wav"),
])
def test_a_bad_recording_ends_with_its_name_and_what_it_is(tmp_path, spoil, says):
    line = only_error(prepared(tmp_path, two_emotions(), change=lambda corpus: spoil(corpus / "s2_1.wav")), 1)
    assert "s2_1.wav: " in line and says in line
    assert not (tmp_path / "data/cuts.jsonl.gz").exists()


def test_in_a_recipe_the_engine_adds_one_line_that_says_how_to_go_on(tmp_path):
    root = checkout(tmp_path / "house")
    write_table(root / "corpus/table.tsv", two_emotions())
    (root / "corpus/s0_0.wav").write_bytes(b"RIFF")
    directory = recipe(root)
    assert "s0_0.wav: not audio that can be read" in stage_error(small(root), 1)
    tone(root / "corpus/s0_0.wav", 77)
    assert small(root, "--stop-stage", "2").returncode == 0
    assert (directory / "data/lab/validation.json").exists()


def test_damage_that_only_decoding_shows_is_found_by_preparation(tmp_path):
    import numpy as np
    import soundfile

    rows = [row | {"path": row["path"].replace(".wav", ".flac")} for row in two_emotions()]
    noise = np.random.default_rng(1).normal(0, 0.1, 16000).astype("float32")
    (tmp_path / "corpus").mkdir()
    for number, row in enumerate(rows):
        soundfile.write(tmp_path / "corpus" / row["path"], noise[number:], 16000)
    whole = (tmp_path / "corpus/s3_1.flac").read_bytes()
    (tmp_path / "corpus/s3_1.flac").write_bytes(whole[: len(whole) // 2])  # the header knows nothing of it
    line = only_error(prepared(tmp_path, rows), 1)
    assert "s3_1.flac: truncated: " in line and "table.tsv, line 15" in line
    assert not (tmp_path / "data/cuts.jsonl.gz").exists()


def unprivileged() -> list[str] | None:
    """Words before a command so that it obeys permissions; None where that cannot be had."""
    if os.geteuid():
        return []
    tool = shutil.which("setpriv")
    return [tool, "--bounding-set=-all", "--inh-caps=-all"] if tool else None


def test_a_recording_that_may_not_be_read_is_named(tmp_path):
    prefix = unprivileged()
    if prefix is None:
        pytest.skip("root reads everything, and there is no setpriv to give that up")
    table = write_table(tmp_path / "table.tsv", two_emotions())
    for path in (tmp_path / "s1_1.wav", table):
        path.chmod(0)
        done = command("steps/prepare_data.sh", "--corpus", "lab", "--table", table, tmp_path / "data", prefix=prefix)
        line = only_error(done, 1)
        assert path.name in line and "ermission" in line
        path.chmod(0o644)


def test_other_rates_and_stereo_are_accepted_and_counted(tmp_path):
    rows = two_emotions()
    for name, words in (("s0_0", {"rate": 8000}), ("s0_1", {"rate": 48000}), ("s0_2", {"channels": 2}),
                        ("s0_3", {"rate": 48000, "channels": 2})):
        tone(tmp_path / f"corpus/{name}.wav", ord(name[-1]), **words)
    done = prepared(tmp_path, rows)
    assert done.returncode == 0 and done.stderr == ""
    assert "2 resampled 48000, 1 resampled 8000, 2 stereo" in done.stdout
    done = command("steps/validate_data.sh", tmp_path / "data")
    assert done.returncode == 0 and done.stderr == ""
    assert "rates      16000 21, 48000 2, 8000 1" in done.stdout and "stereo 2" in done.stdout


# --- tables ------------------------------------------------------------------------------------------------------


def one_id(rows: list[dict]) -> list[dict]:
    return [row | {"id": "same" if n in (4, 9) else f"u{n}"} for n, row in enumerate(rows)]


@pytest.mark.parametrize(("edit", "head", "says"), [
    (lambda rows: [rows[0] | {"emotion": "joy"}, *rows[1:]], "# classes: glad sad\n",
     "table.tsv, line 3: emotion is 'joy', which is no declared class; classes: glad, sad"),
    (one_id, "", "table.tsv, line 11: the id same is taken already by "),
    (lambda rows: [rows[0] | {"part": "test"}, *rows[1:]], "",
     "protocol official, fold 1: speaker s0 is in test (s0_0) and in train (s0_1)"),
    (lambda rows: [{k: v for k, v in row.items() if k != "emotion"} for row in rows], "",
     "table.tsv, line 1: the column 'emotion' is missing; the columns are: path, speaker, part"),
    (lambda rows: [{k: v for k, v in row.items() if k != "path"} for row in rows], "",
     "table.tsv, line 1: the column 'path' is missing"),
    (lambda rows: [row | {"speker": "x"} for row in rows], "", "unknown field 'speker'; did you mean speaker?"),
    (lambda rows: [row | {"emotion": "sad"} for row in rows], "",
     "target emotion: two classes or more are needed; it has: sad"),
    (lambda rows: [row | {"part": "train"} for row in rows], "", "the part test has no utterance"),
])
def test_a_wrong_table_ends_with_the_line_to_mend(tmp_path, edit, head, says):
    assert says in only_error(prepared(tmp_path, edit(two_emotions()), head), 1)


# --- configurations ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_wrong_key_or_value_of_a_configuration_is_named(house):
    assert small(house, "--stop-stage", "3").returncode == 0
    directory = house / "egs/lab/small"
    for words, says in ((["--set", "balansed=true"],
                         "--set balansed=true: unknown key balansed; did you mean balanced"),
                        (["--set", "balanced=maybe"], "balanced is 'maybe'; accepted: a value of type bool"),
                        (["--set", "linear_svm:penalties"], "expected key=value"),
                        (["--set", "liner_svm:clip=1"], "liner_svm")):
        assert says in stage_error(small(house, *words, "--stop-stage", "4"), 2)
    (directory / "conf").mkdir()
    for text, says in (("balansed: true\n", "conf/linear_svm.yaml: unknown key balansed; did you mean balanced?"),
                       ("C: high\n", "conf/linear_svm.yaml: C is 'high'"),
                       ("C: [1.0e-3\n", "conf/linear_svm.yaml"),
                       ("clip_features: -1\n", "clip_features is -1")):
        (directory / "conf/linear_svm.yaml").write_text(text)
        assert says in stage_error(small(house, "--stop-stage", "4"), 2)
    shutil.rmtree(directory / "conf")
    # Two earlier stages have run, the table has changed since: the third cannot be asked for.
    table = house / "corpus/table.tsv"
    table.write_text(table.read_text().replace("s0_0.wav\tglad", "s0_0.wav\tsad"))
    line = only_error(small(house, "--stage", "3"), 2)
    assert re.match(r"error: stage 3 \(Extract is10\) needs stage 1 .*, which is stale: ", line)
    assert "table.tsv" in line or "corpus" in line


# --- unusual, and fine -------------------------------------------------------------------------------------------

NAMES = ["with space.wav", "double\"quote's.wav", "$(touch hacked).wav", "`touch hacked`; touch hacked #.wav",
         "line\nbreak.wav", "tab\tstop.wav", "größe 情感.wav", "back\\slash.wav", "-rf.wav", "* ? [a].wav",
         "%s {JOB} $JOB.wav", "<b>&amp;.wav"]


@pytest.mark.slow
def test_any_file_name_and_any_audio_goes_the_whole_road(tmp_path):
    """Also with a checkout and a corpus directory of that kind; clips of 20 ms score the class prior."""
    root = checkout(tmp_path / "check out's \"ü\" $(touch hacked)")
    corpus = tmp_path / "the corpus $(touch hacked) 'é'"
    rows, short = [], 0
    for number in range(24):
        name = NAMES[number // 2] if number % 2 else NAMES[number // 2].replace(".wav", " 2.wav")
        part = ("train", "dev", "test")[number // 8]
        seconds = 0.02 if number in (7, 15, 22, 23) else 0.3
        short += part != "train" and seconds == 0.02
        tone(corpus / name, number, seconds, rate=(8000, 16000, 48000)[number % 3], channels=1 + number % 2)
        rows.append({"path": name.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t"),
                     "emotion": ("sehr froh", "betrübt")[number % 2], "speaker": f"Zoë <b>{number // 4}</b> 'O\"",
                     "text": "</script> $(touch hacked) 你好", "part": part})
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    (corpus / "table.tsv").write_text("\n".join(lines) + "\n")
    directory = recipe(root)
    done = small(root, "--corpus-dir", corpus, "--set", "C=[1.0e-3]")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [path for path in tmp_path.rglob("hacked*")] and not (directory / "hacked").exists()

    failed = [line.split("\t")[0] for path in (directory / "data/lab/is10").glob("failed.*.tsv")
              for line in path.read_text().splitlines()]
    info = json.loads((directory / "data/lab/corpus.json").read_text())
    assert info["utterances"] == 24 and info["converted"] == {"resampled 48000": 8, "resampled 8000": 8, "stereo": 12}
    rows_of = json.loads((directory / "exp/RESULTS.json").read_text())["rows"]
    test = next(row for row in rows_of if row["part"] == "test")
    assert test["items"] == 8 and "2 items scored by prior" in test["marks"]
    assert test["classes"] == ["betrübt", "sehr froh"]
    assert "2 items scored by prior" in (directory / "exp/RESULTS.md").read_text()
    metrics = read_metrics(next(directory.glob("exp/svm_is10/**/metrics.json")).parent, "emotion")
    assert len(metrics["prior_scored"]) == short == 3 and len(metrics["train_left_out"]) == 1
    assert sorted(failed) == sorted(metrics["prior_scored"] + metrics["train_left_out"])
    for key in failed:
        assert f"  {key}: " in done.stdout  # told by id
    scores = (next(directory.glob("exp/svm_is10/**/scores/emotion/test.tsv"))).read_text().splitlines()[1:]
    prior = {line.split("\t")[0]: line.split("\t")[2:] for line in scores if line.split("\t")[0] in failed}
    assert len(prior) == 2 and len({tuple(values) for values in prior.values()}) == 1
    page = (directory / "exp/report/index.html").read_text()
    assert "<b>5</b>" not in page and "</script> " not in page
    for source in re.findall(r'<audio[^>]* src="([^"]+)"', page):
        path = unquote(source.replace("&#x27;", "'").replace("&amp;", "&"))
        assert (directory / "exp/report" / path).is_file(), source
    again = small(root, "--corpus-dir", corpus, "--set", "C=[1.0e-3]")
    assert again.returncode == 0 and " runs: " not in again.stdout
