"""One planned utterance -> samples -> WAV file."""

from __future__ import annotations

import functools
import hashlib
import io
import wave
from pathlib import Path

import numpy as np

from local.synthesis import espeak, sound
from local.synthesis.plan import Utterance
from utils.files import atomic_open
from utils.sound import noises
from utils.sound.signal import RATE, to_pcm


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers that depend on the seed and the utterance alone."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big"))


def speak(utterance: Utterance, seed: int) -> np.ndarray:
    """The voice without noise: float64 (T,) at 16 kHz."""
    delivery, speaker = utterance.delivery, utterance.speaker
    rng = generator(seed, utterance.id)
    mark = "?" if utterance.sentence.question else delivery.mark
    raw = espeak.synthesize(espeak.Speech(utterance.sentence.spoken + mark, speaker.voice(utterance.language),
                                          delivery.rate, delivery.pitch, delivery.pitch_range, delivery.gap,
                                          seed=int(rng.integers(2 ** 31))))
    voice = sound.reshape(raw, espeak.RATE, warp=speaker.warp, tilt=delivery.tilt, tremor=delivery.tremor,
                          tremor_rate=delivery.tremor_rate, phase=rng.uniform(0, 2 * np.pi))
    voice = sound.insert_pauses(sound.trim(voice), delivery.pauses, rng)
    if delivery.burst:
        pitch = (250 if speaker.gender == "female" else 150) * speaker.warp
        voice = sound.add_burst(voice, delivery.burst, pitch, rng)
    return sound.set_level(voice, delivery.loudness)


class Renderer:
    """Renders the utterances of one plan; keeps the few voices that babble in other recordings."""

    def __init__(self, plan: list[Utterance], seed: int):
        self.seed = seed
        self.planned = {utterance.id: utterance for utterance in plan}
        self.babbler = functools.cache(lambda name: speak(self.planned[name], seed))

    def render(self, utterance: Utterance) -> np.ndarray:
        """int16 (T,) at 16 kHz."""
        voice = speak(utterance, self.seed)
        rng = generator(self.seed, f"{utterance.id}/noise")
        if utterance.noise == "babble":
            behind = noises.babble(len(voice), [self.babbler(name) for name in utterance.babblers], rng)
        else:
            behind = getattr(noises, utterance.noise)(len(voice), rng)
        return to_pcm(noises.add_noise(voice, behind, utterance.snr))[0]


def wav_path(directory: Path, utterance: Utterance) -> Path:
    """Where an utterance's recording lies."""
    return directory / "wav" / utterance.speaker.name / f"{utterance.id}.wav"


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write 16-bit mono WAV at 16 kHz; the name appears only when the file is whole."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE)
        stream.writeframes(samples.tobytes())
    with atomic_open(path, "wb") as stream:
        stream.write(buffer.getvalue())
