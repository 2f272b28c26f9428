"""Additions stay small: each patch applies to a copy of the repository, its own test passes, few files are touched."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = sorted(Path(__file__).parent.glob("*.patch"))
MOST = 3  # existing files


def files_of(patch: Path) -> tuple[list[str], list[str]]:
    """The existing files that a patch changes, and the new ones."""
    changed, new = [], []
    for old, name in re.findall(r"^--- (\S+)\n\+\+\+ b/(\S+)$", patch.read_text(encoding="utf-8"), re.M):
        (new if old == "/dev/null" else changed).append(name)
    return changed, new


def copy_of_repository(target: Path) -> Path:
    """What is under version control, as it is in the working tree."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def test_there_is_a_patch_for_every_line_of_the_table():
    table = re.findall(r"^\| `(\S+\.patch)`", (Path(__file__).parent / "README.md").read_text(), re.M)
    assert table == [path.name for path in PATCHES]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_an_addition_touches_few_files(patch):
    changed, new = files_of(patch)
    assert len(changed) <= MOST, changed
    assert any(name.startswith("tests/") for name in new), "an addition has a test"


@pytest.mark.slow
@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_an_addition_applies_and_its_test_passes(patch, tmp_path):
    copy = copy_of_repository(tmp_path / "copy")
    subprocess.run(["git", "apply", "--whitespace=error", str(patch)], cwd=copy, check=True)
    tests = [name for name in files_of(patch)[1] if re.fullmatch(r"tests/.*test_\w+\.py", name)]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
