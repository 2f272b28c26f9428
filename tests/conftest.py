"""What all tests share: child processes find the modules and the Python under test, install nothing, use one thread."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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


def pytest_report_header() -> list[str]:
    """Say which real corpora the tests see."""
    corpora = os.environ.get("EMOTION_CORPORA")
    return [f"corpora: {corpora or 'none (EMOTION_CORPORA is not set): tests on real recordings are skipped'}"]
