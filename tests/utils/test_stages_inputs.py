"""Inputs that count by what they say rather than by the run that made them."""

import gzip
import json
import os

import pytest

from tests.utils.toy_recipe import Toy
from utils.stages.manifest import images, sound

STAGES = """
stage 1 "Prepare" --in table.tsv --out-names data/cuts.tsv --out-same data/cuts.tsv -- ./do prepare data/cuts.tsv
stage 2 "Extract" --in-sound data/cuts.tsv --out data/f -- ./do extract data/f
stage 3 "Hear" --in-sound data/cuts.tsv --in-late data/cuts.tsv --in data/f --out data/o -- ./do hear data/o
stage 4 "Train" --in data/f --in data/cuts.tsv --out exp/t -- ./do train exp/t
stage 5 "Validate" --in data/cuts.tsv --out data/v -- ./do validate data/v
run_stages
"""


def cut(toy, name, label, start=0.0):
    return {"id": name, "start": start, "duration": 1.0, "supervisions": [{"custom": {"emotion": label}}],
            "recording": {"sources": [{"source": str(toy.path / f"audio/{name}.wav")}]}}


def manifest(toy, *cuts):
    """What the toy's first stage will write as its manifest."""
    with gzip.open(toy.path / "source.gz", "wt") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)


@pytest.fixture
def toy(tmp_path):
    toy = Toy(tmp_path / "recipe", STAGES)
    toy.write("audio/2.wav", "RIFF")
    toy.write("after.prepare", "cp source.gz data/cuts.tsv")
    manifest(toy, cut(toy, "1", "angry"), cut(toy, "2", "sad"))
    assert toy.run().returncode == 0 and toy.run().returncode == 0 and toy.calls == []
    return toy


def relabelled(toy):
    toy.write("table.tsv", "corrected\n")
    manifest(toy, cut(toy, "1", "happy"), cut(toy, "2", "sad"))


def test_a_corrected_label_extracts_no_features_again(toy):
    relabelled(toy)
    told = toy.run("--dry-run").stdout
    assert "1  Prepare: would run: table.tsv changed" in told and "2  Extract: may run: stage 1 will tell" in told
    result = toy.run()
    assert toy.calls == ["prepare", "hear", "train", "validate"] and "2  Extract: done already" in result.stdout
    assert "3  Hear: runs: data/cuts.tsv changed" in result.stdout
    assert len(toy.read("data/o/.kept").splitlines()) == 2, "it goes on in place"
    assert toy.run().returncode == 0 and toy.calls == []


def test_tasks_that_are_finished_count_after_a_corrected_label_and_not_after_another_sound(toy):
    toy.write("after.hear", "exit 1")
    relabelled(toy)
    toy.run()
    before = toy.inputs["hear"]
    manifest(toy, cut(toy, "1", "sad"), cut(toy, "2", "sad"))
    toy.write("table.tsv", "again\n")
    toy.run()
    assert toy.inputs["hear"] == before
    manifest(toy, cut(toy, "1", "sad", start=0.5), cut(toy, "2", "sad"))
    toy.write("table.tsv", "and again\n")
    result = toy.run()
    assert toy.calls == ["prepare", "extract", "hear"] and toy.inputs["hear"] != before
    assert "2  Extract: runs: utterances in data/cuts.tsv changed (2 utterances)" in result.stdout


@pytest.mark.parametrize(("harm", "says"), [
    (lambda path: path.write_text("RIFX"), "changed (2 files)"),
    (lambda path: path.unlink(), "changed (1 files, were 2"),
])
def test_recordings_that_a_table_names_are_inputs(toy, harm, says):
    path = toy.path / "audio/2.wav"
    os.utime(path, (1, 1))
    assert "1  Prepare: runs: recordings of data/cuts.tsv changed (2 files)" in toy.run().stdout
    assert toy.calls == ["prepare", "extract", "hear", "train", "validate"], "though the manifest came out the same"
    harm(path)
    result = toy.run()
    assert f"1  Prepare: runs: recordings of data/cuts.tsv {says}" in result.stdout and "extract" in toy.calls


