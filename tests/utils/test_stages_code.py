"""What a stage was made with: code and packages. A change gives one line, and counts with --strict-code."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.utils.toy_recipe import ROOT, Toy
from utils import loaded
from utils.setup.environment import normal_name, read_requirements
from utils.stages.code_hash import Code
from utils.stages.command import parse_command
from utils.stages.versions import Versions

KIND = '''"""A kind of model."""

import steps.fit.net


def fit():
    """Learn."""
    return 1  # one
'''


@pytest.fixture
def sources(tmp_path):
    """A small repository: a front end, a program, what it imports (some by name in a table), and what it does not."""
    for name, text in {
        "steps/train.sh": "#!/bin/sh\n# Train.\n. ../utils/front_end.sh\nusage() {\n  echo words, steps/other.sh\n}\n"
                          "exec python -m steps.fit.main --x\n",
        "utils/front_end.sh": "set -e\n", "steps/other.sh": "", "utils/job.sh": "dispatch\n",
        "steps/fit/main.py": "import os\nKINDS = {'a': 'steps.fit.kind:fit'}\n\ndef main():\n"
                             "    from utils import tool\n    from steps.fit.more import (\n        Net,\n    )\n"
                             "    f'local.speech.{os}'\n",
        "steps/fit/kind.py": KIND, "steps/fit/net.py": "import utils.deep.inner as inner\n", "steps/fit/more.py": "",
        "steps/fit/other.py": "", "steps/fit/__init__.py": "", "utils/tool.py": "import numpy\n",
        "utils/deep/inner.py": "", "local/mini.py": "RUN = 'beside.py'\n", "local/beside.py": "",
        "local/speech/one.py": "", "utils/jobs/task.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def closure(root, *words):
    return Code(root).of(list(words), parse_command(list(words)))


def changed(root, recorded, name, text):
    """What counts as changed when a file has this text."""
    before = (root / name).read_text()
    (root / name).write_text(text)
    found = Code(root).changed(recorded)
    (root / name).write_text(before)
    return found


def test_before_it_has_run_the_code_of_a_stage_is_the_closure_of_its_imports_tables_of_names_and_scripts(sources):
    assert set(closure(sources, "steps/train.sh", "--corpus", "mini", "--corpus-dir", "/x")) == {
        "steps/train.sh", "utils/front_end.sh", "steps/fit/main.py", "steps/fit/kind.py", "steps/fit/net.py",
        "steps/fit/more.py", "utils/tool.py", "utils/deep/inner.py", "local/mini.py", "local/beside.py",
        "local/speech/one.py"}


def test_the_closure_of_a_training_has_its_kinds_models_baselines_and_trainer():
    files = closure(ROOT, "steps/train_subsystem.sh", "--config", "multitask_dnn")
    assert {f"steps/{name}.py" for name in ("subsystems/network", "subsystems/classical", "models/multitask_dnn",
                                            "models/svm", "training/trainer")} <= set(files)
    assert "steps/train_subsystem.sh" in files and not any(name.startswith("utils/jobs/") for name in files)


@pytest.mark.parametrize(("name", "old", "new", "counts"), [
    ("steps/fit/kind.py", "return 1  # one", "return 1", False),
    ("steps/fit/kind.py", '"""Learn."""', "'''Fit.'''", False),
    ("steps/fit/kind.py", "return 1", "return (1)", False), ("steps/fit/kind.py", "return 1", "return 2", True),
    ("steps/train.sh", "# Train.", "# Train all.", False), ("steps/train.sh", "echo words", "echo help", False),
    ("steps/train.sh", "--x", "--y", True), ("utils/front_end.sh", "set -e", "set -eu", True),
])
def test_comments_docstrings_and_help_are_no_code(sources, name, old, new, counts):
    code = Code(sources)
    recorded = code.record(closure(sources, "steps/train.sh"))
    text = (sources / name).read_text()
    assert old in text and changed(sources, recorded, name, text.replace(old, new)) == ([name] if counts else [])


def test_a_marker_that_knows_contents_only_still_tells_changes(sources):
    recorded = closure(sources, "steps/train.sh")
    assert Code(sources).changed(recorded) == []
    assert changed(sources, recorded, "utils/tool.py", "import scipy\n") == ["utils/tool.py"]


def test_a_module_is_one_digest_with_what_it_imports_of_its_room(sources):
    before = Code(sources).digest("local/mini.py")
    (sources / "local/beside.py").write_text("# said\n")
    assert Code(sources).digest("local/mini.py") == before
    (sources / "local/beside.py").write_text("x = 1\n")
    assert Code(sources).digest("local/mini.py") != before and Code(sources).digest("local/no.py") == "absent"


def test_a_process_tells_what_it_has_loaded_and_not_how_it_was_dispatched(tmp_path):
    program = ("import sys, types\nfrom utils.errors import run_main\nimport utils.csv_table, utils.jobs.options\n"
               "sys.modules['opensmile_binding'] = types.ModuleType('x')\nsys.exit(run_main(lambda _: 3))")
    for _ in range(2):
        done = subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, env={**os.environ, loaded.DIRECTORY: str(
            tmp_path / "code")})
        assert done.returncode == 3
    files, packages = loaded.read(tmp_path / "code")
    assert {"utils/csv_table.py", "utils/errors.py"} <= files and packages == {"opensmile"}
    assert not any(name.startswith("utils/jobs/") for name in files)
    assert len(list((tmp_path / "code").iterdir())) == 1, "the same is told once"


def test_every_required_package_is_looked_at_or_named_here_as_one_that_makes_no_result():
    others = {"urllib3", "pyyaml", "matplotlib", "tensorboard", "tqdm"}
    required = {normal_name(name) for name, _ in read_requirements(str(ROOT / "conf/requirements.txt"))}
    assert required - others <= set(loaded.PACKAGES.values())


CODE = ('stage 1 "Code" --out a.tsv -- bash -c "$set; echo 1 > a.tsv"\n'
        'stage 2 "Next" --in a.tsv --out b.tsv -- ./do b b.tsv\nrun_stages\n')
LOADS = f"PYTHONPATH={ROOT} python -c 'import sys; import utils.csv_table; from utils.errors import run_main; " \
        "sys.exit(run_main(lambda _: 0))'"


def edited(toy: Toy, old: str, new: str) -> None:
    """Edit a marker rather than the repository's own code, or the environment: it then says that they were others."""
    text = toy.record(1).read_text()
    assert old in text
    toy.record(1).write_text(text.replace(old, new))


