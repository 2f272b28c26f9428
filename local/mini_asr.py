"""mini_asr: the second synthetic set of local/mini.py, without emotions, to train the recognizer of the mini recipes.

24 voices, 20 to train, 2 dev, 2 test; Mandarin and English. Made by
steps/synthesize_corpus.sh --corpus mini --set asr.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from local import mini
from utils.corpus import Row

CORPUS = dataclasses.replace(mini.CORPUS, name="mini_asr", targets=())
protocols = mini.protocols


def rows(corpus_dir: Path) -> list[Row]:
    """The rows of local/mini.py without an emotion."""
    return [dataclasses.replace(row, fields={name: value for name, value in row.fields.items() if name != "emotion"})
            for row in mini.rows(corpus_dir)]
