"""AliMeeting: meetings of 2 to 4 people (Yu et al., ICASSP 2022), an array of 8 microphones and a headset each.

Layout: DIR/Train_Ali_far/{audio_dir,textgrid_dir}, DIR/Eval_Ali/Eval_Ali_far/..., DIR/Test_Ali/Test_Ali_far/...; the
same with `near`, one file a speaker. The headsets are taken where they are, else the first channel of the array. A tier
of the array's TextGrid is R0015_M0151_F_SPK1234 or F_SPK1234; R0015_M0151.TextGrid goes with R0015_M0151_MS002.wav.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from local.mandarin_speech.aishell4 import meeting_rows
from local.mandarin_speech.layout import require
from utils.corpus import Row

LISTS = {"Train": "train", "Eval": "dev", "Test": "test"}


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    for name, part in LISTS.items():
        inside = corpus_dir / f"{name}_Ali"
        base = inside if inside.is_dir() else corpus_dir
        near = base / f"{name}_Ali_near"
        directory = near if near.is_dir() else base / f"{name}_Ali_far"
        require(corpus_dir, "alimeeting", str(directory.relative_to(corpus_dir)))
        audio = {path.stem: path for path in sorted((directory / "audio_dir").glob("*.wav"))}
        for grid in sorted((directory / "textgrid_dir").glob("*.TextGrid")):
            for key, path in audio.items():
                if key == grid.stem or key.startswith(f"{grid.stem}_"):
                    kind = "headset" if directory == near else "array"
                    yield from meeting_rows("alimeeting", path, grid, part, _speaker(path, directory == near),
                                            microphone=kind)


def _speaker(path: Path, near: bool):
    """Tier name -> SPK1234; a headset's file name says whose it is."""
    return lambda tier: (path.stem if near else tier).rpartition("_")[2]
