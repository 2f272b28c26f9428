"""What an environment lacks is told from names and versions alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.setup import environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("version, limits, expected", [
    ("2.13.0+cpu", ">=2.4,<2.14", True), ("2.4", "==2.4.0", True), ("2.14.0", ">=2.4,<2.14", False),
    ("1.13.1", ">=2.4", False), ("1.33.0", "==1.33.0", True), ("1.33.1", "==1.33.0", False), ("2.10.0", ">2.9", True),
    ("2.4.0rc1", ">=2.4", True), ("1.26.4", "<2", True), ("2.0.0", "!=2", False), ("3.1", "", True)])
def test_version_limits(version: str, limits: str, expected: bool) -> None:
    assert environment.within(version, limits) is expected


def test_version_limits_agree_with_packaging() -> None:
    packaging = pytest.importorskip("packaging.specifiers")
    for version in ("2.3.9", "2.4.0", "2.4.1", "2.13.0", "2.13.0+cpu", "2.14.0", "10.0"):
        for limits in (">=2.4,<2.14", "==2.13.0", "!=2.4.1", "<=2.13.0", ">2.4"):
            assert environment.within(version, limits) == packaging.SpecifierSet(limits).contains(version), \
                (version, limits)


def test_requirements_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text('# words\ntorch>=2.4,<2.14\n\nkaldi-native-fbank\nnumpy<2 ; python_version < "3.11"\n'
                    'extra[full]==1.0  # why\n')
    assert environment.read_requirements(str(path), (3, 12)) == [
        ("torch", ">=2.4,<2.14"), ("kaldi-native-fbank", ""), ("extra", "==1.0")]
    assert ("numpy", "<2") in environment.read_requirements(str(path), (3, 10))


def test_what_is_missing_or_too_old(tmp_path: Path) -> None:
    for name in ("torch-1.13.1+cu117.dist-info", "kaldi_native_fbank-1.22.5.dist-info", "PyYAML-6.0.egg-info",
                 "zope.interface-5.0-py3.11.egg-info", "nothing.txt"):
        (tmp_path / name).mkdir()
    packages = environment.installed([str(tmp_path), str(tmp_path / "absent")])
    assert packages == {"torch": "1.13.1+cu117", "kaldi-native-fbank": "1.22.5", "pyyaml": "6.0",
                        "zope-interface": "5.0"}
    wanted = [("torch", ">=2.4"), ("kaldi-native-fbank", ">=1.20"), ("pyyaml", ""), ("lhotse", "==1.33.0")]
    assert environment.lacking(wanted, packages) == ["torch>=2.4 (has 1.13.1+cu117)", "lhotse==1.33.0"]


@pytest.mark.parametrize("lane, pythons", [("main", [(3, 10), (3, 11), (3, 12), (3, 13)]), ("k2-pypi", [(3, 10)]),
                                           ("lower", [(3, 10), (3, 11)])])
def test_locks_hold_each_requirement_once_for_every_python(lane: str, pythons: list[tuple[int, int]]) -> None:
    for python in pythons:
        locked = environment.read_requirements(str(ROOT / "conf/lock" / f"{lane}.txt"), python)
        names = [environment.normal_name(name) for name, _ in locked]
        assert len(names) == len(set(names)), python
        assert all(limits.startswith("==") and "+" not in limits for _, limits in locked)
        packages = {environment.normal_name(name): limits[2:] for name, limits in locked}
        for file in environment.REQUIREMENTS[lane]:
            wanted = environment.read_requirements(str(ROOT / "conf" / file), python)
            assert environment.lacking(wanted, packages) == []


def test_locked_torch_is_the_lanes() -> None:
    from utils.setup.lanes import LANES

    for lane in LANES.values():
        locked = dict(environment.read_requirements(str(ROOT / "conf/lock" / f"{lane.name}.txt")))
        assert locked["torch"] == f"=={lane.torch}"


def test_lock_lines_carry_the_pythons_they_are_for() -> None:
    from utils.setup.lock import merge

    answers = {(3, 10): {"numpy": "2.2", "tomli": "2.0", "same": "1"}, (3, 11): {"numpy": "2.4", "same": "1"},
               (3, 12): {"numpy": "2.5", "same": "1"}, (3, 13): {"numpy": "2.5", "same": "1", "aifc": "3"}}
    assert merge(answers) == [
        'aifc==3 ; python_version >= "3.13"',
        'numpy==2.2 ; python_version < "3.11"',
        'numpy==2.4 ; python_version >= "3.11" and python_version < "3.12"',
        'numpy==2.5 ; python_version >= "3.12"',
        "same==1",
        'tomli==2.0 ; python_version < "3.11"']


def test_no_package_host_is_named() -> None:
    """Where packages come from is the user's configuration, but for torch and k2, whose wheels have own indexes."""
    import re

    own = {"download.pytorch.org", "k2-fsa.github.io"}
    for path in [*(ROOT / "conf").rglob("*.txt"), *(ROOT / "utils/setup").glob("*.py"), ROOT / "utils/setup.sh"]:
        assert set(re.findall(r"https?://([^/\s\"']+)", path.read_text(encoding="utf-8"))) <= own, path
