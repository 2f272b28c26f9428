"""Set-up itself, with a small copy of the repository and packages of a few bytes: whole or not there."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.patience import PATIENCE, least_processor_seconds, read_until, wait_until

ROOT = Path(__file__).resolve().parents[3]


def make_wheel(directory: Path, name: str, version: str, requires: Sequence[str] = (), script: str = "") -> Path:
    """A wheel of one module `name` with `__version__`; `script` names a console script that prints sys.prefix."""
    stem = f"{name}-{version}"
    path = directory / f"{stem}-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {item}\n" for item in requires)
    files = {f"{name}.py": f"__version__ = {version!r}\n\ndef main():\n    import sys\n    print(sys.prefix)\n",
             f"{stem}.dist-info/METADATA": metadata,
             f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    if script:
        files[f"{stem}.dist-info/entry_points.txt"] = f"[console_scripts]\n{script} = {name}:main\n"
    files[f"{stem}.dist-info/RECORD"] = "".join(f"{file},,\n" for file in files)
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path


class House:
    """A copy of what set-up needs, in a directory with a space, with its own conf/ and its own wheels; no network."""

    def __init__(self, directory: Path):
        self.root = directory / "a clone"
        self.wheels = directory / "wheels"
        self.wheels.mkdir()
        (self.root / "conf/lock").mkdir(parents=True)
        (self.root / "utils").mkdir()
        shutil.copy(ROOT / "path.sh", self.root)
        for path in (*(ROOT / "utils").glob("*.py"), ROOT / "utils/setup.sh", ROOT / "utils/start.sh"):
            shutil.copy(path, self.root / "utils")
        shutil.copytree(ROOT / "utils/setup", self.root / "utils/setup",
                        ignore=shutil.ignore_patterns("__pycache__"))
        self.conf("requirements.txt", "torch>=2.4,<2.14", "lhotse", "kaldi-native-fbank")
        self.conf("requirements-test.txt")
        self.conf("lock/main.txt", "torch==2.13.0", "lhotse==1.33.0", "kaldi-native-fbank==1.22.5")
        self.conf("lock/main-cuda.txt")
        make_wheel(self.wheels, "torch", "2.13.0+cpu")
        make_wheel(self.wheels, "lhotse", "1.33.0", script="lhotse")
        make_wheel(self.wheels, "kaldi_native_fbank", "1.22.5")
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("PIP_", "EMOTION_", "CONDA_", "VIRTUAL_ENV", "CI", "PYTHON", "PYENV_"))}
        # A PATH whose python3 is the base interpreter: no shims, nothing installed by tests.
        base = str(Path(sys.base_prefix) / "bin")
        self.env = {**kept, "PATH": f"{base}:/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull,
                    "PIP_FIND_LINKS": str(self.wheels), "HOME": str(directory)}

    def conf(self, name: str, *lines: str) -> None:
        (self.root / "conf" / name).write_text("".join(f"{line}\n" for line in lines))

    def setup(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(self.root / "utils/setup.sh"), *arguments], env={**self.env, **env},
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def shell(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-euo", "pipefail", "-c", script], env={**self.env, **env}, cwd=self.root,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def left(self) -> set[str]:
        """What set-up left at the top level, but for its lock and log."""
        return {path.name for path in self.root.iterdir()} - {"conf", "utils", "path.sh", ".venv.lock", ".venv.log"}

    def version(self, module: str) -> str:
        code = f"import {module}; print({module}.__version__)"
        return subprocess.run([str(self.root / ".venv/bin/python"), "-c", code], env=self.env, capture_output=True,
                              text=True, check=True).stdout.strip()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    if not (Path(sys.base_prefix) / "bin/python3").exists():
        pytest.skip("this Python has no bin/python3 of its own")
    yield House(tmp_path)


def test_who_is_no_top_level_command_gets_one_line_that_says_what_to_do(house: House) -> None:
    done = house.shell(". ./path.sh; echo went on", CI="true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and f"run {house.root}/utils/setup.sh" in done.stderr
    assert house.left() == set()


def test_a_script_without_set_e_ends_too(house: House) -> None:
    done = house.shell("set +e; . ./path.sh; echo went on")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_dry_run_needs_no_environment(house: House) -> None:
    done = house.shell('. ./path.sh; . ./path.sh; echo "$ROOT|$PYTHONPATH"', CI="true", EMOTION_DRY_RUN="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{house.root}|{house.root}\n", "")
    assert house.left() == set()


def test_a_python_that_cannot_be_used_is_named(house: House) -> None:
    (house.root / "python3.11").write_text("#!/bin/sh\nexit 127\n")
    (house.root / "python3.11").chmod(0o755)
    done = house.setup("--python", str(house.root / "python3.11"))
    assert done.returncode == 2 and "python3.11: not a Python that starts" in done.stderr


@pytest.mark.parametrize("arguments, words", [(["--cpu", "--cuda"], "not allowed"), (["--gpu"], "--gpu"),
                                              (["--k2-index", "x"], "--k2"), (["--k2", "--lower"], "not allowed")])
def test_usage(house: House, arguments: list[str], words: str) -> None:
    done = house.setup(*arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_a_shim_without_a_python_behind_it_is_passed_over(house: House, monkeypatch: pytest.MonkeyPatch,
                                                          tmp_path: Path) -> None:
    from utils.setup import pythons

    shims = tmp_path / "shims"
    shims.mkdir()
    for name in ("python3", "python3.10", "python3.11", "python3.12", "python3.13"):
        (shims / name).write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
        (shims / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{shims}:{house.env['PATH']}")
    here = sys.version_info[:2]
    assert pythons.find([here]).version == here
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(Exception, match="there is: none"):
        pythons.find([here])


@pytest.mark.slow
def test_install_then_ready_then_found_by_path_sh(house: House) -> None:
    # As under cron or in a container: no terminal, no home, nowhere to keep pip's cache; and names of Python's own in
    # the working directory.
    (house.root.parent / "random.py").write_text("raise SystemExit('imported from the working directory')\n")
    home = house.env.pop("HOME")
    done = house.shell('cd ..; emotion_installs=true; . "$OLDPWD/path.sh"; command -v python',
                       XDG_CACHE_HOME="/proc/none")
    house.env["HOME"] = home
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{house.root}/.venv/bin/python\n"
    assert house.left() == {".venv"}
    assert [house.version(name) for name in ("torch", "lhotse")] == ["2.13.0+cpu", "1.33.0"]
    # Scripts name the environment's own place, not the one where it was made.
    script = subprocess.run([str(house.root / ".venv/bin/lhotse")], capture_output=True, text=True, check=True)
    assert script.stdout.strip() == str(house.root / ".venv")
    assert not [path for path in (house.root / ".venv/bin").iterdir() if path.is_file() and b"partial" in
                path.read_bytes()[:2000] and not path.is_symlink()]
    again = house.setup()
    assert again.returncode == 0 and "is ready" in again.stdout and again.stderr == ""
    done, seconds = least_processor_seconds(lambda: house.shell(". ./path.sh; python -c pass"), 0.5)
    assert done.returncode == 0 and seconds < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["py3.9", "py3.10"])
def test_of_two_wheels_whose_names_both_fit_the_hash_decides(house: House, wanted: str) -> None:
    wheel = house.wheels / "lhotse-1.33.0-py3-none-any.whl"
    hashes = {}
    for tag in ("py3.9", "py3.10"):
        path = house.wheels / f"lhotse-1.33.0-{tag}-none-any.whl"
        shutil.copy(wheel, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("built_for.py", f"TAG = {tag!r}\n")
        hashes[tag] = hashlib.sha256(path.read_bytes()).hexdigest()
    wheel.unlink()
    # A package index gives each file's hash; a directory does not.
    page = house.wheels / "index.html"
    page.write_text("".join(f'<a href="{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">{path.name}'
                            "</a>\n" for path in sorted(house.wheels.glob("*.whl"))))
    house.env["PIP_FIND_LINKS"] = page.as_uri()
    house.conf("lock/main-wheels.txt", f"lhotse==1.33.0 --hash=sha256:{hashes[wanted]}")
    done = house.setup()
    assert done.returncode == 0, done.stderr
    done = house.shell(". ./path.sh; python3 -c 'import built_for; print(built_for.TAG)'")
    assert done.stdout.strip() == wanted, done.stderr


def test_a_failed_install_names_the_package_and_leaves_nothing(house: House) -> None:
    lost = house.wheels / "kaldi_native_fbank-1.22.5-py3-none-any.whl"
    lost.rename(lost.with_suffix(".away"))
    done = house.setup()
    assert done.returncode == 1
    assert "kaldi-native-fbank==1.22.5" in done.stderr.splitlines()[-1] and ".venv.log" in done.stderr.splitlines()[-1]
    assert house.left() == set()
    lost.with_suffix(".away").rename(lost)
    assert house.setup().returncode == 0 and house.version("kaldi_native_fbank") == "1.22.5"


@pytest.mark.slow
def test_a_failed_replacement_keeps_the_old_environment(house: House) -> None:
    assert house.setup().returncode == 0
    (house.wheels / "lhotse-1.33.0-py3-none-any.whl").write_bytes(b"damaged")
    assert house.setup("--force").returncode == 1
    assert house.version("lhotse") == "1.33.0" and house.left() == {".venv"}


@pytest.mark.slow
def test_no_cpu_build_of_torch_anywhere(house: House) -> None:
    (house.wheels / "torch-2.13.0+cpu-py3-none-any.whl").unlink()
    done = house.setup("--cpu")
    line = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and house.left() == set()
    for words in ("torch 2.13.0+cpu", "your pip configuration", "download.pytorch.org", "--torch-index", "--cuda"):
        assert words in line, line


@pytest.mark.slow
def test_after_kill_9_in_the_midst_the_same_command_works(house: House) -> None:
    process = subprocess.Popen([str(house.root / "utils/setup.sh")], env=house.env, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    wait_until(lambda: list(house.root.glob(".venv.partial.*/bin/python*")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (house.root / ".venv").exists()
    done = house.setup()
    assert done.returncode == 0, done.stderr
    assert house.left() == {".venv"} and house.version("torch") == "2.13.0+cpu"


@pytest.mark.slow
def test_killed_between_the_two_renames(house: House) -> None:
    assert house.setup().returncode == 0
    (house.root / ".venv").rename(house.root / ".venv.aside")
    (house.root / ".venv.partial.1").mkdir()
    done = house.setup()
    assert done.returncode == 0 and "is ready" in done.stdout and done.stderr == ""
    assert house.left() == {".venv"}


@pytest.mark.slow
def test_two_at_once_make_one(house: House) -> None:
    command = [str(house.root / "utils/setup.sh")]
    first = subprocess.Popen(command, env=house.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    wait_until(lambda: list(house.root.glob(".venv.partial.*")))
    os.killpg(first.pid, signal.SIGSTOP)  # it goes on when the second one has met it
    second = subprocess.Popen(command, env=house.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    told = read_until(second.stderr, "waiting for it")
    os.killpg(first.pid, signal.SIGCONT)
    told += second.communicate(timeout=PATIENCE)[1]
    assert first.wait(timeout=PATIENCE) == 0 and second.returncode == 0
    assert "making" not in told


@pytest.mark.slow
def test_k2_from_an_index_page_in_a_file(house: House) -> None:
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = "macosx_10_9_universal2" if sys.platform == "darwin" else f"manylinux2014_{os.uname().machine}"
    local = "+cpu" if sys.platform == "linux" else ""
    links = []
    for torch, version in (("2.7.1", "1.24.4.dev20250715"), ("2.8.0", "1.24.4.dev20250714"),
                           ("2.8.0", "1.24.4.dev20250807")):
        make_wheel(house.wheels, "torch", torch + local)
        made = make_wheel(house.root.parent, "k2", f"{version}+cpu.torch{torch}", [f"torch=={torch}"])
        tagged = made.with_name(made.name.replace("py3-none-any", f"{tag}-{tag}-{platform}"))
        made.rename(tagged)
        links.append(f'<a href="{tagged.name.replace("+", "%2B")}">{tagged.name}</a>')
    index = house.root.parent / "cpu.html"
    index.write_text("\n".join(links))
    assert house.setup("--cpu").returncode == 0
    done = house.setup("--k2", "--cpu", "--k2-index", index.as_uri())
    assert done.returncode == 0, done.stderr
    assert house.version("torch") == "2.8.0" + local and house.version("lhotse") == "1.33.0"
    assert house.version("k2") == "1.24.4.dev20250807+cpu.torch2.8.0"
    assert "torch 2.8.0" in done.stdout and "k2 1.24.4.dev20250807" in done.stdout
    # A plain set-up afterwards is content with it: the code supports this torch.
    assert "is ready" in house.setup().stdout


@pytest.mark.slow
def test_an_unreachable_k2_index_changes_nothing(house: House) -> None:
    done = house.setup("--k2", "--cpu", "--k2-index", "http://127.0.0.1:9/cpu.html")
    assert done.returncode == 1 and "127.0.0.1:9/cpu.html cannot be reached" in done.stderr.splitlines()[-1]
    assert house.left() == set()


def test_the_k2_lane_without_python_3_10_says_so(house: House, tmp_path: Path) -> None:
    if sys.version_info[:2] == (3, 10):
        pytest.skip("this is Python 3.10")
    only = tmp_path / "bin"
    only.mkdir()
    (only / "python3").symlink_to(sys.base_prefix + "/bin/python3")
    for name in ("bash", "dirname", "env", "ldd", "readlink", "uname"):
        if where := shutil.which(name):
            (only / name).symlink_to(where)
    done = house.setup("--k2-pypi", PATH=str(only))
    assert done.returncode == 2 and "the k2 lane is not available on this machine" in done.stderr, done.stderr
