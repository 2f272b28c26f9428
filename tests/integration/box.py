"""What the integration tests share: recordings, tables, a checkout for recipes, and commands run as a user does."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]

RUN = """#!/usr/bin/env bash
# A recipe of the tests: one small corpus from a table, one subsystem.
set -euo pipefail
cd "$(dirname "$(readlink -f "${{BASH_SOURCE[0]}}")")"
. ../../../utils/recipe.sh

option corpus-dir "../../../corpus" "directory with table.tsv"
option protocol   {protocol} "folds"
option norms      "global" "feature normalizations"
option seeds      "0" "seeds of each network"
option set        "" "key=value ... over every model configuration"
option size       full "full, or tiny" --choices "full tiny"
option nj         2 "parallel tasks" --int --free
option cluster    local "local, slurm, sge, or a YAML file" --free
parse_options "$@"

corpus=lab work=.
data=data/lab exp=exp

. "$ROOT/path.sh"
. ./cmd.sh
. "$ROOT/steps/stages.sh"

stage_prepare  1 --table "$corpus_dir/table.tsv"
stage_validate 2
stage_features 3 is10
stage_train    4 svm_is10 linear_svm is10
stage_permuted 5 is10
stage_audit    6
stage_score    7
stage_report   8
run_stages
"""
CMD = """#!/usr/bin/env bash
# shellcheck disable=SC2034,SC2154
cpu_cmd="$ROOT/utils/job.sh --mem 2G --num-threads 1"
train_cmd="$ROOT/utils/job.sh --mem 2G --num-threads 1"
"""


def tone(path: str | Path, seed: int, seconds: float = 0.1, rate: int = 16000, channels: int = 1) -> Path:
    """A recording whose pitch tells odd seeds from even ones; no two seeds give the same samples."""
    path = Path(path)
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * (120 + 200 * (seed % 2)) * time) + random.normal(0, 0.01, len(time))
    samples = np.stack([wave * (1 - 0.2 * channel) for channel in range(channels)], axis=1).astype("float32")
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), samples, rate, format="WAV")
    return path


def write_table(path: Path, rows: Sequence[Mapping[str, object]], head: str = "") -> Path:
    """A TSV as local/table.py reads it; `head` holds its "# key: value" lines. Writes missing recordings beside it."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["\t".join(columns)] + ["\t".join(str(row.get(column, "")) for column in columns) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    for number, row in enumerate(rows):
        if row.get("path") and "\\" not in str(row["path"]) and not (path.parent / str(row["path"])).exists():
            tone(path.parent / str(row["path"]), number)
    return path


def two_emotions(speakers: int = 6, per_speaker: int = 4) -> list[dict[str, str]]:
    """Rows with speakers apart in train, dev and test, a third of them each."""
    return [{"path": f"s{s}_{n}.wav", "emotion": ("glad", "sad")[(s * per_speaker + n) % 2], "speaker": f"s{s}",
             "part": ("train", "dev", "test")[3 * s // speakers]} for s in range(speakers) for n in range(per_speaker)]


def checkout(directory: Path) -> Path:
    """The repository under another path, so that what a recipe writes stays there; egs/ is empty."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("utils", "steps", "conf", "local", "path.sh"):
        (directory / name).symlink_to(ROOT / name)
    (directory / "egs").mkdir()
    return directory


def recipe(root: Path, protocol: str = "official", text: str = "") -> Path:
    """egs/lab/small/run.sh in a checkout; `text` instead of RUN. Returns the recipe's directory."""
    directory = root / "egs" / "lab" / "small"
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in (("run.sh", text or RUN.format(protocol=protocol)), ("cmd.sh", CMD)):
        (directory / name).write_text(content)
        (directory / name).chmod(0o755)
    return directory


def command(*words: str | Path, cwd: Path | None = None, prefix: Sequence[str] = (),
            **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the repository (steps/x.sh) or of a recipe (an absolute path)."""
    program = words[0] if Path(words[0]).is_absolute() else ROOT / words[0]
    return subprocess.run([*prefix, str(program), *map(str, words[1:])], cwd=cwd, capture_output=True, text=True,
                          errors="surrogateescape", timeout=1500, stdin=subprocess.DEVNULL,
                          env={**os.environ, **environment})


def error_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The error lines of a failed command, after checking that nothing looks like a program that broke."""
    assert done.returncode in (1, 2), f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
    for sign in ("Traceback", 'File "', "usage:", "command not found", "unbound variable"):
        assert sign not in done.stdout + done.stderr, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if not re.fullmatch(r"\d+/\d+ tasks done.*", line)]
    assert "error: " not in done.stdout, done.stdout
    assert all(line.startswith(("error: ", "warning: ", "note: ")) for line in lines), done.stderr
    return [line for line in lines if line.startswith("error: ")]


def only_error(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one error line of a command that ended with `status`."""
    lines = error_lines(done)
    assert done.returncode == status and len(lines) == 1, done.stderr
    return lines[0]


def stage_error(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The error line of the stage of a recipe, after checking that only the engine's closing line follows."""
    lines = error_lines(done)
    assert done.returncode == status and len(lines) == 2, done.stderr
    assert lines[1].startswith("error: stage ") and "take it up again with: " in lines[1], lines[1]
    return lines[0]
