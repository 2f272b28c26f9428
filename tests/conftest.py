"""What all tests share: child processes find the modules and the Python under test, install nothing, use one thread."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ["PYTHONPATH"] = str(ROOT)
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
os.environ["EMOTION_NO_INSTALL"] = "1"
if sys.prefix != sys.base_prefix:
    # path.sh in a child takes the environment that runs the tests, whichever lane it is.
    os.environ["VIRTUAL_ENV"] = sys.prefix
for _name in ("EMOTION_ENVIRONMENT", "EMOTION_STAGE", "EMOTION_STAGE_INPUTS", "EMOTION_JOB", "EMOTION_RECIPE",
              "EMOTION_DRY_RUN", "EMOTION_FAULT", "EMOTION_FAULT_ONCE", "EMOTION_FAULT_LOG",
              "EMOTION_CLUSTER", "EMOTION_DEBUG", "PYTHONSAFEPATH", "PYTHONUTF8"):
    os.environ.pop(_name, None)
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "EMOTION_NUM_THREADS"):
    os.environ[_name] = "1"


pytest_plugins = ["tests.lab"]  # session fixtures: a small corpus of tones, trained on, exported


def pytest_configure() -> None:
    """An example of hypothesis may take as long as a busy machine needs."""
    from hypothesis import settings

    settings.register_profile("any load", deadline=None)
    settings.load_profile("any load")


@pytest.fixture(scope="session")
def latin_1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which there is a locale of ISO 8859-1, xx_XX.ISO-8859-1."""
    directory = tmp_path_factory.mktemp("locales")
    made = subprocess.run(["localedef", "-c", "-i", "POSIX", "-f", "ISO-8859-1", f"{directory}/xx_XX.ISO-8859-1"],
                          capture_output=True) if shutil.which("localedef") else None
    if made is None or not any(directory.iterdir()):
        pytest.skip("localedef makes no locale of ISO 8859-1 here")
    return {"LOCPATH": str(directory)}


def pytest_report_header() -> list[str]:
    """Say which real corpora the tests see."""
    corpora = os.environ.get("EMOTION_CORPORA")
    return [f"corpora: {corpora or 'none (EMOTION_CORPORA is not set): tests on real recordings are skipped'}"]
