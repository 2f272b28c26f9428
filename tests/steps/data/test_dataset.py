"""The reader: light to import, and clear about what is not there."""

import subprocess
import sys

import pytest

from steps.data.dataset import Dataset
from utils.errors import UserError


def test_opening_a_data_set_imports_nothing_heavy():
    code = ("import sys, steps.data.dataset, steps.data.prepare, steps.data.validate\n"
            "print([m for m in ('torch', 'lhotse', 'numpy', 'scipy', 'soundfile') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_damaged_data_set_says_what_to_do(tmp_path):
    (tmp_path / "corpus.json").write_text('{"name": "x", "task": "classification", "unit": "utterance", "label": "y"}')
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"cuts\.jsonl\.gz is damaged .* run steps/prepare_data.sh again"):
        _ = Dataset.open(tmp_path).items
    with pytest.raises(UserError, match="has no protocol 'x'; it has none"):
        Dataset.open(tmp_path).split("x")
