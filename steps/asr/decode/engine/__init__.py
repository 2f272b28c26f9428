"""Engines: CTC loss and graph search by k2 where it imports, else by torch and kaldi-decoder; both give the same."""

from __future__ import annotations

import functools
import sys

from steps.asr.decode.engine.base import Engine, GraphDecoder
from utils.errors import UserError

__all__ = ["Engine", "GraphDecoder", "engine"]
NAMES = ("auto", "k2", "torch")


@functools.cache
def engine(name: str = "auto") -> Engine:
    """The engine of that name; "auto" is k2 where it imports, else torch. Says once which one runs.

    Raises:
        UserError: k2 is asked for and does not import, or there is no such engine.
    """
    if name not in NAMES:
        raise UserError(f"engine {name!r}; accepted: {', '.join(NAMES)}", 2)
    found = _torch() if name == "torch" else _k2(needed=name == "k2") or _torch()
    print(f"engine: {found.name}", file=sys.stderr)
    return found


def _torch() -> Engine:
    from steps.asr.decode.engine.torch_engine import TorchEngine

    return TorchEngine()


def _k2(needed: bool) -> Engine | None:
    try:
        from steps.asr.decode.engine.k2_engine import K2Engine
    except (ImportError, OSError) as error:  # OSError: a wheel built for another torch
        if needed:
            raise UserError(f"engine k2: it does not import ({error}); run utils/setup.sh --k2 or choose engine=torch",
                            2) from error
        return None
    return K2Engine()
