"""kill -9 on the tiny mini recipe: three cases of tests/soak/kill.sh, and proof that its audit can fail."""

import subprocess

import pytest

from tests.soak.kill import Case, Killer
from tests.soak.workshop import Workshop, kind, pattern
from tests.utils.slurm_cluster import missing_programs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def killer(broken_shop):
    found = Killer(broken_shop)
    yield found
    found.close()


def test_the_audit_notices_a_task_that_runs_twice_at_once(tmp_path):
    shop = Workshop(tmp_path)
    shop.root.mkdir()
    shop.make_python()

    def begin(job: str) -> subprocess.Popen:
        environment = shop.environment(EMOTION_STAGE="3", EMOTION_JOB=job, EMOTION_REAL_PYTHON="/bin/cat")
        # cat is given options that it refuses, except that `--` ends them: it waits for its input as a task would
        return subprocess.Popen([str(tmp_path / "environment/bin/python"), "--", "-", "-m steps.nothing"],
                                env=environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)

    first = begin("1")
    shop.wait_for_begun(1)
    other = begin("2")
    shop.wait_for_begun(2)
    assert not shop.twice()
    second = begin("1")
    shop.wait_for_begun(3)
    assert [line.split()[0] for line in shop.twice()] == ["stage-3-task-1"]
    assert set(shop.processes()) == {first.pid, other.pid, second.pid}
    shop.kill_all(scheduled=True)
    for process in (first, other, second):
        process.communicate()
    begin("1").communicate()
    assert len(shop.twice()) == 1  # after the death of the former ones it may begin


def test_the_whole_tree(killer):
    assert killer.run(Case("tree", 32, 0.6)).problems == []


def test_in_the_windows_of_a_network_in_training(killer):
    wanted = ["checkpoint/select", "checkpoint/select.previous", "seed0/scores/emotion/test.tsv", "log/.done/#.json"]
    windows = [path for path in killer.shop.windows if "dnn_is10" in path]
    chosen = [next(path for path in windows if path.endswith(end) or f"log/{kind(path)}" == end) for end in wanted]
    verdict = killer.run(Case("window", 33, paths=chosen))
    assert verdict.problems == [] and verdict.kills == 4


def test_the_dispatcher_while_slurm_tasks_run(killer):
    if missing_programs():
        pytest.skip(f"Slurm is not installed (no {', '.join(missing_programs())}): apt-get install slurm-wlm munge")
    verdict = killer.run(Case("slurm dispatcher", 34, 0.3))
    assert verdict.problems == [] and verdict.kills == 1


def test_a_pattern_matches_the_next_runs_path_and_not_the_record_beside_it():
    import fnmatch

    marker = pattern("exp/log/.done/9519196774b001e4f30bd167.json")
    assert fnmatch.fnmatchcase("exp/log/.done/0019196774b001e4f30bd1ff.json", marker)
    assert not fnmatch.fnmatchcase("exp/log/.done/train.1.log.json", marker)
    assert fnmatch.fnmatchcase("data/.splits.99.tmp/a.tsv", pattern("data/.splits.17304.tmp/a.tsv"))
