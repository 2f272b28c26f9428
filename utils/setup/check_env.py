"""One table of what this machine and environment have: each line "ok" or what to do. Never a traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from utils.errors import run_main
from utils.setup import environment
from utils.setup.main import driver_cuda

# Each import runs in a process of its own: a wheel for another machine may end its process instead of raising.
_VERSIONS = {
    "torch": "import torch; print(torch.__version__)",
    "lhotse": "import lhotse; print(lhotse.__version__)",
    "opensmile": "import opensmile; opensmile.Smile(); print(opensmile.__version__)",
    "PyAV": "import av, av.error; print(av.__version__)",
    "k2": "import k2, k2.version; print(getattr(k2.version, '__version__', 'there'))",
    "espeak": "import espeakng_loader, ctypes; ctypes.CDLL(espeakng_loader.get_library_path()); print('there')",
}
_CUDA = ("import torch; print(torch.version.cuda or ''); "
         "print('; '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())))")


@dataclass(frozen=True)
class Line:
    """A row of the table. `advice` is empty when all is well."""

    name: str
    found: str
    advice: str = ""


def ask(code: str) -> tuple[bool, str]:
    """Run `code` in a new Python; whether it succeeded, and its output or the last line of its complaint."""
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, type(error).__name__
    if done.returncode == 0:
        return True, done.stdout.strip()
    complaint = done.stderr.strip().splitlines()
    return False, complaint[-1][:100] if complaint else f"ends with status {done.returncode}"


def package(name: str, advice: str, optional: bool = False) -> Line:
    """A package: its version, or why it does not import."""
    works, text = ask(_VERSIONS[name])
    if works:
        return Line(name, text)
    if "No module named" in text:
        return Line(name, "not there" + (" (optional)" if optional else ""), advice)
    return Line(name, f"does not import: {text}", advice)


def gpu_lines() -> list[Line]:
    """CUDA as torch was built for it, and the GPUs that it sees."""
    driver = driver_cuda()
    works, text = ask(_CUDA)
    if not works:
        return [Line("CUDA", "unknown without torch", "see torch"),
                Line("GPU", "none" if driver is None else f"a driver for CUDA {driver} is there")]
    built, _, devices = text.partition("\n")
    if driver is None:
        return [Line("CUDA", built or "none; torch's CPU build"), Line("GPU", "none: networks train on the CPU")]
    if not built:
        return [Line("CUDA", "torch's CPU build", "run utils/setup.sh --cuda to use this machine's GPU"),
                Line("GPU", "there is one, unused")]
    cuda = Line("CUDA", f"{built} (the driver runs {driver or 'an unknown version'})")
    return [cuda, Line("GPU", devices) if devices else
            Line("GPU", "torch sees none", "the driver may be too old for this CUDA, or CUDA_VISIBLE_DEVICES is empty")]


def cluster_line(name: str, command: str) -> Line:
    """A cluster's submit command."""
    where = shutil.which(command)
    return Line(name, where or f"no {command}: not available here (optional)")


def table() -> list[Line]:
    """All rows."""
    setup = "run utils/setup.sh"
    version = "{}.{}.{}".format(*sys.version_info[:3])
    fits = environment.OLDEST_PYTHON <= sys.version_info[:2] <= environment.NEWEST_PYTHON
    lines = [Line("Python", f"{version} ({sys.executable})", "" if fits else f"3.10 to 3.13 are supported: {setup}"),
             package("torch", setup), *gpu_lines(),
             package("k2", "utils/setup.sh --k2 looks for a wheel, --k2-pypi makes .venv-k2; without k2 torch's own "
                           "losses are used", optional=True),
             package("lhotse", setup), package("opensmile", setup), package("PyAV", setup), package("espeak", setup),
             cluster_line("Slurm", "sbatch"), cluster_line("SGE", "qsub")]
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    if argv and argv[0] in ("-h", "--help"):
        print("usage: utils/check_env.sh (no arguments)\n\n" + (__doc__ or ""))
        return 0
    if argv:
        print(f"error: check_env.sh takes no arguments, found {argv[0]!r}; see --help", file=sys.stderr)
        return 2
    lines = table()
    name_width = max(len(line.name) for line in lines)
    found_width = min(60, max(len(line.found) for line in lines))
    for line in lines:
        print(f"{line.name:<{name_width}}  {line.found:<{found_width}}  {line.advice or 'ok'}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