def test_changed_code_is_announced_in_one_line_and_reruns_only_when_asked(tmp_path):
    toy = Toy(tmp_path / "recipe", CODE)
    assert toy.run("--set", LOADS).returncode == 0
    code = toy.marker(1)["code"]
    assert "utils/csv_table.py" in code and "utils/arguments.py" not in code
    assert "note:" not in toy.run("--set", LOADS).stdout
    edited(toy, code["utils/csv_table.py"], "0" * 16)
    result = toy.run("--set", LOADS)
    notes = [line for line in result.stdout.splitlines() if line.startswith("note:")]
    assert notes == ["note: the code of stage 1 changed since it ran (utils/csv_table.py); --strict-code would run it "
                     "again"]
    assert toy.calls == []
    result = toy.run("--set", LOADS, "--strict-code")
    assert "1  Code: runs: the code in utils/csv_table.py changed" in result.stdout and toy.calls == ["b"]
    assert "note:" not in toy.run("--set", LOADS).stdout


@pytest.mark.slow
def test_a_command_that_loads_nothing_of_ours_has_the_closure_of_what_it_names(tmp_path):
    toy = Toy(tmp_path / "recipe", 'stage 1 "A" --out a.tsv -- bash -c "echo 1 > a.tsv" -- python -m utils.loaded_not '
                                   '-m utils.differences\nrun_stages\n')
    toy.run()
    assert list(toy.marker(1)["code"]) == ["utils/differences.py"]


