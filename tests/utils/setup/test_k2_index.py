"""k2's wheel index: the newest fitting pair, or what there is instead."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from utils.errors import UserError
from utils.setup import k2_index
from utils.setup.k2_index import Host

LINUX = {"system": "linux", "machine": "x86_64", "glibc": "2.36"}
WHEELS = "https://example.org/k2/resolve/main/"
NAMES = [
    "k2-1.24.4.dev20240223+cpu.torch2.2.1-cp311-cp311-manylinux2014_x86_64.whl",
    "k2-1.24.4.dev20250307+cpu.torch2.6.0-cp311-cp311-manylinux2014_x86_64.whl",
    "k2-1.24.4.dev20250715+cpu.torch2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250807+cpu.torch2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20251118+cpu.torch2.10.0-cp310-cp310-manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20251118+cpu.torch2.9.0-cp311-cp311-manylinux_2_38_x86_64.whl",
    "k2-1.24.4.dev20990101+cpu.torch2.20.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250807+cpu.torch2.8.0-cp311-cp311-macosx_11_0_arm64.whl",
    "k2-1.24.4.dev20250807+cuda12.6.torch2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250807+cuda12.8.torch2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250807+cuda12.9.torch2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "other-1.0-py3-none-any.whl",
]


def page(tmp_path: Path, names: list[str]) -> str:
    path = tmp_path / "cpu.html"
    path.write_text("<html><body>\n" + "".join(
        f'<a href="{WHEELS}{name.replace("+", "%2B")}">{name}</a><br>\n' for name in names) + "</body></html>")
    return path.as_uri()


def chosen(tmp_path: Path, names: list[str], host: Host) -> k2_index.Wheel:
    location = page(tmp_path, names)
    return k2_index.choose(k2_index.parse_page(k2_index.read_page(location), location), host, location)


def test_the_newest_torch_then_the_newest_k2_whatever_the_order_on_the_page(tmp_path: Path) -> None:
    for names in itertools.islice(itertools.permutations(NAMES), 0, 5000, 997):
        wheel = chosen(tmp_path, list(names), Host((3, 11), "", **LINUX))
        assert (wheel.torch, wheel.version) == ("2.8.0", "1.24.4.dev20250807")
        assert wheel.torch_requirement == "torch==2.8.0+cpu"
        assert wheel.url == WHEELS + NAMES[3].replace("+", "%2B")


def test_two_digit_torch_is_newer_than_one_digit(tmp_path: Path) -> None:
    assert chosen(tmp_path, NAMES, Host((3, 10), "", **LINUX)).torch == "2.10.0"


def test_cuda_no_newer_than_the_driver(tmp_path: Path) -> None:
    assert chosen(tmp_path, NAMES, Host((3, 11), "12.8", **LINUX)).torch_requirement == "torch==2.8.0+cu128"
    assert chosen(tmp_path, NAMES, Host((3, 11), "12.7", **LINUX)).torch_requirement == "torch==2.8.0+cu126"
    assert chosen(tmp_path, NAMES, Host((3, 11), "13.0", **LINUX)).cuda == "12.9"


def test_platform(tmp_path: Path) -> None:
    mac = Host((3, 11), "", system="darwin", machine="arm64", glibc="0")
    assert chosen(tmp_path, NAMES, mac).platform == "macosx_11_0_arm64"
    old = Host((3, 11), "", system="linux", machine="x86_64", glibc="2.17")
    assert chosen(tmp_path, NAMES, old).torch == "2.6.0"
    new = Host((3, 11), "", system="linux", machine="x86_64", glibc="2.39")
    assert chosen(tmp_path, NAMES, new).torch == "2.9.0"


@pytest.mark.parametrize("host, words", [
    (Host((3, 13), "", **LINUX), ("Python 3.13", "cp310, cp311", "--python")),
    (Host((3, 11), "11.8", **LINUX), ("CUDA at most 11.8", "CUDA 12.6, CUDA 12.8, CUDA 12.9", "CPU")),
    (Host((3, 11), "", "linux", "ppc64le", "2.36"), ("ppc64le", "manylinux2014_x86_64"))])
def test_none_fits_says_what_was_looked_for_and_what_there_is(tmp_path: Path, host: Host, words: tuple[str]) -> None:
    with pytest.raises(UserError) as error:
        chosen(tmp_path, NAMES, host)
    assert all(word in str(error.value) for word in (*words, "--k2-pypi", "cpu.html")), str(error.value)


def test_only_too_old_torch(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there are wheels for torch 2\.2\.1 only"):
        chosen(tmp_path, NAMES[:1], Host((3, 11), "", **LINUX))


def test_a_page_without_wheels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="links to no k2 wheel"):
        chosen(tmp_path, ["other-1.0-py3-none-any.whl"], Host((3, 11), "", **LINUX))


@pytest.mark.parametrize("location", ["file:///nowhere/cpu.html", "/nowhere/cpu.html", "http://127.0.0.1:9/cpu.html",
                                      "http://k2.invalid/cpu.html", "nonsense://x"])
def test_an_unreachable_page_is_said_plainly(location: str) -> None:
    with pytest.raises(UserError) as error:
        k2_index.read_page(location)
    assert location in str(error.value) and "cannot be reached" in str(error.value)


def test_relative_links_and_plain_paths(tmp_path: Path) -> None:
    path = tmp_path / "my index.html"
    path.write_text(f"<a href='whl/{NAMES[3]}'>k2</a>")
    wheels = k2_index.parse_page(k2_index.read_page(str(path)), str(path))
    assert [wheel.url for wheel in wheels] == [(tmp_path / "whl").as_uri().replace("whl", "whl/") + NAMES[3]]
