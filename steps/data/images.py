"""The images of an utterance: the file that its field `images` names.

It is a NumPy array, uint8 (N, H, W, C) or (N, H, W), or one picture (PNG, JPEG, ...).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from steps.data.audio import show_path
from steps.data.precomputed_arrays import load_precomputed
from utils.errors import UserError
from utils.files import check_regular

if TYPE_CHECKING:
    import numpy as np

IMAGES = "images"  # the field; also an input and its layout


def read_images(path: str | Path) -> np.ndarray:
    """uint8 (N, H, W, C) of a file.

    Raises:
        UserError: no such file, or no images; names it.
    """
    import numpy as np

    path = Path(path)
    if not path.exists():
        raise UserError(f"{show_path(path)}: no such file, and it should hold images")
    images = load_precomputed(path, mmap_mode="r") if path.suffix == ".npy" else decode(path)
    channels = images.shape[3:] or (1,)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size or channels[0] not in (1, 3):
        raise UserError(f"{show_path(path)} is {images.dtype} {images.shape}; expected uint8 (images, height, width) "
                        "or (images, height, width, 1 or 3)")
    return np.asarray(images).reshape(*images.shape[:3], *channels)


def decode(path: Path) -> np.ndarray:
    """uint8 (1, H, W, C) of a picture; C is 1 where it is gray.

    Raises:
        UserError: it cannot be decoded.
    """
    import av
    import av.error

    try:
        check_regular(path)
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            gray = frame.format.name.startswith("gray")
            pixels = frame.to_ndarray(format="gray" if gray else "rgb24")
    except (av.error.FFmpegError, OSError, StopIteration, IndexError, ValueError) as error:
        raise UserError(f"{show_path(path)} is no picture that can be read ({type(error).__name__})") from error
    return pixels[None, ..., None] if gray else pixels[None]