@pytest.mark.slow
def test_what_an_attempt_that_broke_off_has_loaded_is_code_of_the_stage(tmp_path):
    toy = Toy(tmp_path / "recipe", CODE)
    toy.write("first", "")
    command = f"if [ -e first ]; then rm first; {LOADS}; exit 1; fi"
    assert toy.run("--set", command).returncode == 1
    assert toy.run("--set", command).returncode == 0
    assert "utils/csv_table.py" in toy.marker(1)["code"]


@pytest.mark.slow
def test_with_strict_code_an_unfinished_stage_whose_code_changed_begins_anew(tmp_path):
    toy = Toy(tmp_path / "recipe", CODE)
    command = f"echo >> kept; {LOADS}; exit 1"
    toy.run("--set", command)
    assert toy.run("--set", command, "--strict-code").stdout.count("the code in") == 0
    started = toy.record(1, "started.")
    value = json.loads(started.read_text())["code"].get("utils/csv_table.py")
    assert value is None, "nothing names it before it is loaded"
    code = Code(ROOT).record(Code(ROOT).hashes(["utils/csv_table.py"]))["utils/csv_table.py"]
    for there, says in ((code, False), ("0" * 16, True)):
        record = json.loads(started.read_text())
        started.write_text(json.dumps({**record, "code": {"utils/csv_table.py": there}}))
        told = toy.run("--set", command, "--strict-code", "--dry-run").stdout
        assert ("the code in utils/csv_table.py changed" in told) == says


@pytest.mark.slow
def test_tasks_of_an_array_and_the_stages_of_a_recipe_within_one_tell_their_code_too(tmp_path):
    inner = Toy(tmp_path / "inner", f'stage 1 "In" --out a.tsv -- bash -c {shlex.quote(LOADS + "; echo 1 > a.tsv")}\n'
                                    "run_stages\n")
    program = tmp_path / "task.py"
    program.write_text("import sys\nimport utils.differences\nfrom utils.errors import run_main\n"
                       "sys.exit(run_main(lambda _: 0))\n")
    toy = Toy(tmp_path / "outer", f"""
stage 1 "Array" --out log -- "$ROOT/utils/job.sh" JOB=1:2 "log/x.{{JOB}}.log" env PYTHONPATH={ROOT} python {program}
stage 2 "Nested" --out b.tsv -- bash -c '{inner.path}/run.sh; echo > b.tsv'
run_stages
""")
    result = toy.run()
    assert result.returncode == 0, result.stderr
    assert "utils/differences.py" in toy.marker(1)["code"] and "utils/csv_table.py" in toy.marker(2)["code"]
    assert inner.run().returncode == 0 and not list(toy.path.glob("**/*.tmp"))


@pytest.mark.slow
def test_another_version_of_a_package_is_told_in_one_line_and_reruns_only_when_asked(tmp_path):
    toy = Toy(tmp_path / "recipe", CODE)
    command = LOADS.replace("import utils.csv_table", "sys.modules[\"opensmile_binding\"] = sys")
    assert toy.run("--set", command).returncode == 0
    now = Versions().now["opensmile"]
    assert toy.marker(1)["packages"] == {"opensmile": now}
    edited(toy, f'"opensmile": "{now}"', '"opensmile": "2.5.0"')
    result = toy.run("--set", command)
    assert f"note: stage 1 ran with other versions: opensmile 2.5.0 (now {now}); --strict-code" in result.stdout
    assert toy.calls == []
    assert f"it ran with opensmile 2.5.0 (now {now})" in toy.run("--set", command, "--why", "1").stdout
    result = toy.run("--set", command, "--strict-code")
    assert f"runs: it ran with opensmile 2.5.0 (now {now})" in result.stdout and toy.calls == ["b"]


def test_without_an_environment_versions_are_unknown_and_none_has_changed(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert Versions().changed({"torch": "2.4.0"}) == []
