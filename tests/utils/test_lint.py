"""Every script and module passes shellcheck and ruff (settings: .shellcheckrc, .ruff.toml)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[str]:
    """Files of the repository: those that git knows, and new ones that it does not ignore."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
                            cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def shell_scripts() -> list[str]:
    """Scripts by name, and those that only their first line tells."""
    scripts = []
    for name in tracked():
        path = ROOT / name
        if path.suffix == ".sh":
            scripts.append(name)
        elif not path.suffix:
            with path.open("rb") as stream:
                if stream.readline().startswith((b"#!/usr/bin/env bash", b"#!/bin/sh", b"#!/bin/bash")):
                    scripts.append(name)
    return scripts


def shellcheck(*arguments: str) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).parent / "shellcheck"
    command = str(beside) if beside.exists() else shutil.which("shellcheck")
    if command is None:
        pytest.skip("shellcheck is not there (utils/setup.sh installs it)")
    return subprocess.run([command, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_shellcheck_finds_nothing() -> None:
    scripts = shell_scripts()
    assert {"path.sh", "utils/setup.sh", ".ci/run", "tests/run.sh"} <= set(scripts)
    done = shellcheck(*scripts)
    assert done.returncode == 0, done.stdout


def test_shellcheck_sees_a_suppressed_set_e(tmp_path: Path) -> None:
    script = tmp_path / "bad.sh"
    script.write_text("#!/usr/bin/env bash\nset -e\nwork() { false; touch done; }\nif work; then echo ok; fi\n")
    done = shellcheck("--rcfile=.shellcheckrc", str(script)) if _has_rcfile() else shellcheck(
        "-o", "check-set-e-suppressed", str(script))
    assert "SC2310" in done.stdout


def _has_rcfile() -> bool:
    return "--rcfile" in shellcheck("--help").stdout


def test_ruff_finds_nothing() -> None:
    pytest.importorskip("ruff")
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "--quiet",
                           "--output-format", "concise", *tracked("*.py")],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_eval_pickle_or_shell() -> None:
    """The contracts forbid them; words in comments and strings do not count."""
    import ast

    for name in tracked("*.py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                assert called not in ("eval", "exec"), f"{name}:{node.lineno}"
                assert not any(word.arg == "shell" and getattr(word.value, "value", None) is True
                               for word in node.keywords), f"{name}:{node.lineno}: shell=True"
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "cPickle", "dill", "joblib"} & {module.split(".")[0] for module in modules}, name
    for name in shell_scripts():
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            assert not line.split("#")[0].strip().startswith("eval "), f"{name}:{number}: eval"


def test_text_files_are_utf8_in_every_locale() -> None:
    """Who opens a text file says its encoding; the locale's is that of a latin-1 terminal for some."""
    import ast

    for name in tracked("steps/*.py", "utils/*.py", "local/*.py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            words = {word.arg for word in node.keywords}
            modes = [word.value for word in [*node.args[1:2], *(word.value for word in node.keywords)]
                     if isinstance(word, ast.Constant) and isinstance(word.value, str)]
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            chosen = any(isinstance(word, ast.IfExp) for word in node.args[1:2])  # "wb" if fresh else "ab"
            opens = isinstance(node.func, ast.Name) and node.func.id == "open" and None not in words \
                and not chosen and not any("b" in mode for mode in modes)
            assert "encoding" in words or not (opens or method in ("read_text", "write_text")), f"{name}:{node.lineno}"
