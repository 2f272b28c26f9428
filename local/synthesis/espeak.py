"""espeak-ng (through the espeakng-loader wheel), one fresh process an utterance.

Within one process the same text comes out different the second time. A fresh process gives the same bytes, if its
random numbers are seeded (espeak-ng itself takes the time of day); it imports little and is up in about 15 ms.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

RATE = 22050  # Hz, espeak-ng's own
SPEAKER_PROCESS = Path(__file__).with_name("espeak_process.py")
TIME_LIMIT = 60  # seconds; an utterance takes about 0.03


@dataclass(frozen=True)
class Speech:
    """What espeak-ng is asked for.

    Attributes:
        voice: e.g. "cmn+f2". rate: words a minute, 80 to 450. pitch, pitch_range: 0 to 100.
        word_gap: pause between words, units of 10 ms. seed: of the noise in breathy voices, 0 to 2^31 - 1.
    """

    text: str
    voice: str
    rate: int
    pitch: int
    pitch_range: int
    word_gap: int = 0
    seed: int = 0


@functools.cache
def _library() -> tuple[str, str]:
    """Paths of the shared library and of its data."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise UserError("espeakng-loader is not installed; run utils/setup.sh") from error
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()


def synthesize(speech: Speech) -> np.ndarray:
    """Returns: float32 (T,), -1 to 1, at RATE Hz.

    Raises:
        UserError: espeak-ng failed or said nothing.
    """
    import numpy as np

    numbers = (speech.rate, speech.pitch, speech.pitch_range, speech.word_gap, speech.seed)
    command = [sys.executable, "-I", "-S", str(SPEAKER_PROCESS), *_library(), speech.voice, *map(str, numbers),
               speech.text.encode()]  # bytes: the process may take its arguments for another encoding
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        raise UserError(f"espeak-ng took over {TIME_LIMIT} s for {speech.text!r} with voice {speech.voice}") from None
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise UserError(f"espeak-ng cannot say {speech.text!r} with voice {speech.voice}: {reason}")
    return np.frombuffer(done.stdout, dtype="<i2").astype(np.float32) / 32768
