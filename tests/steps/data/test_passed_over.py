"""Sound files without an utterance are counted and named."""

from pathlib import Path

from steps.data.passed_over import passed_over
from utils.corpus import Row


def files(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def rows(*paths: Path) -> list[Row]:
    return [Row(path.stem, path) for path in paths]


def test_every_sound_file_of_a_corpus_without_an_utterance_is_told(tmp_path):
    known = files(tmp_path, "a/1.wav", "a/2.wav")
    assert passed_over(rows(*known), tmp_path) == []
    files(tmp_path, "a/._1.wav", "a/notes.txt", ".git/x.wav")
    assert passed_over(rows(*known), tmp_path) == []
    files(tmp_path, "a/3.WAV", "b/4.mp4", "b/c/5.mp4", "b/6.mp4")
    [line] = passed_over(rows(*known), tmp_path)
    assert line == f"4 sound files in {tmp_path} belong to no utterance (3 .mp4, 1 .wav): a/3.WAV, b/4.mp4, b/6.mp4 ..."


def test_a_link_to_a_directory_is_followed_and_a_circle_is_none(tmp_path):
    [path] = files(tmp_path, "data/1.wav")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/wav").symlink_to(tmp_path / "data")
    (tmp_path / "data/up").symlink_to(tmp_path / "corpus")
    known = rows(tmp_path / "corpus/wav/1.wav", *files(tmp_path, "corpus/0.wav"))
    assert passed_over(known, tmp_path / "corpus") == []
    files(tmp_path, "data/2.wav")
    assert passed_over(known, tmp_path / "corpus")[0].endswith("(1 .wav): wav/2.wav")


def test_of_a_table_only_the_directories_that_it_names_are_looked_at(tmp_path):
    known = files(tmp_path, "a/1.wav", "elsewhere/2.wav")[:1]
    assert passed_over(rows(*known), None) == []
    files(tmp_path, "a/3.wav")
    assert passed_over(rows(*known), None) == [f"1 sound files in {tmp_path}/a belong to no utterance (1 .wav): 3.wav"]
