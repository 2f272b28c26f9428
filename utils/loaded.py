"""What a process of a stage has loaded: the modules of this repository, and the packages that make its results.

Every program ends in `utils.errors.run_main`, which calls `note`: one small file in the directory that the stage engine
names in EMOTION_STAGE_CODE, wherever the process ran. Processes that loaded the same write the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

DIRECTORY = "EMOTION_STAGE_CODE"
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

PACKAGES = {
    "torch": "torch", "torchaudio": "torchaudio", "lhotse": "lhotse", "numpy": "numpy", "scipy": "scipy",
    "sklearn": "scikit-learn", "kaldi_native_fbank": "kaldi-native-fbank", "kaldifst": "kaldifst",
    "kaldi_decoder": "kaldi-decoder", "kaldilm": "kaldilm", "kaldialign": "kaldialign", "k2": "k2",
    "sentencepiece": "sentencepiece", "onnx": "onnx", "onnxruntime": "onnxruntime",
    "kaldi_native_io": "kaldi-native-io", "opensmile_binding": "opensmile", "soundfile": "soundfile", "av": "av",
    "soxr": "soxr", "espeakng_loader": "espeakng-loader", "transformers": "transformers", "gensim": "gensim",
    "cv2": "opencv-python-headless", "safetensors": "safetensors"}
"""Module -> package, for packages that may change features, models or scores."""

DISPATCH = ("utils/jobs/", "utils/stages/", "utils/setup/", "utils/leash.py", "utils/loaded.py", "utils/job.sh",
            "utils/setup.sh", "utils/start.sh", "utils/python310/", "path.sh")
"""Code that brings a command to its place and changes no result."""


def counts(name: str) -> bool:
    """Whether results may depend on this file, named from the top level."""
    return not name.startswith(DISPATCH)


def note() -> None:
    """Say what this process has loaded, if a stage wants to know. That it cannot be said stops no work."""
    directory = os.environ.get(DIRECTORY)
    if directory:
        files = [vars(module).get("__file__") for module in list(sys.modules.values()) if hasattr(module, "__dict__")]
        ours = {os.path.relpath(file, _ROOT) for file in files
                if isinstance(file, str) and file.startswith(f"{_ROOT}{os.sep}") and "-packages" not in file}
        write(directory, filter(counts, ours), {PACKAGES[name] for name in PACKAGES if name in sys.modules})


def write(directory: str, files: Iterable[str], packages: Iterable[str]) -> None:
    """Leave these names in the directory."""
    text = "".join(f"{line}\n" for line in [*(f"code {name}" for name in sorted(files)),
                                            *(f"package {name}" for name in sorted(packages))])
    path = os.path.join(directory, hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16])
    if not text or os.path.exists(path):
        return
    temporary = f"{path}.{os.uname().nodename}.{os.getpid()}.tmp"
    with contextlib.suppress(OSError):
        os.makedirs(directory, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
        os.replace(temporary, path)


def read(directory: Path) -> tuple[set[str], set[str]]:
    """(files, packages) that the processes of a stage named."""
    files, packages = set[str](), set[str]()
    for path in directory.glob("*"):
        if path.suffix != ".tmp":
            for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
                kind, _, name = line.partition(" ")
                (files if kind == "code" else packages).add(name)
    return files, packages
