"""conf/cluster/*.yaml: how a cluster gives what a job asks for."""

from __future__ import annotations

import dataclasses
import string
from pathlib import Path
from typing import Any

from utils.config import from_dict, option, read_yaml
from utils.errors import UsageError
from utils.files import ROOT
from utils.jobs.options import Job

BACKENDS = ("local", "slurm", "sge")
TEMPLATES = ("mem", "time", "gpu", "threads")


@dataclasses.dataclass
class ClusterConfig:
    """A cluster file. `mem`, `time`, `gpu`, `threads` are templates of submit options; see `placeholders`."""

    backend: str = option(choices=BACKENDS, help="who runs the tasks")
    mem: str = option("", help="used when --mem is given")
    time: str = option("", help="used when --time is given")
    gpu: str = option("", help="used when --gpu is above 0")
    threads: str = option("", help="used when --num-threads is above 1")
    extra: list[str] = option([], help="further submit options, such as --partition=cpu")
    prologue: list[str] = option([], help="shell lines before each task, such as: module load cuda")
    max_array: int = option(1000, min=1, max=10**6, help="most tasks in one array")
    poll_seconds: float = option(10.0, min=0.05, max=1e5, help="longest pause between two looks at the queue")
    record_seconds: float = option(20.0, min=0.0, max=1e5,
                                   help="how long a file written by another node may take to appear")
    cores: str | int = option("auto", help="local: threads that may run at once; auto = what this process may use")
    gpus: str | int = option("auto", help="local: number of GPUs; auto = what is there")


def placeholders(job: Job) -> dict[str, Any]:
    """What a template may name, e.g. `--mem={mem}`."""
    memory, seconds = job.memory or 0, job.seconds or 0
    megabytes = -(-memory // 2**20)
    return {
        "mem": f"{megabytes}M", "mem_mb": megabytes, "mem_per_thread": f"{-(-megabytes // job.threads)}M",
        "time": f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}", "seconds": seconds,
        "minutes": -(-seconds // 60), "gpu": job.gpus, "threads": job.threads,
    }


def submit_options(config: ClusterConfig, job: Job) -> list[str]:
    """The words with which this cluster is asked for what the job needs."""
    wanted = {"mem": job.memory is not None, "time": job.seconds is not None, "gpu": job.gpus > 0,
              "threads": job.threads > 1}
    values = placeholders(job)
    words = [word.format(**values) for name in TEMPLATES if wanted[name] for word in getattr(config, name).split()]
    # An entry such as "-l gpu=1" is two words for qsub; a quoted space is not needed by any submit option we know.
    return words + [word for entry in config.extra for word in entry.split()]


def load_cluster(name: str, recipe: Path | None = None) -> ClusterConfig:
    """Read a cluster by name or by the path of a .yaml file.

    Later wins: the defaults of its backend, conf/cluster/NAME.yaml of the top level, that of the recipe.

    Raises:
        UsageError: no such cluster, unknown key, wrong type, unknown placeholder.
    """
    recipe = Path.cwd() if recipe is None else recipe
    directories = list(dict.fromkeys([ROOT / "conf" / "cluster", (recipe / "conf" / "cluster").resolve()]))
    if name.endswith((".yaml", ".yml")):
        files = [Path(name)]
    else:
        files = [directory / f"{name}.yaml" for directory in directories]
    files = [file for file in files if file.is_file()]
    if not files:
        known = sorted({path.stem for directory in directories for path in directory.glob("*.yaml")})
        raise UsageError(f"cluster {name}: no such file in conf/cluster/; there are: {', '.join(known)}")
    contents = [(file, read_yaml(file)) for file in files]
    backend = next((content["backend"] for _, content in reversed(contents) if "backend" in content), name)
    if backend not in BACKENDS:
        raise UsageError(f"{files[-1]}: backend is {backend!r}; accepted: {', '.join(BACKENDS)}")
    base = ROOT / "conf" / "cluster" / f"{backend}.yaml"
    if base not in files and base.is_file():
        contents.insert(0, (base, read_yaml(base)))
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for file, content in contents:
        values |= content
        origin |= dict.fromkeys(content, str(file))
    config = from_dict(ClusterConfig, values | {"backend": backend}, origin)
    _check(config, origin)
    return config


def _check(config: ClusterConfig, origin: dict[str, str]) -> None:
    known = placeholders(Job(1, "", ()))
    for name in TEMPLATES:
        try:
            used = [field for _, field, _, _ in string.Formatter().parse(getattr(config, name)) if field is not None]
        except ValueError as error:
            raise UsageError(f"{origin.get(name)}: {name}: {error}") from error
        for field in used:
            if field not in known:
                raise UsageError(f"{origin.get(name)}: {name} names {{{field}}}; accepted: {', '.join(known)}")
    for name in ("cores", "gpus"):
        value = getattr(config, name)
        if value != "auto" and not (isinstance(value, int) and value >= (1 if name == "cores" else 0)):
            raise UsageError(f"{origin.get(name)}: {name} is {value!r}; accepted: auto or a whole number")
