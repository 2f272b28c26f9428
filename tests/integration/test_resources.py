"""What runs out or is forbidden while a recipe runs: one clear line, nothing damaged counts, then the same command."""

import contextlib
import os
import shutil
import subprocess

import pytest

from tests.soak.workshop import Run, Workshop
from tests.utils.slurm_cluster import roomy_slurm  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def shop(broken_shop):
    return broken_shop


@contextlib.contextmanager
def small_disk(path, megabytes: int):
    """A tmpfs at `path`; skips where one cannot be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)],
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here (root, or a container with CAP_SYS_ADMIN): {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def lines_of(run: Run, text: str) -> list[str]:
    """Lines that hold a text; no traceback may stand beside them."""
    assert "Traceback" not in run.text(), run.text()[-3000:]
    return [line for line in run.text().splitlines() if text in line]


def assert_mended(shop: Workshop, *options: str, **environment: str) -> None:
    """The same command ends with the scores of the undisturbed run."""
    again = shop.run(*options, **environment)
    assert again.status == 0, again.text()[-2000:]
    assert shop.different() == [] and shop.twice() == []


# In the tasks of the synthesis, of the extraction and of a network; when the engine itself has no room; in the scores.
@pytest.mark.parametrize(("stage", "free"), [(1, 300), (10, 48), (33, 40), (31, 0), (62, 0)])
def test_a_full_disk(shop, stage, free):
    """`free`: KB that are left when the stage begins."""
    shutil.rmtree(shop.work, ignore_errors=True)
    with small_disk(shop.work, 64):
        shutil.copytree(shop.directory / "before" / str(stage), shop.work, symlinks=True, dirs_exist_ok=True)
        ballast = shop.work / "ballast"
        status = os.statvfs(shop.work)
        with open(ballast, "wb") as stream:
            for _ in range(status.f_bavail - free * 1024 // status.f_bsize):
                stream.write(b"\0" * status.f_bsize)
        run = shop.run()
        assert run.status == 1
        found = [line for line in lines_of(run, "no space left while writing ") if line.startswith("error: ")]
        assert found, run.text()[-3000:]
        for line in found:
            assert "tiny/" in line and "free space" in line and "same command" in line
        ballast.unlink()
        assert_mended(shop)


@pytest.mark.parametrize(("stage", "where"), [(32, "exp"), (10, "data/mini"), (2, "")])
def test_a_read_only_directory(shop, stage, where):
    shop.restore(stage)
    place = shop.work / where
    place.mkdir(parents=True, exist_ok=True)
    before = shop.directory / "before" / str(stage) / where
    with small_disk(place, 64):
        if before.exists():
            shutil.copytree(before, place, symlinks=True, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        run = shop.run()
        assert run.status == 1
        found = lines_of(run, "Read-only file system")
        assert len(set(found)) == 1 and str(where) in found[0], run.text()
        assert ("check its permissions" if where else "and a recipe keeps its work there") in found[0], run.text()
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        assert_mended(shop)


def little_memory(shop: Workshop) -> tuple[str, str]:
    """cmd.sh as it is, and with far too little memory for training."""
    former = (shop.recipe / "cmd.sh").read_text()
    changed = former.replace("--mem 4G", "--mem 90M")
    assert changed != former
    return former, changed


@pytest.mark.parametrize("cluster", ["local", "slurm"])
def test_a_job_over_its_memory(shop, cluster, request):
    environment = {} if cluster == "local" else request.getfixturevalue("roomy_slurm").environment
    former, changed = little_memory(shop)
    shop.restore(33)
    (shop.recipe / "cmd.sh").write_text(changed)
    try:
        run = shop.run("--cluster", cluster, **environment)
    finally:
        (shop.recipe / "cmd.sh").write_text(former)
    assert run.status == 1
    found = [line for line in lines_of(run, "memory") if line.startswith("error: ")]
    assert len(found) == 1 and "90 MB of --mem; ask for more with --mem" in found[0], run.text()[-3000:]
    assert not (shop.work / "exp/dnn_is10/official/norm-global/fold1/seed0/metrics.json").exists()
    assert_mended(shop, "--cluster", cluster, **environment)
