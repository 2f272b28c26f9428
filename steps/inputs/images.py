"""The images of each utterance: `images`, from the files that the field of that name says.

A file is a NumPy array, uint8 (N, H, W, C) or (N, H, W), or one picture (PNG, JPEG, ...). All
utterances have images of one size. Read when wanted; nothing is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.audio import show_path
from steps.data.dataset import Dataset, Item
from steps.data.precomputed_arrays import load_precomputed
from steps.data.trained_on import Record
from utils.errors import UserError
from utils.files import check_regular

IMAGES = "images"  # the input, its layout and the field


@dataclass(frozen=True)
class ImageSource:
    """See Source.

    Attributes:
        size: height, width and channels of every image.
    """

    items: Mapping[str, Item]
    size: tuple[int, int, int]
    layout = IMAGES
    name = IMAGES
    step = None

    @classmethod
    def open(cls, data: Dataset) -> ImageSource:
        """
        Raises:
            UserError: no utterance has images, or the first ones cannot be read.
        """
        first = next((item for item in data.items.values() if item.fields.get(IMAGES)), None)
        if first is None:
            raise UserError(f"{data.path}: no utterance has the field {IMAGES}, a file with its images")
        height, width, channels = read_images(first.fields[IMAGES]).shape[1:]
        return cls(data.items, (height, width, channels))

    @property
    def width(self) -> int:
        return self.size[2]

    @cached_property
    def failures(self) -> Mapping[str, str]:
        return {key: "no images" for key, item in self.items.items() if not item.fields.get(IMAGES)}

    def __contains__(self, key: object) -> bool:
        return key in self.items and key not in self.failures

    def __len__(self) -> int:
        return len(self.items) - len(self.failures)

    def __getitem__(self, key: str) -> np.ndarray:
        """uint8 (N, H, W, C).

        Raises:
            UserError: no such file, damaged, or of another size; names it.
        """
        path = self.items[key].fields[IMAGES]
        images = read_images(path)
        if images.shape[1:] != self.size:
            raise UserError(f"{show_path(path)} has images of {shown(images.shape[1:])}, others have "
                            f"{shown(self.size)}; give all images one size")
        return images

    def matrix(self, ids: Sequence[str]) -> np.ndarray:
        raise UserError("these are images; one vector an utterance is needed here")

    def length(self, key: str) -> int:
        return len(self[key])

    def identity(self) -> dict[str, Any]:
        """Their size, and a digest of names and sizes of the files."""
        digest = hashlib.blake2b(digest_size=16)
        for key in sorted(self.items.keys() - self.failures.keys()):
            path = Path(self.items[key].fields[IMAGES])
            digest.update(f"{key}\t{path.stat().st_size if path.is_file() else -1}\n".encode())
        return {"name": IMAGES, "size": list(self.size), "files": digest.hexdigest()}

    def trained_on(self) -> list[Record]:
        return []

    def joined(self, other: ImageSource, rename: Callable[[str], str]) -> ImageSource:
        if other.size != self.size:
            raise UserError(f"images of {shown(self.size)} and of {shown(other.size)} do not go together")
        return ImageSource({**self.items, **{rename(key): item for key, item in other.items.items()}}, self.size)


def shown(size: Sequence[int]) -> str:
    height, width, channels = size
    return f"{height} x {width} with {channels} {'channel' if channels == 1 else 'channels'}"


def read_images(path: str | Path) -> np.ndarray:
    """uint8 (N, H, W, C) of a file.

    Raises:
        UserError: no such file, or no images; names it.
    """
    path = Path(path)
    images = load_precomputed(path, mmap_mode="r") if path.suffix == ".npy" else decode(path)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape or images.shape[3] not in (1, 3):
        raise UserError(f"{show_path(path)} is {images.dtype} {images.shape}; expected uint8 (images, height, width) "
                        "or (images, height, width, 1 or 3)")
    return np.asarray(images)


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
