"""The images of each utterance: `images`, from the files that the field of that name says
(steps/data/images.py). All have one size. Read when wanted; nothing is stored.
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
from steps.data.images import IMAGES, read_images
from steps.data.trained_on import Record
from utils.errors import UserError


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
        """Their size, and a digest of size and time of the files."""
        digest = hashlib.blake2b(digest_size=16)
        for key in sorted(self.items.keys() - self.failures.keys()):
            path = Path(self.items[key].fields[IMAGES])
            about = path.stat() if path.is_file() else None
            digest.update(f"{key}\t{about and (about.st_size, about.st_mtime_ns)}\n".encode())
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
