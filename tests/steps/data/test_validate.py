"""What validation finds in a prepared data set, and what it writes."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steps.data import prepare, validate
from utils.errors import run_main

RATE = 16000


def noise(seed: int, seconds: float = 0.2) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype("float32")


@pytest.fixture
def corpus(tmp_path):
    """Six speakers, two recordings each, as FLAC; `remake` prepares after a change to the files."""
    lines = ["path\temotion\tspeaker\tgender"]
    for s in range(6):
        for n in range(2):
            soundfile.write(tmp_path / f"s{s}_{n}.flac", noise(10 * s + n, 0.2 + 0.01 * (2 * s + n)), RATE)
            lines.append(f"s{s}_{n}.flac\t{('sad', 'glad')[n]}\ts{s}\t{'fm'[s % 2]}")
    (tmp_path / "t.tsv").write_text("\n".join(lines))
    return tmp_path


def remake(root: Path) -> None:
    assert run_main(prepare.main, ["--table", str(root / "t.tsv"), str(root / "data")]) == 0


def check(root: Path) -> int:
    return run_main(validate.main, [str(root / "data")])


def test_summary_and_numbers(corpus, capsys):
    remake(corpus)
    assert check(corpus) == 0
    out = capsys.readouterr().out
    assert "12 utterances" in out and "glad 6, sad 6" in out and "female 6, male 6" in out
    assert "fold  1: train 8 (4 speakers), dev 2 (1 speakers), test 2 (1 speakers)" in out
    seen = json.loads((corpus / "data/validation.json").read_text())
    assert seen["durations"] == {"min": 0.2, "median": 0.255, "mean": 0.255, "max": 0.31}
    assert sum(seen["duration_histogram"]["counts"]) == 12
    assert len(seen["duration_histogram"]["edges"]) == len(seen["duration_histogram"]["counts"]) + 1
    assert seen["class_by_speaker"]["s3"] == {"glad": 1, "sad": 1}
    assert seen["protocols"]["speaker_folds"]["folds"][0]["train"] == 8
    hashes = dict(line.split("\t") for line in (corpus / "data/audio_hashes.tsv").read_text().splitlines()[1:])
    assert sorted(hashes) == sorted(f"s{s}_{n}" for s in range(6) for n in range(2)) and len(set(hashes.values())) == 12


def test_the_hash_is_of_the_samples_not_of_the_container(corpus):
    remake(corpus)
    check(corpus)
    before = (corpus / "data/audio_hashes.tsv").read_text()
    for path in corpus.glob("*.flac"):
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path, samples, rate, format="WAV")
    remake(corpus)
    check(corpus)
    assert (corpus / "data/audio_hashes.tsv").read_text() == before


def test_a_truncated_flac_is_named(corpus, capsys):
    remake(corpus)
    path = corpus / "s3_1.flac"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert check(corpus) == 1
    error = capsys.readouterr().err
    assert "s3_1.flac" in error and "decoded" in error
    assert not (corpus / "data/validation.json").exists()


def test_what_no_voice_looks_like_is_counted_named_and_listed(corpus, capsys):
    quiet, one, voice = np.zeros(3200, dtype="float32"), noise(5), noise(6)
    one[7] = np.nan
    for number in range(5):  # silent files are no identical recordings
        soundfile.write(corpus / f"s{number}_0.flac", quiet, RATE)
    soundfile.write(corpus / "s1_1.flac", one, RATE, format="WAV", subtype="FLOAT")
    soundfile.write(corpus / "s2_1.flac", np.stack([voice, -voice], 1), RATE)
    soundfile.write(corpus / "s3_1.flac", 20000 * noise(7), RATE, format="WAV", subtype="FLOAT")
    remake(corpus)
    assert check(corpus) == 0
    error = capsys.readouterr().err
    assert ("digital silence in 5 of 12 utterances: s0_0, s1_0, s2_0 and 2 more (every sample is 0); "
            f"{corpus / 'data/sound.tsv'} lists all") in error
    assert "channels that cancel in 1 of 12 utterances: s2_1" in error and "identical" not in error
    assert "no number in 1 of 12 utterances: s1_1" in error and "beyond 1 in 1 of 12 utterances: s3_1" in error
    listed = (corpus / "data/sound.tsv").read_text().splitlines()
    assert listed[0] == "utterances\tkind\tdetail" and len(listed) == 9
    assert listed[1] == "s0_0\tdigital silence\tevery sample is 0"
    soundfile.write(corpus / "s1_0.flac", np.full(3200, np.nan, "float32"), RATE, format="WAV", subtype="FLOAT")
    remake(corpus)
    assert check(corpus) == 1
    assert "s1_0.flac: 3200 of 3200 samples are NaN or infinite" in capsys.readouterr().err


def copy_audio(root: Path, source: str, target: str, dither: int = 0) -> None:
    samples, rate = soundfile.read(root / f"{source}.flac", dtype="int16")
    steps = np.random.default_rng(1).integers(-dither, dither + 1, len(samples)).astype("int16")
    soundfile.write(root / f"{target}.flac", samples + steps, rate)


@pytest.mark.parametrize("dither", [0, 2])
def test_identical_audio_within_a_part_is_a_warning(corpus, capsys, dither):
    copy_audio(corpus, "s2_0", "s2_1", dither)
    remake(corpus)
    assert check(corpus) == 0
    assert "identical audio under 2 ids: s2_0, s2_1" in capsys.readouterr().err
    hashes = dict(line.split("\t") for line in (corpus / "data/audio_hashes.tsv").read_text().splitlines())
    assert hashes["s2_0"] == hashes["s2_1"]


@pytest.mark.parametrize("dither", [0, 2])
def test_identical_audio_across_parts_is_an_error(corpus, capsys, dither):
    copy_audio(corpus, "s2_0", "s3_0", dither)
    head, *lines = (corpus / "t.tsv").read_text().splitlines()
    (corpus / "t.tsv").write_text("\n".join([f"{head}\tfold", *(f"{line}\t{line[:2]}" for line in lines)]))
    remake(corpus)
    assert check(corpus) == 1
    error = capsys.readouterr().err
    assert "identical audio in two parts of protocol official_folds" in error
    assert "s2_0 (" in error and "s3_0 (" in error


def test_two_takes_of_a_sentence_are_not_identical(corpus, capsys):
    samples, rate = soundfile.read(corpus / "s2_0.flac", dtype="float32")
    soundfile.write(corpus / "s3_0.flac", samples + 0.2 * noise(99, 1)[: len(samples)], rate)
    remake(corpus)
    assert check(corpus) == 0
    assert "identical" not in capsys.readouterr().err


def test_an_edited_split_is_checked(corpus, capsys):
    remake(corpus)
    path = corpus / "data/splits/speaker_folds.tsv"
    whole = path.read_text()
    for old, new, message in (
            ("s0_0\t1\ttest", "s0_0\t1\ttrain", "speaker s0 is in train (s0_0) and in test (s0_1)"),
            ("s0_0\t1\ttest", "nobody\t1\ttest", "'nobody' is no utterance of the data set"),
            ("s0_0\t1\ttest", "s0_0\t1\teval", "expected id, fold number and one of train, dev, test"),
            ("s0_0\t1\ttest", "s0_1\t1\ttest", "s0_1 occurs twice in fold 1"),
            ("id\tfold", "key\tfold", "the first line must be")):
        assert old in whole
        path.write_text(whole.replace(old, new))
        assert check(corpus) == 1
        assert message in capsys.readouterr().err


def test_a_class_that_a_part_lacks_is_a_warning(corpus, capsys):
    lines = (corpus / "t.tsv").read_text().replace("s5_1.flac\tglad", "s5_1.flac\tsad")
    (corpus / "t.tsv").write_text(lines)
    remake(corpus)
    assert check(corpus) == 0
    assert "test has no glad" in capsys.readouterr().err


def test_a_directory_that_is_no_data_set(tmp_path, capsys):
    assert run_main(validate.main, [str(tmp_path)]) == 1
    assert "run steps/prepare_data.sh" in capsys.readouterr().err
