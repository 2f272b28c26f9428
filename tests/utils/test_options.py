"""Options of a recipe: what is accepted, what is refused with one line, and that no value is ever evaluated."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.patience import PATIENCE, least_processor_seconds

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """#!/usr/bin/env bash
# First line of the description.
# Second line.

# not part of the help
set -euo pipefail
. "{root}/utils/recipe.sh"
option corpus-dir "" "where the recordings are"
option nj 2 "parallel tasks" --int --free
option limit "" "at most so many" --int
option set "" "key=value"
option shout false "loud" --choices "true false"
option value v "names of the parser's own variables are harmless"
option name n "as above"
option word w "as above"
option cluster local "where" --free --was grid
parse_options "$@"
derived=exp/$name
printf '%s\\0' "$corpus_dir" "$nj" "$limit" "$set" "$shout" "$value" "$name" "$word" "$derived" "$stage" \\
  "$stop_stage" "$why" "$dry_run" "$force" "$strict_code" "$trust_earlier" "$debug" \\
  "$EMOTION_CLUSTER" "${{EMOTION_DRY_RUN-}}"
"""
NAMES = ["corpus_dir", "nj", "limit", "set", "shout", "value", "name", "word", "derived", "stage", "stop_stage", "why",
         "dry_run", "force", "strict_code", "trust_earlier", "debug", "cluster", "dry"]


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "run.sh"
    path.write_text(RECIPE.format(root=ROOT))
    return path


def run(recipe: Path, *arguments: str, env=None) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", str(recipe), *arguments], capture_output=True, text=True, cwd=recipe.parent,
                          timeout=PATIENCE, env=env)


def values(recipe: Path, *arguments: str, env=None) -> dict[str, str]:
    done = run(recipe, *arguments, env=env)
    assert done.returncode == 0, done.stderr
    return dict(zip(NAMES, done.stdout.split("\0")[:-1], strict=True))


def test_defaults_hold_without_options_and_the_environment_does_not_leak_in(recipe):
    found = values(recipe, env={**os.environ, "name": "leak", "stage": "7", "set": "leak", "EMOTION_DRY_RUN": "1"})
    assert found["name"] == "n" and found["stage"] == "" and found["set"] == "" and found["dry"] == ""
    assert found["nj"] == "2" and found["cluster"] == "local" and found["force"] == "false"


def test_both_spellings_and_what_is_derived_afterwards(recipe):
    found = values(recipe, "--name", "mine", "--nj=08", "--corpus-dir", "/a b/c", "--stage", "03", "--stop-stage=5",
                   "--force", "--strict-code", "--trust-earlier", "--debug", "--cluster", "slurm", "--shout", "true")
    assert found["derived"] == "exp/mine"
    assert found["nj"] == "8" and found["stage"] == "3" and found["stop_stage"] == "5"
    assert found["corpus_dir"] == "/a b/c" and found["cluster"] == "slurm" and found["shout"] == "true"
    assert [found[name] for name in ("force", "strict_code", "trust_earlier", "debug", "dry_run")] \
        == ["true", "true", "true", "true", "false"]
    assert values(recipe, "--dry-run")["dry"] == "1" and values(recipe, "--why", "2")["dry"] == "1"


@pytest.mark.parametrize("value", ["$(touch x)", "`touch x`", "a;touch x", "'\"\\", "a\nb", "(a b)", "", " ", "*",
                                   "-1", "--looks-like-an-option", "ä=€", "a[$(touch x)]=1", "%s%n"])
def test_a_value_arrives_as_it_was_written_and_is_never_evaluated(recipe, value):
    assert values(recipe, f"--set={value}")["set"] == value
    if not value.startswith("--"):
        assert values(recipe, "--set", value)["set"] == value
    assert sorted(path.name for path in recipe.parent.iterdir()) == ["run.sh"]


@pytest.mark.parametrize(("arguments", "named"), [
    (["--stage"], "--stage"), (["--stage", "foo"], "foo"), (["--stage", "-1"], "-1"), (["--stage", "1.5.2"], "1.5.2"),
    (["--stage", ""], "--stage"), (["--stage="], "--stage"), (["--stage", "--force"], "--stage"),
    (["--stop-stage", "x"], "x"), (["--why"], "--why"), (["--why", "all"], "all"),
    (["--nj"], "--nj"), (["--nj", "--set"], "--nj"), (["--nj", "two"], "two"), (["--nj", ""], "--nj"),
    (["--nj", "99999999999999999999"], "--nj"), (["--nj", "1+1"], "1+1"), (["--limit", "x"], "x"),
    (["--shout", "yes"], "yes"), (["--shout"], "--shout"), (["--unknown", "1"], "--unknown"),
    (["--name_", "1"], "--name_"), (["--PATH", "/x"], "--PATH"), (["--derived", "x"], "--derived"),
    (["--force=true"], "--force"), (["--help=x"], "--help"), (["stray"], "stray"), (["-n", "1"], "-n"), (["--"], "--"),
    (["--=x"], "--"), (["--set"], "--set"), (["a\nb"], "a b"),
])
def test_a_mistake_is_one_line_and_status_2(recipe, arguments, named):
    done = run(recipe, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and named in done.stderr


def test_a_near_name_is_suggested(recipe):
    assert "--corpus-dir?" in run(recipe, "--corpus_dir", "x").stderr
    assert "--corpus-dir?" in run(recipe, "--corpus", "x").stderr


def test_an_integer_may_be_empty_only_where_its_default_is(recipe):
    assert values(recipe, "--limit", "")["limit"] == ""


def test_help_names_every_option_with_its_default_and_starts_no_python(recipe, tmp_path):
    for name in ("python", "python3"):
        trap = tmp_path / "bin" / name
        trap.parent.mkdir(exist_ok=True)
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/python_ran\n")
        trap.chmod(0o755)
    variables = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done, seconds = least_processor_seconds(lambda: run(recipe, "--help", env=variables), 0.5)
    assert seconds < 0.5
    assert done.returncode == 0 and not (tmp_path / "python_ran").exists()
    assert "First line of the description." in done.stdout and "not part of the help" not in done.stdout
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("  --")}
    assert set(lines) == {"--corpus-dir", "--nj", "--limit", "--set", "--shout", "--value", "--name", "--word",
                          "--cluster", "--help", "--dry-run", "--stage", "--stop-stage", "--force", "--why",
                          "--show", "--stages", "--strict-code", "--trust-earlier", "--only", "--debug"}
    assert "(default: 2)" in lines["--nj"] and "true, false" in lines["--shout"]
    assert all("default" in line for name, line in lines.items() if name != "--help")


@pytest.mark.parametrize("declaration", [
    'option stage 1 "x"', 'option nj 1 "x"\noption nj 2 "x"', 'option Big 1 "x"', 'option "a b" 1 "x"', "option a",
    'option a 1 "x" --what', 'option a x "x" --int', 'option a c "x" --choices "a b"', 'option "a[0]" 1 "x"',
])
def test_a_wrong_declaration_is_refused(tmp_path, declaration):
    path = tmp_path / "run.sh"
    path.write_text(f'set -euo pipefail\n. "{ROOT}/utils/recipe.sh"\n{declaration}\nparse_options "$@"\necho reached\n')
    done = run(path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""


def test_the_earlier_name_of_an_option_is_accepted_with_a_note(recipe):
    for words in (["--grid", "slurm"], ["--grid=slurm"]):
        done = run(recipe, *words)
        assert done.returncode == 0 and done.stderr == "note: --grid is called --cluster now\n"
        assert dict(zip(NAMES, done.stdout.split("\0"), strict=False))["cluster"] == "slurm"
    assert "--grid" not in run(recipe, "--help").stdout


def test_an_earlier_name_of_a_value_is_taken_with_a_note(tmp_path):
    recipe = tmp_path / "run.sh"
    recipe.write_text(f'. "{ROOT}/utils/recipe.sh"\noption kind new help --choices "new other" --value-was old new\n'
                      'parse_options "$@"\nprintf "%s" "$kind"\n')
    done = run(recipe, "--kind", "old")
    assert (done.stdout, done.stderr) == ("new", "note: --kind old is called new now\n")
    assert run(recipe, "--kind", "other").stderr == "" and run(recipe, "--kind", "older").returncode == 2


@pytest.mark.parametrize(("line", "says"), [
    ("option b 1 help --was n", "option n is declared twice"), ("option a 1 help", "option a is declared twice"),
    ("option b 1 help --was a", "option a is declared twice"), ("option b 1 help --was", "earlier name")])
def test_an_earlier_name_is_no_other_option(tmp_path, line, says):
    recipe = tmp_path / "run.sh"
    recipe.write_text(f'. "{ROOT}/utils/recipe.sh"\noption n 1 help --was a\n{line}\n')
    done = run(recipe)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


def test_a_front_end_accepts_the_earlier_name_of_an_option(tmp_path):
    script = tmp_path / "step.sh"
    script.write_text(f'. "{ROOT}/utils/front_end.sh"\nnew="" all=false\nfront_end_renamed old new\n'
                      'front_end_renamed every all\n'
                      'front_end_options "new" "all" "$@"\necho "$new $all ${positional[*]}"\n')
    done = run(script, "x", "--old", "a b", "--every", "old")
    assert done.stdout == "a b true x old\n"
    assert done.stderr == "note: --old is called --new now\nnote: --every is called --all now\n"
