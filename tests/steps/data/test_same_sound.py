"""The same sound under several ids: overlapping segments, groups, who and what they concern, and the list."""

import json

import numpy as np
import pytest
import soundfile

from steps.data import prepare, validate
from steps.data.dataset import Item
from steps.data.recordings import overlapping, shared_recordings
from steps.data.same_sound import Group, judge, listed
from steps.data.splits import Split
from tests.steps.data.test_fingerprint import speech
from utils.errors import run_main

RATE = 16000


def segment(key, start, duration, path="/a.wav", **more):
    return Item(key, path=path, start=start, duration=duration, **more)


def test_segments_with_half_of_the_longer_one_in_common_overlap():
    items = [segment("a", 0, 2), segment("b", 1, 2), segment("c", 3.1, 2), segment("word", 1.5, 0.2),
             segment("other", 0, 2, path="/b.wav"), segment("twice", 0, 2), Item("text only")]
    assert overlapping(items) == [("a", "b"), ("a", "twice"), ("b", "twice")]


def test_a_link_to_a_recording_is_the_recording(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").symlink_to("a.wav")
    assert overlapping([segment("a", 0, 1, str(tmp_path / "a.wav")), segment("b", 0, 1, str(tmp_path / "b.wav"))]) == [
        ("a", "b")]


def test_test_utterances_whose_recording_train_or_dev_has_too():
    items = {item.id: item for item in (segment("a", 0, 1), segment("b", 1, 1), segment("c", 0, 1, "/c.wav"),
                                        segment("d", 0, 1, "/d.wav"), segment("e", 5, 1, "/d.wav"))}
    split = Split("p", {1: {"train": ["a", "c"], "dev": ["d"], "test": ["b", "e"]}})
    assert shared_recordings(split, items) == {"b": ("fold 1, train", "a"), "e": ("fold 1, dev", "d")}


def test_speakers_and_labels_of_the_same_sound_are_told_and_the_list_is_whole():
    items = {f"{speaker}_{n}": Item(f"{speaker}_{n}", fields={"emotion": "sad"}, speaker=speaker, path=f"/{n}",
                                     duration=1)
             for speaker in ("46", "53", "60") for n in range(12)}
    items["60_0"] = Item("60_0", fields={"emotion": "glad"}, speaker="60", path="/0", duration=1)
    groups = [Group((f"46_{n}", f"53_{n}"), "identical") for n in range(11)] + [Group(("46_11", "60_0"), "alike")]
    split = Split("p", {1: {"train": ["46_0"], "dev": ["53_1"], "test": ["53_0", "46_1"]}})
    problems, warnings = judge(groups, [split], items)
    assert problems == [f"identical audio in two parts of protocol p, fold 1: 46_{n} ({a}), 53_{n} ({b})"
                        for n, a, b in ((0, "train", "test"), (1, "test", "dev"))]
    assert "5 more of the same sound" in warnings
    assert "speaker 46 = 53: 11 of their 12 recordings are the same" in warnings
    assert "speakers 46 and 60 have 1 recording in common" in warnings
    assert "1 group of the same sound with different labels: 46_11 (sad), 60_0 (glad)" in warnings
    lines = listed(groups, items).splitlines()
    assert len(lines) == 1 + 24 and lines[1].split("\t")[:5] == ["1", "46_0", "identical", "46", "sad"]
    assert lines[-1].split("\t")[:5] == ["12", "60_0", "alike", "60", "glad"]


@pytest.fixture
def corpus(tmp_path):
    """Six speakers with two recordings each, in `t.tsv`."""
    for number in range(12):
        soundfile.write(tmp_path / f"{number}.wav", speech(number, 1.2), RATE)
    (tmp_path / "t.tsv").write_text("path\temotion\tspeaker\n" + "".join(
        f"{n}.wav\t{('sad', 'glad')[n % 2]}\ts{n // 2}\n" for n in range(12)))
    return tmp_path


def checked(root, *options):
    words = ["--table", str(root / "t.tsv"), *options, str(root / "data")]
    assert run_main(prepare.main, words) == 0
    return run_main(validate.main, [str(root / "data")])


def give_official_folds(root):
    """The folds of speakers are the table's own, so that they may divide what belongs together."""
    head, *lines = (root / "t.tsv").read_text().splitlines()
    (root / "t.tsv").write_text("\n".join([f"{head}\tfold", *(f"{line}\t{line.split()[2]}" for line in lines)]))


def test_a_softer_shifted_copy_under_another_speaker_is_refused_and_listed(corpus, capsys):
    samples = speech(0, 1.2)
    soundfile.write(corpus / "7.wav", np.concatenate([np.zeros(2000), 0.1 * samples]), RATE)
    give_official_folds(corpus)
    assert checked(corpus) == 1
    error = capsys.readouterr().err
    assert "the same sound (but for gain, a shift or an encoding) in two parts of protocol official_folds" in error
    assert "--drop-duplicates true" in error and "duplicates.tsv" in error
    assert [line.split("\t")[:3] for line in (corpus / "data/duplicates.tsv").read_text().splitlines()[1:]] == [
        ["1", "0", "alike"], ["1", "7", "alike"]]


def info(root):
    return json.loads((root / "data/corpus.json").read_text())


def test_automatic_folds_do_not_divide_what_validation_refuses(corpus, capsys):
    for source, copy in ((0, 3), (2, 11)):  # of s0, s1 and s5
        soundfile.write(corpus / f"{copy}.wav", 0.3 * speech(source, 1.2), RATE)
    assert checked(corpus) == 0
    said = capsys.readouterr().err
    assert "speaker s0 = s1: 1 of their 2 recordings are the same" in said
    assert "1 group of the same sound with different labels: 0 (sad), 3 (glad)" not in said
    assert "2 groups of the same sound with different labels" in said
    (corpus / "t.tsv").write_text("".join(line.rsplit("\t", 1)[0] + "\n" for line in (
        corpus / "t.tsv").read_text().splitlines()))
    assert checked(corpus) == 0  # random folds, the same


def test_duplicates_with_one_label_are_dropped_and_others_stay(corpus, capsys):
    for source, copy in ((0, 6), (1, 8)):
        soundfile.write(corpus / f"{copy}.wav", 0.3 * speech(source, 1.2), RATE)
    assert checked(corpus, "--drop-duplicates", "true") == 0
    assert "1 duplicates are left out: 6" in capsys.readouterr().err
    assert info(corpus)["dropped"] == ["6"] and info(corpus)["utterances"] == 11
    said = json.loads((corpus / "data/validation.json").read_text())["warnings"]
    assert any(line.startswith("1 group of the same sound with different labels") for line in said)


def test_speakers_who_share_recordings_are_merged(corpus, capsys):
    for source, copy in ((0, 6), (1, 7)):  # s0 is s3
        soundfile.write(corpus / f"{copy}.wav", speech(source, 1.2), RATE)
    assert checked(corpus, "--merge-speakers", "true") == 0
    assert "speakers taken as one, since they share recordings: s3 = s0" in capsys.readouterr().err
    assert info(corpus)["merged"] == {"s3": "s0"} and info(corpus)["speakers"] == ["s0", "s1", "s2", "s4", "s5"]


def test_what_was_compared_is_said(corpus, capsys):
    soundfile.write(corpus / "3.wav", speech(3, 0.3), RATE)
    assert checked(corpus) == 0
    assert "same sound none (compared 11, 1 too short to compare" in capsys.readouterr().out
    assert json.loads((corpus / "data/validation.json").read_text())["sound"] == {
        "compared": 11, "too_short": 1, "groups": 0}


def test_segments_of_one_recording_in_two_parts_are_told_and_overlapping_ones_refused(corpus, capsys):
    soundfile.write(corpus / "long.wav", np.concatenate([speech(20 + n, 1.2) for n in range(6)]), RATE)
    text = (corpus / "t.tsv").read_text().splitlines()

    def with_segments(step):
        rows = [f"{line}\t\t" for line in text[1:]] + [
            f"long.wav\tsad\ts{n}\t{step * n:.1f}\t{step * n + 1.2:.1f}" for n in range(6)]
        (corpus / "t.tsv").write_text("\n".join([f"{text[0]}\tstart\tend", *rows]))

    with_segments(1.2)
    give_official_folds(corpus)
    assert checked(corpus) == 0
    assert "6 of 18 test utterances are segments of a recording that train or dev has a segment of" in (
        capsys.readouterr().err)
    with_segments(0.5)
    give_official_folds(corpus)
    assert checked(corpus) == 1
    assert "overlapping segments of one recording in two parts" in capsys.readouterr().err
