"""A toy recipe in a temporary directory that uses the real utils/recipe.sh with trivial commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]

HEAD = """#!/usr/bin/env bash
# A toy recipe.
set -euo pipefail
cd "$(dirname "$0")"
. "{root}/utils/recipe.sh"
option nj 2 "parallel tasks" --int --free
option seeds "0" "seeds"
option set "" "overrides"
option color red "one of three" --choices "red green blue"
option corpus-dir audio "recordings"
parse_options "$@"
"""

STAGES = """
stage 1 "Prepare" --in table.tsv --in-audio "$corpus_dir" --out data/a.tsv -- ./do prepare --color "$color" data/a.tsv
stage 2 "Extract" --in data/a.tsv --out data/f -- ./do extract --nj "$nj" data/f
stage 3 "Other" --in table.tsv --out data/o -- ./do other --set "$set" data/o
stage 4 "Train" --in data/f --in data/a.tsv --out exp/t -- ./do train --seeds "$seeds" exp/t
run_stages
"""

DO = """#!/usr/bin/env bash
# ./do NAME [options] OUTPUT: note the call, then write the output (a file, or x in a directory).
set -euo pipefail
name=$1 out=${!#}
echo "$name $EMOTION_STAGE_INPUTS" >> calls
if [ -e "before.$name" ]; then . "./before.$name"; fi
case $out in
  *.tsv) mkdir -p "$(dirname "$out")"; echo "made by $name" > "$out" ;;
  *) mkdir -p "$out"; echo "made by $name" > "$out/x"; echo "$*" >> "$out/.kept" ;;
esac
if [ -e "after.$name" ]; then . "./after.$name"; fi
"""


class Toy:
    """The recipe's directory with four stages: 1 -> 2 -> 4, 1 -> 4, and 3 apart."""

    def __init__(self, directory: Path, stages: str = STAGES):
        self.path = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.write("do", DO).chmod(0o755)
        self.write("table.tsv", "a\tb\n")
        for name in ("1.wav", "sub/2.wav"):
            self.write(f"audio/{name}", "RIFF")
        self.recipe(stages)
        self.env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.env.pop("EMOTION_LEASH", None)

    def recipe(self, stages: str) -> None:
        self.write("run.sh", HEAD.format(root=ROOT) + stages).chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run ./run.sh; the calls of ./do since then are in `calls`."""
        (self.path / "calls").unlink(missing_ok=True)
        return subprocess.run([str(self.path / "run.sh"), *arguments], capture_output=True, text=True, timeout=PATIENCE,
                              env={**self.env, **env})

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        (self.path / "calls").unlink(missing_ok=True)
        return subprocess.Popen([str(self.path / "run.sh"), *arguments], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env={**self.env, **env}, start_new_session=True)

    @property
    def calls(self) -> list[str]:
        """Names of the commands that the last run called."""
        try:
            return [line.split()[0] for line in self.read("calls").splitlines()]
        except FileNotFoundError:
            return []

    @property
    def inputs(self) -> dict[str, str]:
        """EMOTION_STAGE_INPUTS of each command of the last run."""
        return dict(line.split() for line in self.read("calls").splitlines())

    def record(self, number: int, kind: str = "", work: str = "") -> Path:
        """The marker of a stage, or with kind="started." the record of its start; a path that is not there if none."""
        directory, pattern = self.path / work / ".stages", f"{number}.{kind}json"
        found = [path for path in directory.glob("*.json") if path.name.endswith(f".{pattern}") or path.name == pattern]
        return found[0] if found else directory / pattern

    def marker(self, number: int) -> dict:
        return json.loads(self.record(number).read_text())

    def wait_for(self, name: str) -> None:
        wait_until((self.path / name).exists)

    def wait_for_number(self, name: str) -> int:
        """The last number that is written to a file, once its line is whole."""
        self.wait_for(name)
        return int(wait_until(lambda: self.read(name).endswith("\n") and self.read(name)).split()[-1])
