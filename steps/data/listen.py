"""Decode every utterance and look at its values: what preparation and validation learn from the sound itself.

What is wrong with a single utterance's sound is found here, in `decode`; what several utterances share in
steps/data/same_sound.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError

if TYPE_CHECKING:
    from steps.data.audio import Remark
    from steps.data.dataset import Item
    from steps.data.duplicates import Print


@dataclass(frozen=True)
class Decoded:
    """What decoding one utterance showed: a print of its samples, or a problem; remarks are no problem."""

    print: Print | None = None
    problem: str = ""
    remarks: tuple[Remark, ...] = ()


def decode(item: Item) -> Decoded:
    """Decode an utterance's audio, or read its features, and look at the values; read images."""
    import numpy

    from steps.data.audio import Remark, read_sound, show_path
    from steps.data.duplicates import Print, envelope
    from steps.data.fingerprint import fingerprint
    from steps.data.precomputed_arrays import load_precomputed

    remarks: tuple[Remark, ...] = ()
    try:
        images = of_images(item)
    except UserError as error:
        return Decoded(problem=str(error))
    if item.path is None and item.features is None:
        return Decoded(images)  # or text only
    if item.path is None:
        name, problem, values = show_path((item.features or {}).get("path", item.id)), "", numpy.zeros(0)
        try:
            values = load_precomputed(Path(name), f"{item.id}: ")
        except UserError as error:
            problem = str(error)
        what = f"features of {item.id} hold"
    else:
        name, problem, values, what = show_path(item.path), "", numpy.zeros(0), f"recording of {item.id} holds"
        try:
            sound = read_sound(item.path, item.start, item.duration)
            values, rate, remarks = sound.samples, sound.rate, sound.levels
        except UserError as error:
            problem = str(error)
    if problem:
        return Decoded(problem=problem)
    if values.size == 0:
        return Decoded(problem=f"{name}: the {what} no samples")
    if not numpy.isfinite(values).all():
        return Decoded(problem=f"{name}: the {what} NaN or infinite values")
    silent = not values.any()
    if item.path is None and (values == values.flat[0]).all():
        silent, remarks = True, (Remark("features that are one number throughout", "silence?"),)
    digest = hashlib.sha256(numpy.ascontiguousarray(values).tobytes()).hexdigest()
    if item.path is None:
        return Decoded(Print(digest, len(values), None, silent), remarks=remarks)
    return Decoded(Print(digest, len(values), envelope(values), silent, fingerprint(values, rate)), remarks=remarks)


def of_images(item: Item) -> Print | None:
    """A print of an utterance's images, all of which are read; None without images.

    Raises:
        UserError: they cannot be read.
    """
    from steps.data.duplicates import Print
    from steps.data.images import IMAGES, read_images

    if not item.fields.get(IMAGES):
        return None
    images = read_images(item.fields[IMAGES])
    digest = hashlib.sha256(repr(images.shape).encode() + images.tobytes()).hexdigest()
    return Print(digest, len(images), None, silent=bool((images == images.flat[0]).all()))


def listen(items: Mapping[str, Item], nj: int) -> dict[str, Decoded]:
    """What decoding showed of every utterance, by its id; `nj` are decoded at a time."""
    with ThreadPoolExecutor(max(1, nj)) as pool:
        return dict(zip(items, pool.map(decode, items.values()), strict=True))
