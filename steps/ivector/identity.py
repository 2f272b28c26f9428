"""Digests by which an extractor and what was made with it know each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

DIGITS = 16


def arrays_digest(*groups: Mapping[str, np.ndarray]) -> str:
    """Of named arrays, whatever their order."""
    digest = hashlib.sha256()
    for arrays in groups:
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:DIGITS]