def test_a_changed_picture_runs_what_reads_images_alone(tmp_path):
    toy = Toy(tmp_path / "recipe", """
stage 1 "Extract" --in-sound cuts.gz --out data/f -- ./do extract data/f
stage 2 "Look" --in-images cuts.gz --out exp/t -- ./do look exp/t
run_stages
""")
    toy.write("face.png", "PNG")
    with gzip.open(toy.path / "cuts.gz", "wt") as stream:
        one, other = cut(toy, "1", "angry"), cut(toy, "2", "sad")
        one["supervisions"][0]["custom"]["images"] = str(toy.path / "face.png")
        stream.writelines(json.dumps(about) + "\n" for about in (one, other))
    assert toy.run().returncode == 0 and toy.calls == ["extract", "look"]
    assert images(str(toy.path / "cuts.gz")).startswith("1 files, 3 bytes, ")
    toy.write("face.png", "GIF")
    os.utime(toy.path / "face.png", (1, 1))
    told = toy.run().stdout
    assert "2  Look: runs: images of cuts.gz changed (1 files)" in told and toy.calls == ["look"]


@pytest.mark.slow
def test_a_stage_that_makes_the_same_again_leaves_what_depends_on_it(toy):
    toy.write("table.tsv", "a comment more\n")
    assert toy.run().returncode == 0 and toy.calls == ["prepare"]
    assert toy.run().returncode == 0 and toy.calls == []
    toy.write("table.tsv", "a comment less\n")
    toy.write("before.prepare", "rm before.prepare; echo half > data/cuts.tsv; exit 1")
    assert toy.run().returncode == 1
    assert toy.run().returncode == 0 and toy.calls == ["prepare"], "also when the first try broke off"


@pytest.mark.slow
def test_asked_for_it_is_followed_by_what_reads_it(toy):
    toy.run("--stage", "1")
    assert toy.calls == ["prepare", "train", "validate"]


@pytest.mark.slow
def test_a_module_of_a_corpus_counts_without_its_comments(tmp_path):
    toy = Toy(tmp_path / "recipe", 'stage 1 "A" --in-code "$PWD/local/x.py" --out a.tsv -- ./do a a.tsv\nrun_stages\n')
    toy.write("local/x.py", "X = 1\n")
    toy.run()
    toy.write("local/x.py", '"""Of a corpus."""\nX = 1  # one\n')
    toy.run()
    assert toy.calls == []
    toy.write("local/x.py", "X = 2\n")
    assert "local/x.py changed" in toy.run().stdout and toy.calls == ["a"]


@pytest.mark.slow
def test_markers_of_the_first_format_stay_valid_and_then_tell_more(toy):
    for number in (1, 2, 3, 4, 5):
        marker = toy.marker(number)
        parts = {key: text for key, text in marker["parts"].items() if key.split()[0] not in (
            "sound", "late", "recordings")}
        if number > 1:
            parts |= {"file data/cuts.tsv": toy.marker(4)["parts"]["file data/cuts.tsv"],
                      "stage 1": toy.marker(1)["fingerprint"]}
        runs = marker["runs"] | ({"1": toy.marker(1)["run"]} if number > 1 else {})
        del marker["format"], marker["inputs"], marker["packages"]
        toy.record(number).write_text(json.dumps({**marker, "parts": parts, "runs": runs}))
    dry = toy.run("--dry-run")
    assert dry.stdout.count("done already") == 5, dry.stdout
    relabelled(toy)
    assert toy.run().returncode == 0 and toy.calls == ["prepare", "hear", "train", "validate"]
    assert toy.run().returncode == 0 and toy.calls == []


def test_an_input_that_is_a_pipe_or_a_device_is_one_line_and_never_opened(tmp_path):
    toy = Toy(tmp_path / "recipe", 'stage 1 "A" --in "$set" --out a.tsv -- ./do a a.tsv\nrun_stages\n')
    os.mkfifo(toy.path / "pipe")
    for words in (["pipe"], ["/dev/zero"], ["pipe", "--dry-run"]):
        result = toy.run("--set", *words)
        assert result.returncode == 2 and "regular file" in result.stderr and result.stderr.count("\n") == 1
    (toy.path / "conf").mkdir()
    os.mkfifo(toy.path / "conf/net.yaml")
    toy.recipe('stage 1 "A" --conf net --out a.tsv -- ./do a a.tsv\nrun_stages\n')
    assert toy.run("--dry-run").returncode == 2


def test_sound_of_what_is_no_manifest_is_none(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(b"text")
    assert sound(str(path)) is None
    path.write_bytes(gzip.compress(b"[1]\n"))
    assert sound(str(path)) is None
