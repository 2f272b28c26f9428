"""Named arrays in one .npz file, written whole or not at all, never with pickle; a network's weights as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.files import atomic_path


def save_npz(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> None:
    with atomic_path(path) as temporary:
        (np.savez_compressed if compressed else np.savez)(temporary, **arrays)


def load_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def load_weights(directory: Path) -> dict[str, np.ndarray]:
    """model.safetensors for who looks at it without torch.

    Raises:
        UserError: it is damaged or missing.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = directory / "model.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is damaged or missing ({error}); copy or train it again") from error
