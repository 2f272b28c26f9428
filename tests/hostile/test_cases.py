"""Situations from public bug reports behave as their README says.

EMOTION_CASES names a directory with NN-name/{README,run.sh}. A case runs as `P=checkout M=exported_model OUT=directory
bash run.sh` and prints what a user would see; EXPECTED holds what that must and must not contain.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.hostile.replay import copy_checkout

CASES = Path(os.environ.get("EMOTION_CASES") or "/nonexistent")


@dataclasses.dataclass(frozen=True)
class Expected:
    """Of one case: patterns that are found, in this order, and patterns that are not."""

    found: tuple[str, ...]
    absent: tuple[str, ...] = ()


UNREAD = (r"Format not recognized", r"not audio that can be read", r"could not be read")
EXPECTED = {
    "01-flac-unknown-length": Expected(
        (r'"seconds": (1\.9|2\.0)', r"exit 0", r"24 utterances, 0\.00 h", r"exit 0", r"exit 0"), ("array is too big",)),
    "02-wav-placeholder-length": Expected(
        (r'"file": "data_size_0\.wav".*"seconds": (1\.|2\.0)', r"exit 0",
         r'"file": "data_size_2e9\.wav".*"seconds": (1\.|2\.0)', r"exit 0"), ("truncated", "no samples")),
    "05-appledouble": Expected(
        (r'good\.mp3", "emotion"', r"exit 0", r'with/good\.mp3", "emotion"', r"exit 0", r'dir/ref\.wav", "emotion"',
         r"exit 0"), (r"\._", "resource fork", *UNREAD)),
    "06-antiphase-and-silence": Expected(
        (r'"file": "antiphase\.wav".*cancel', r"exit 0", r'"file": "silence\.wav".*silence', r"exit 0",
         r"warning: .*antiphase")),
    "08-git-lfs-pointers": Expected((r"error: .*git.lfs pull", r"exit 1", r"error: .*git.lfs pull", r"exit 1"), UNREAD),
    "09-phone-and-browser-files": Expected(
        (r"# one file", r'a\.m4a", "emotion"', r"exit 0", r'b\.wav", "emotion"', r"exit 0", r"# directory of 4",
         r'a\.amr", "emotion"', r'a\.m4a", "emotion"', r'a\.webm", "emotion"', r'ref\.wav", "emotion"', r"exit 0",
         r"# directory of m4a only", r'a\.m4a", "emotion"', r"exit 0"), UNREAD),
    "10-own-utils-package": Expected(
        (r"# utils/__init__\.py here", r'"emotion"', r"exit 0", r"exit 0", r"# random\.py here", r'"emotion"',
         r"exit 0"), ("utils.arguments", "cannot import")),
    "11-script-location": Expected(
        (r"# CDPATH", r'"emotion"', r"usage: prepare_data\.sh", r"made egs/h3cdpath", r"# link", r'"emotion"'),
        ("No such file",)),
    "12-crlf-checkout": Expected((r"Usage: ", r"exit 0", r"Usage: "), (r"bash\\r", "invalid option")),
    "13-unicode-and-spelled-speakers": Expected(
        (r"# \(a\)", r"24 utterances", r"exit 0", r"\(b\) form", r"6 speakers", r"check: 0 of", r"\(b\) case",
         r"warning", r"check: 0 of", r"\(b\) number", r"warning", r"check: 0 of", r"\(b\) space", r"6 speakers",
         r"check: 0 of")),
    "14-meld-as-unpacked": Expected(
        (r"(is10: 8[47] utterances, \d+ columns, 0 failed|train_splits)",), ("no recording to compute",)),
    "16-lists-of-kaldi-and-notepad": Expected(
        (r"# wav\.scp", r'"emotion"', r"exit 0", r"# pipe\.scp", r"error: .*pipe", r"exit [12]", r"# mark\.tsv",
         r'"emotion"', r"exit 0", r"# utf16\.txt", r'("emotion"|error: .*UTF-16)'), ("feffpath", "null byte")),
    "18-nan-labels": Expected((r"nan",), (r"classes .*nan", r"test has no nan", r"  nan  ")),
    "19-chained-streams": Expected(
        (r"# chained\.opus", r'"seconds": (3\.9|4\.0)', r"# chained\.mp3", r'"seconds": (3\.9|4\.)',
         r"# header_short\.wav", r'"seconds": (0\.25|1\.0)'), ("error",)),
    "20-one-utterance-a-speaker": Expected(
        (r"24 of 24 speakers have one utterance", r"norm-global", r"norm-speaker")),
}
"""By the name of the case. What a README leaves open stands as an alternative in the pattern."""


def found() -> list[str]:
    """The cases that are there."""
    return sorted(path.parent.name for path in CASES.glob("*/run.sh"))


def unmet(printed: str, expected: Expected) -> list[str]:
    """What is wrong with that which a case printed."""
    faults = [f"{pattern!r} is printed" for pattern in expected.absent if re.search(pattern, printed)]
    place = 0
    for pattern in expected.found:
        match = re.compile(pattern).search(printed, place)
        if match is None:
            return [*faults, f"{pattern!r} is not printed where it is expected"]
        place = match.end()
    return faults


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A checkout of which the cases may take a clone, and in which they may make recipes."""
    return copy_checkout(tmp_path_factory.mktemp("cases") / "house")


def test_expectations_are_met_in_their_order_or_named():
    expected = Expected(("a", "b"), ("c",))
    assert unmet("a\nb", expected) == []
    assert unmet("b\na", expected) == ["'b' is not printed where it is expected"]
    assert unmet("abc", expected) == ["'c' is printed"]


@pytest.mark.skipif(not found(), reason=f"no cases: EMOTION_CASES is {os.environ.get('EMOTION_CASES') or 'not set'}")
def test_every_case_has_an_expectation():
    unknown = [name for name in found() if name not in EXPECTED]
    assert not unknown, f"add what {', '.join(unknown)} must print to EXPECTED in {__file__}"


@pytest.mark.slow
@pytest.mark.skipif(not found(), reason=f"no cases: EMOTION_CASES is {os.environ.get('EMOTION_CASES') or 'not set'}")
@pytest.mark.parametrize("name", [name for name in found() if name in EXPECTED] or ["none"])
def test_a_case_behaves_as_its_readme_says(name: str, house: Path, exported, tmp_path: Path):
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "EMOTION_DEBUG")}
    done = subprocess.run(["bash", str(CASES / name / "run.sh")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600, text=True, errors="backslashreplace",
                          env={**environment, "P": str(house), "M": str(exported("fusion_simplex")),
                               "OUT": str(tmp_path), "W": "100000"})
    assert "Traceback" not in done.stdout and 'File "' not in done.stdout, done.stdout
    assert not unmet(done.stdout, EXPECTED[name]), f"{(CASES / name / 'README').read_text()}\n{done.stdout}"
