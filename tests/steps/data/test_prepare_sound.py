"""What preparation sees of recordings: wrong lengths, foreign formats, files that are no recordings."""

import struct

import numpy as np
import pytest
import soundfile

from steps.data import prepare
from steps.data.dataset import Dataset
from tests.steps.data.audio.sounds import encode, sine, with_flac_total
from utils.errors import run_main


@pytest.fixture
def corpus(tmp_path):
    """Six speakers, two recordings each; gives the directory and what prepares it."""
    lines = ["path\temotion\tspeaker"]
    for s in range(6):
        for n in range(2):
            soundfile.write(tmp_path / f"s{s}_{n}.wav", 0.1 * sine(16000, 0.3 + 0.01 * (2 * s + n)), 16000)
            lines.append(f"s{s}_{n}.wav\t{('sad', 'glad')[n]}\ts{s}")
    (tmp_path / "t.tsv").write_text("\n".join(lines))
    return tmp_path


def made(root) -> int:
    return run_main(prepare.main, ["--table", str(root / "t.tsv"), str(root / "data")])


def test_lengths_are_those_of_decoding_and_wrong_ones_are_warnings(corpus, capsys):
    soundfile.write(corpus / "x.flac", sine(16000), 16000)
    (corpus / "s0_0.wav").write_bytes(with_flac_total((corpus / "x.flac").read_bytes(), 0))
    soundfile.write(corpus / "s1_0.wav", sine(16000), 16000)
    whole = (corpus / "s1_0.wav").read_bytes()
    (corpus / "s1_0.wav").write_bytes(whole[:40] + struct.pack("<I", 4000) + whole[44:])
    encode(corpus / "a.m4a", "alac")
    (corpus / "a.m4a").rename(corpus / "s2_0.wav")
    assert made(corpus) == 0
    items = Dataset.open(corpus / "data").items
    assert [items[key].duration for key in ("s0_0", "s1_0", "s2_0")] == [0.5, 0.125, 0.5]
    error = capsys.readouterr().err
    assert "warning: no stated length in 1 of 12 recordings" in error
    assert "warning: bytes after the end in 1 of 12 recordings" in error and "12 kB after the end" in error
    assert len((corpus / "data/headers.tsv").read_text().splitlines()) == 3


def test_a_header_that_promises_2_to_the_36_samples_is_refused_in_a_line(corpus, capsys):
    soundfile.write(corpus / "x.flac", sine(16000), 16000)
    (corpus / "s0_0.wav").write_bytes(with_flac_total((corpus / "x.flac").read_bytes(), 2**36 - 1))
    assert made(corpus) == 1
    error = capsys.readouterr().err
    assert "s0_0.wav: its header promises 68719476735 samples" in error and error.count("\n") == 1


def test_pointers_of_git_lfs_are_one_line_for_all(corpus, capsys):
    for s in range(6):
        (corpus / f"s{s}_0.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert made(corpus) == 1
    error = capsys.readouterr().err
    assert "6 of 12 recordings are git-lfs pointers, not recordings" in error
    assert f"run git lfs pull in {corpus}" in error and error.count("\n") == 1


def test_pointers_say_more_than_that_a_corpus_is_not_whole(tmp_path, capsys):
    (tmp_path / "AudioWAV").mkdir()
    for actor in (1001, 1002):
        (tmp_path / f"AudioWAV/{actor}_IEO_ANG_XX.wav").write_text("version https://git-lfs.github.com/spec/v1\nx\n")
    assert run_main(prepare.main, ["--corpus", "crema_d", "--corpus-dir", str(tmp_path), str(tmp_path / "data")]) == 1
    error = capsys.readouterr().err
    assert "2 of 2 recordings are git-lfs pointers" in error and error.count("\n") == 1


def test_companions_of_macos_are_passed_over_and_counted(corpus, capsys):
    lines = (corpus / "t.tsv").read_text()
    for s in range(3):
        (corpus / f"._s{s}_0.wav").write_bytes(b"\x00\x05\x16\x07" + bytes(100))
        lines += f"\n._s{s}_0.wav\tsad\ts{s}"
    (corpus / "t.tsv").write_text(lines)
    assert made(corpus) == 0 and len(Dataset.open(corpus / "data").items) == 12
    assert "3 files ._*, which macOS leaves beside others, are passed over" in capsys.readouterr().err


def test_given_features_that_git_lfs_has_not_fetched(corpus, capsys):
    (corpus / "f.npy").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    np.save(corpus / "g.npy", np.ones((3, 2), "float32"))
    (corpus / "t.tsv").write_text("features\temotion\tspeaker\tend\nf.npy\tsad\ta\t1\ng.npy\tglad\tb\t1\n")
    assert made(corpus) == 1 and "a git-lfs pointer" in capsys.readouterr().err
