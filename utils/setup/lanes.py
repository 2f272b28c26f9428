"""The environments that set-up can make. A lane: one directory, its requirements and lock, the Pythons it takes."""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, int]


@dataclass(frozen=True)
class Lane:
    """One kind of environment.

    Attributes:
        directory: where it lives, below the top level.
        pythons: accepted versions, the preferred first.
        torch: the version in its lock.
        builds: torch builds that may be installed, in the order in which they are tried; `default` is what the
            package index gives without a choice (on Linux a CUDA build, which runs on a CPU too).
        pip: a limit on pip's own version; "" takes the interpreter's.
        imports: modules that must import before the environment counts as made.
    """

    name: str
    directory: str
    pythons: tuple[Version, ...]
    torch: str
    builds: tuple[str, ...]
    pip: str = ""
    imports: tuple[str, ...] = ("torch", "lhotse", "kaldi_native_fbank")


LANES = {
    "main": Lane("main", ".venv", ((3, 11), (3, 12), (3, 10), (3, 13)), "2.13.0", ("cpu", "cuda")),
    # Its wheel of k2 is tagged `py3.10`, which pip takes for a name no longer valid since version 24.1 or so.
    "k2-pypi": Lane("k2-pypi", ".venv-k2", ((3, 10),), "1.13.1", ("default",), pip="pip<24.1",
                    imports=("torch", "k2", "lhotse", "kaldi_native_fbank")),
    "lower": Lane("lower", ".venv-lower", ((3, 10), (3, 11)), "2.4.1", ("cpu", "default")),
}
