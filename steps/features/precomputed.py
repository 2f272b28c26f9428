"""Features that a corpus gives instead of audio, or that were made elsewhere: taken into an archive as they are.

They come from the cuts (a .npy file an utterance), or from a directory of `<id>.npy` files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.data.dataset import Item
from steps.data.precomputed_arrays import load_precomputed
from steps.features.extractor import CannotCompute, Extractor
from utils.config import option
from utils.errors import UserError
from utils.names import Finder


@dataclass
class PrecomputedConfig:
    """Options. directory: where the `<id>.npy` files are; none: where the cuts say. frame_shift: seconds."""

    extractor: str = option("precomputed", choices=["precomputed"])
    directory: Path | None = None
    frame_shift: float | None = option(None, min=1e-6, max=1e6, help="none: what the cuts say, else duration / frames")


class Precomputed(Extractor):
    """(T, F) arrays are frames, (F,) arrays one vector an utterance; all of a data set must be alike."""

    Config = PrecomputedConfig
    packages = ("numpy",)
    needs_audio = False
    config: PrecomputedConfig
    _first = ""  # which utterance says what the others must be like

    def __init__(self, name: str, config: PrecomputedConfig):
        super().__init__(name, config)
        self._finder = Finder()

    def bind(self, items: Mapping[str, Item]) -> None:
        """Kind, width and frame shift from the first utterance that has features.

        Raises:
            UserError: no directory, no features at all, or, as the cuts say, another width than the first's.
        """
        if self.config.directory is not None and not self.config.directory.is_dir():
            raise UserError(f"{self.config.directory} is no directory of .npy files", 2)
        for item in items.values():
            path = self._path(item)
            if path is None or not path.is_file():
                continue
            shape = _load(path).shape
            if len(shape) not in (1, 2) or 0 in shape:
                raise UserError(f"{path} has shape {shape}; expected (frames, features) or (features,)")
            self.kind, self.dim = ("frames", "utterance")[len(shape) == 1], shape[-1]
            if self.kind == "frames":
                said = (item.features or {}).get("frame_shift") if self.config.directory is None else None
                self.frame_shift = self.config.frame_shift or said or (item.duration / shape[0] or None)
            self._first = f"{item.id} ({path}) has {shape}"
            if self.config.directory is None:
                self._check_widths(items)
            return
        if self.config.directory is not None:
            raise UserError(f"{self.config.directory} has <id>.npy of none of the {len(items)} utterances, such as "
                            f"{next(iter(items), '-')}.npy", 2)
        raise UserError("none of the utterances has given features; name their directory with --from, "
                        "or extract features from audio")

    def extract_item(self, item: Item) -> tuple[np.ndarray, tuple[str, ...]]:
        path = self._path(item)
        if path is None:
            raise CannotCompute("no features are given")
        if not path.is_file():
            raise CannotCompute(f"{path} is missing")
        array = _load(path)
        if array.ndim != (1 if self.kind == "utterance" else 2) or array.shape[-1] != self.dim:
            raise UserError(self._unlike(item, array.shape))
        if not len(array):
            raise CannotCompute(f"{path} has no frames")
        with np.errstate(over="ignore"):  # becomes infinite, and is told as such
            return array.astype(np.float32), ()

    def _check_widths(self, items: Mapping[str, Item]) -> None:
        """What the cuts know of every utterance is looked at before the first task runs."""
        for item in items.values():
            if item.features is not None and item.features["num_features"] != self.dim:
                raise UserError(self._unlike(item, (item.features["num_frames"], item.features["num_features"])))

    def _unlike(self, item: Item, shape: tuple[int, ...]) -> str:
        return f"{item.id}: {self._path(item)} has shape {shape}, but {self._first}; all must have the same columns"

    def _path(self, item: Item) -> Path | None:
        if self.config.directory is not None:
            return self._finder.find(self.config.directory / f"{item.id}.npy")
        return Path(item.features["path"]) if item.features else None


def _load(path: Path) -> np.ndarray:
    array = load_precomputed(path)
    if array.dtype.kind not in "fiu":
        raise UserError(f"{path} holds {array.dtype}; expected numbers")
    return array
