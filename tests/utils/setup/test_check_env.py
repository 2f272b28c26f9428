"""The table of the environment: a line a subject, "ok" or what to do, whatever is broken."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SUBJECTS = ["Python", "torch", "CUDA", "GPU", "k2", "lhotse", "opensmile", "PyAV", "espeak", "Slurm", "SGE"]


def table(**env: str) -> dict[str, str]:
    done = subprocess.run([str(ROOT / "utils/check_env.sh")], env={**os.environ, **env}, capture_output=True, text=True,
                          cwd="/")
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == SUBJECTS
    return {line.split()[0]: line for line in lines}


def test_broken_packages_are_lines_with_advice(tmp_path: Path) -> None:
    broken = {"torch": "import os; os.abort()", "k2": "raise OSError('libk2.so: undefined symbol')",
              "lhotse": "raise ImportError('No module named x', name='x')", "opensmile": "1 / 0",
              "av": "raise ImportError('libav: no such file')", "espeakng_loader": "raise SystemExit(3)"}
    for name, code in broken.items():
        (tmp_path / f"{name}.py").write_text(code + "\n")
    lines = table(PYTHONPATH=f"{tmp_path}:{ROOT}")
    for name in ("torch", "k2", "lhotse", "opensmile", "PyAV", "espeak"):
        assert not lines[name].endswith("ok") and "setup" in lines[name], lines[name]
    assert "undefined symbol" in lines["k2"] and "division by zero" in lines["opensmile"]
    assert lines["Python"].endswith("ok")


def test_cluster_commands_that_are_there(tmp_path: Path) -> None:
    for name in ("sbatch", "qsub"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    for name in ("torch", "k2", "lhotse", "opensmile", "av", "espeakng_loader"):
        (tmp_path / f"{name}.py").write_text("__version__ = '1'\n")
    lines = table(PYTHONPATH=f"{tmp_path}:{ROOT}", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert str(tmp_path / "sbatch") in lines["Slurm"] and str(tmp_path / "qsub") in lines["SGE"]
