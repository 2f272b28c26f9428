"""Arrays of anybody's files, .npz and safetensors: what a file declares is looked at before anything is read.

    arrays = read_npz(path, {"weights": ("C", "F"), "biases": ("C",)})

A file of a few kilobytes may declare terabytes, and an array may be of another shape than its use takes for granted.
Nothing is ever unpickled. numpy only; safetensors where a file is of that kind.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from utils.errors import DamagedFile, reading
from utils.files import atomic_path

if TYPE_CHECKING:
    import numpy as np

# Name -> length of each axis: a number, or a letter that stands for the same number throughout.
Shapes = Mapping[str, Sequence[int | str]]
SMALL = 64 << 20  # bytes that a file may come to, however small it is
DENSEST = 100  # times its size: what arrays of weights come to is far below, what is made to fill a memory far above
AGAIN = "copy or make it again"


def read_npz(path: str | Path, shapes: Shapes | None = None, advice: str = AGAIN) -> dict[str, np.ndarray]:
    """The arrays of a .npz file.

    Args:
        shapes: of the arrays that are needed, see `check_arrays`; None: whatever there is.

    Raises:
        DamagedFile: missing, damaged, too large, or other arrays. Names the file and the array.
    """
    import numpy as np

    with _one_line(path, advice), zipfile.ZipFile(path) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        declared = sum(entry.file_size for entry in entries.values())
        if declared > max(SMALL, DENSEST * Path(path).stat().st_size):
            raise ValueError(f"it declares {declared} bytes")
        arrays = {}
        for name, entry in entries.items():
            with archive.open(entry) as stream:
                _check_header(name, stream, entry.file_size)
            with archive.open(entry) as stream:
                arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    check_arrays(path, arrays, shapes, advice)
    return arrays


def read_safetensors(path: str | Path, shapes: Shapes | None = None, advice: str = AGAIN) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file; its library checks that header and bytes agree. As `read_npz`."""
    from safetensors.numpy import load_file

    with _one_line(path, advice):
        arrays = load_file(path)
    check_arrays(path, arrays, shapes, advice)
    return arrays


def save_npz(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> None:
    """Named arrays as one .npz file, written whole or not at all, without pickle."""
    import numpy as np

    with atomic_path(path) as temporary:
        (np.savez_compressed if compressed else np.savez)(temporary, **arrays)


def arrays_digest(arrays: Mapping[str, Any], described: bool = True) -> str:
    """16 hexadecimal digits of SHA-256 over named arrays (or tensors on the CPU), whatever their order.

    Args:
        described: with each array's type and shape; False: its name and bytes alone.
    """
    import numpy as np

    digest = hashlib.sha256()
    for name, value in sorted(arrays.items()):
        array = np.asarray(value)
        digest.update((f"{name} {array.dtype} {array.shape}" if described else name).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def tensor_shapes(path: str | Path, advice: str = AGAIN) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a safetensors file; reads its header alone."""
    from safetensors import safe_open

    with _one_line(path, advice), safe_open(path, framework="numpy") as opened:
        return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118


def check_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], shapes: Shapes | None,
                 advice: str = AGAIN) -> None:
    """
    Raises:
        DamagedFile: an array that is no array of finite numbers; or, with `shapes`, one is missing or of another shape.
    """
    import numpy as np

    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise DamagedFile(f"{path}: {name} holds no numbers; {advice}")
        if array.dtype.kind == "f" and not (shapes is not None and name not in shapes) and not np.isfinite(array).all():
            raise DamagedFile(f"{path}: {name} holds values that are not finite; {advice}")
    lengths: dict[str, int] = {}
    for name, axes in (shapes or {}).items():
        if name not in arrays:
            raise DamagedFile(f"{path} has no array {name}; {advice}")
        expected = tuple(axis if isinstance(axis, int) else lengths.get(axis, axis) for axis in axes)
        found = arrays[name].shape
        if len(found) != len(axes) or any(want != have for want, have in zip(expected, found, strict=True)
                                          if isinstance(want, int)):
            raise DamagedFile(f"{path}: {name} has the shape {found}, expected ({', '.join(map(str, expected))}); "
                              f"{advice}")
        lengths |= {axis: length for axis, length in zip(axes, found, strict=True) if isinstance(axis, str)}


def _check_header(name: str, stream: IO[bytes], size: int) -> None:
    """
    Raises:
        ValueError: the array that the header declares is no array of numbers, or not as large as its file.
    """
    import numpy as np

    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"{name} is of format {version}")
    shape, _, kind = read(stream)
    if kind.hasobject:
        raise ValueError(f"{name} is no array of numbers")
    if min(shape, default=0) < 0 or stream.tell() + math.prod(shape) * kind.itemsize != size:
        raise ValueError(f"{name} declares the shape {shape}, which its {size} bytes are not")


def _one_line(path: str | Path, advice: str) -> contextlib.AbstractContextManager[None]:
    """Whatever a library says of a file that is none of its own."""
    if not Path(path).is_file():
        raise DamagedFile(f"{path} is missing or no regular file; {advice}")
    errors: list[type[BaseException]] = [OSError, SyntaxError, zipfile.BadZipFile, zlib.error]
    if "safetensors" in sys.modules:
        errors.append(sys.modules["safetensors"].SafetensorError)
    return reading(path, advice, *errors)
