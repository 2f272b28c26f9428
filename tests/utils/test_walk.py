"""Directories are looked through behind links, too, and circles end."""

from pathlib import Path

from utils.walk import files_below, walk


def test_links_to_directories_are_followed_each_once_and_circles_end(tmp_path):
    disk, corpus = tmp_path / "disk", tmp_path / "corpus"
    for name in ("disk/a/1.wav", "corpus/b/2.wav", "corpus/b/notes.txt", "corpus/.hidden/3.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (corpus / "linked").symlink_to(disk)
    (corpus / "again").symlink_to(disk)
    (disk / "back").symlink_to(corpus)
    (corpus / "self").symlink_to("self")
    (corpus / "gone.wav").symlink_to("nowhere")
    assert files_below(corpus, ".wav") == [corpus / ".hidden/3.wav", corpus / "again/a/1.wav", corpus / "b/2.wav"]
    for _, directories, _ in (pruned := walk(corpus)):
        directories[:] = [name for name in directories if not name.startswith(".")]
    assert next(pruned, None) is None and isinstance(files_below(corpus)[0], Path)
