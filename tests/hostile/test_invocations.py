"""Every invocation of the list ends as it says: exit status, one clear line, and nothing written elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.replay import Invocation, Replay, read_list
from tests.integration.box import tone, two_emotions, write_table

INVOCATIONS = list(read_list())


def snapshot(directory: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file below it."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in sorted(directory.rglob("*"))}


@pytest.fixture(scope="module")
def fixtures(lab, exported, tmp_path_factory) -> dict[str, Path]:
    """What the list names @CORPUS, @DATA, @EXP and @MODEL."""
    corpus = tmp_path_factory.mktemp("corpus")
    write_table(corpus / "table.tsv", two_emotions(speakers=6, per_speaker=2))
    tone(corpus / "ref.wav", 99, 0.5)
    return {"CORPUS": corpus, "DATA": lab.data, "EXP": lab.exp, "MODEL": exported("fusion_simplex")}


@pytest.fixture(scope="module")
def replay(fixtures, tmp_path_factory) -> Iterator[Replay]:
    before = {name: snapshot(path) for name, path in fixtures.items()}
    one = Replay(tmp_path_factory.mktemp("hostile"), fixtures)
    yield one
    one.close()
    assert before == {name: snapshot(path) for name, path in fixtures.items()}, "a fixture was written to"


def test_the_list_is_long_and_its_ids_are_unique():
    ids = [one.id for _, one in INVOCATIONS]
    assert len(ids) >= 300
    assert len(set(ids)) == len(ids), sorted(key for key in set(ids) if ids.count(key) > 1)


@pytest.mark.slow
@pytest.mark.parametrize("one", [pytest.param(one, id=f"{group}-{one.id}") for group, one in INVOCATIONS])
def test_an_invocation_ends_as_the_list_says(replay: Replay, one: Invocation):
    if one.unprivileged and not shutil.which("setpriv"):
        pytest.skip("root reads everything, and there is no setpriv to give that up")
    done = replay.run(one)
    faults = replay.faults(one, done)
    assert not faults, f"{one.what}: {'; '.join(faults)}\n{done.stdout[-1500:]}{done.stderr[-3000:]}"
