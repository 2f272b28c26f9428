"""Features that come with a corpus: one .npy file an utterance, read without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from steps.data.audio import GitLfsPointer, is_pointer, show_path
from utils.errors import UserError
from utils.files import check_regular

if TYPE_CHECKING:
    import numpy as np


def load_precomputed(path: Path, where: str = "", mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    """The array of a .npy file, whatever its shape.

    Args:
        where: stands before the message.

    Raises:
        UserError: not one array of numbers.
    """
    import numpy as np

    try:
        check_regular(path)
        array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        if is_pointer(path):
            raise GitLfsPointer(path) from error
        # Of what is no array numpy says that it may be unpickled, which is no advice to give.
        why = "no array of numbers" if "pickle" in str(error) or "object" in str(error) else str(error)
        raise UserError(f"{where}{show_path(path)} is no .npy array that can be read ({why})") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise UserError(f"{where}{show_path(path)} is no .npy array that can be read (several arrays, .npz)")
    return array
