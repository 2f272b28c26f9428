"""Why pip failed, in one line, from what pip really prints."""

from __future__ import annotations

import pytest

from utils.setup.pip_log import why_pip_failed

NO_VERSION = """Collecting tinytool==9
ERROR: Could not find a version that satisfies the requirement tinytool==9 (from versions: 1.0, 1.1)
ERROR: No matching distribution found for tinytool==9
"""
NOTHING = """ERROR: Could not find a version that satisfies the requirement k2 (from versions: none)
ERROR: No matching distribution found for k2
"""
NETWORK = """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip._vendor.u: \
Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/
ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)
ERROR: No matching distribution found for torch==2.13.0
"""
DISK = """Collecting torch==2.13.0
  Downloading torch-2.13.0-cp311.whl (191.8 MB)
Installing collected packages: torch
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
"""
CONFLICT = """ERROR: Cannot install a==1 and b==2 because these package versions have conflicting dependencies.
The conflict is caused by:
ERROR: ResolutionImpossible: for help visit https://pip.example/
"""
BUILD = """  Building wheel for soundthing (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error
      src/x.c:4:10: fatal error: sndfile.h: No such file or directory
  ERROR: Failed building wheel for soundthing
ERROR: Could not build wheels for soundthing, which is required to install pyproject.toml-based projects
"""
OTHER = "Traceback (most recent call last):\n  File x\nValueError: bad zip\n"


@pytest.mark.parametrize("log, words", [
    (NO_VERSION, ("tinytool==9", "no such version", "1.0, 1.1")),
    (NOTHING, ("k2", "none at all")),
    (NETWORK, ("torch==2.13.0", "cannot be reached", "proxy")),
    (DISK, ("no space left", "torch")),
    (CONFLICT, ("a==1 and b==2", "exclude each other")),
    (BUILD, ("soundthing", "no wheel", "sndfile.h")),
    (OTHER, ("ValueError: bad zip",)),
    ("", ("pip said nothing",))])
def test_cause(log: str, words: tuple[str, ...]) -> None:
    line = why_pip_failed(log)
    assert "\n" not in line
    assert all(word in line for word in words), line
