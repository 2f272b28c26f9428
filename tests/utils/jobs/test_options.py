"""The command line of job.sh and the cluster files."""

import pytest

from tests.utils.jobs.toolbox import Desk, one_error_line
from utils.errors import UsageError
from utils.jobs.config import load_cluster, submit_options
from utils.jobs.options import Job, parse, parse_memory, parse_time

TAIL = ["JOB=1:4", "log/x.{JOB}.log", "true"]


def test_every_option_arrives_and_the_last_one_wins():
    job = parse(["--mem", "2G", "--gpu=1", "--num-threads", "3", "--time", "2h", "--max-jobs-run", "20", "--retry", "1",
                 "--mem", "4G", *TAIL, "--mem", "{JOB}"])
    assert job == Job(tasks=4, log="log/x.{JOB}.log", argv=("true", "--mem", "{JOB}"), memory=4 * 2**30, seconds=7200,
                      gpus=1, threads=3, parallel=20, retries=1, cluster="local")


@pytest.mark.parametrize(("text", "expected"), [("4G", 4 << 30), ("500M", 500 << 20), ("1.5g", 3 << 29), ("8K", 8192)])
def test_memory(text, expected):
    assert parse_memory(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1d", 86400),
                                                ("02:30:01", 9001)])
def test_time(text, expected):
    assert parse_time(text) == expected


@pytest.mark.parametrize(("arguments", "named"), [
    (["--memory", "4G", *TAIL], "--memory"),
    (["-q", "all.q", *TAIL], "-q"),
    (["--mem", "4", *TAIL], "--mem 4"),
    (["--mem", "0G", *TAIL], "--mem 0G"),
    (["--mem", *TAIL], "--mem"),
    (["--time", "2x", *TAIL], "--time 2x"),
    (["--gpu", "-1", *TAIL], "--gpu -1"),
    (["--num-threads", "0", *TAIL], "--num-threads 0"),
    (["--max-jobs-run", "many", *TAIL], "--max-jobs-run many"),
    (["JOB=1:0", "x.{JOB}", "true"], "JOB=1:0"),
    (["JOB=2:4", "x.{JOB}", "true"], "JOB=2:4"),
    (["JOB=1:1000000000000", "x.{JOB}", "true"], "at most 999999 tasks"),
    (["log/x.log", "true"], "log/x.log"),
    (["JOB=1:4", "log/x.{JOB}.log"], "JOB=1:4"),
    (["JOB=1:4", "log/x.log", "true"], "log/x.log"),
    (["JOB=1:4", "log{JOB}/x.{JOB}.log", "true"], "log{JOB}"),
    (["--cluster", "--mem", *TAIL], "--cluster"),
    ([], "JOB=1:N"),
])
def test_a_usage_error_names_what_is_wrong(arguments, named):
    with pytest.raises(UsageError) as error:
        parse(arguments)
    assert named in str(error.value)


@pytest.mark.parametrize("cluster", ["local", "slurm", "sge"])
def test_every_backend_refuses_an_unknown_option_in_one_line(tmp_path, cluster):
    done = Desk(tmp_path, cluster).run("--partition", "cpu", *TAIL)
    assert done.returncode == 2
    assert "--partition" in one_error_line(done.stderr)
    assert not list(tmp_path.iterdir())


def test_options_become_submit_options_of_the_cluster():
    job = Job(4, "x", ("true",), memory=1536 * 2**20, seconds=5401, gpus=2, threads=3)
    assert submit_options(load_cluster("slurm"), job) == ["--mem=1536M", "--time=91", "--gres=gpu:2",
                                                          "--cpus-per-task=3"]
    assert submit_options(load_cluster("sge"), job) == ["-l", "mem_free=1536M", "-l", "h_rt=5401", "-l", "gpu=2",
                                                        "-pe", "smp", "3"]
    for name in ("local", "slurm", "sge"):
        assert submit_options(load_cluster(name), Job(4, "x", ("true",))) == [], "nothing is assumed"


def test_a_recipes_cluster_file_wins_over_the_top_level(tmp_path):
    (tmp_path / "conf" / "cluster").mkdir(parents=True)
    (tmp_path / "conf" / "cluster" / "slurm.yaml").write_text('extra: ["--partition=cpu"]\n')
    config = load_cluster("slurm", tmp_path)
    assert submit_options(config, Job(1, "x", ("true",), memory=2**30)) == ["--mem=1024M", "--partition=cpu"]


def test_a_file_of_the_labs_own_builds_on_its_backend(tmp_path):
    (tmp_path / "lab.yaml").write_text('backend: sge\nextra: ["-q speech.q"]\nmem: "-l h_vmem={mem_per_thread}"\n')
    config = load_cluster(str(tmp_path / "lab.yaml"))
    job = Job(1, "x", ("true",), memory=2**30, threads=4)
    assert submit_options(config, job) == ["-l", "h_vmem=256M", "-pe", "smp", "4", "-q", "speech.q"]


@pytest.mark.parametrize(("content", "named"), [
    ("backend: slurm\npartition: cpu\n", "partition"),
    ("backend: pbs\n", "pbs"),
    ("backend: slurm\nmax_array: many\n", "max_array"),
    ("backend: slurm\nmax_array: 0\n", "max_array"),
    ('backend: slurm\nmem: "--mem={memory}"\n', "{memory}"),
    ("backend: local\ncores: 0\n", "cores"),
    ("extra: []\n", "backend"),
])
def test_a_wrong_cluster_file_is_one_line_naming_the_key(tmp_path, content, named):
    (tmp_path / "lab.yaml").write_text(content)
    done = Desk(tmp_path, "lab.yaml").run(*TAIL)
    assert done.returncode == 2
    line = one_error_line(done.stderr)
    assert named in line and "lab.yaml" in line


def test_an_unknown_cluster_lists_those_there_are(tmp_path):
    done = Desk(tmp_path, "lsf").run(*TAIL)
    assert done.returncode == 2
    assert "local, sge, slurm" in one_error_line(done.stderr)
