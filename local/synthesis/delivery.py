"""How an utterance is delivered: tempo, pitch, range, loudness, color, tremor, pauses and bursts of each emotion.

The changes are rough averages of what reviews of vocal emotion report (Scherer 2003; Juslin & Laukka 2003): anger
loud, fast and bright; sadness slow, low, narrow, soft and dark; joy high and wide; and so on. They are scaled by
intensity and by the speaker's style, and every utterance varies at random about them, so that classes overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from local.synthesis.speakers import Speaker


@dataclass(frozen=True)
class Profile:
    """Change at full intensity.

    Attributes:
        rate: factor - 1. pitch, pitch_range: espeak-ng's points. loudness: dB. tilt: dB an octave.
        tremor: depth, 0 to 1; tremor_rate: Hz. pauses: expected number. gap: between words, units of 10 ms.
        laugh, sob: probability of a burst. mark: final punctuation, with probability mark_probability.
    """

    rate: float = 0.0
    pitch: float = 0.0
    pitch_range: float = 0.0
    loudness: float = 0.0
    tilt: float = 0.0
    tremor: float = 0.0
    tremor_rate: float = 5.5
    pauses: float = 0.0
    gap: float = 0.0
    laugh: float = 0.02
    sob: float = 0.02
    mark: str = "."
    mark_probability: float = 0.0


PROFILES = {
    "neutral": Profile(),
    "angry": Profile(rate=0.16, pitch=2, pitch_range=26, loudness=10, tilt=3.5, mark="!", mark_probability=0.5),
    "disgust": Profile(rate=-0.24, pitch=-26, pitch_range=24, loudness=2, tilt=-2.5, tremor=0.8, tremor_rate=20, gap=1),
    "happy": Profile(rate=0.08, pitch=22, pitch_range=36, loudness=5, tilt=1.8, laugh=0.6, mark="!",
                     mark_probability=0.3),
    "sad": Profile(rate=-0.28, pitch=-16, pitch_range=-38, loudness=-9, tilt=-3.0, tremor=0.25, tremor_rate=5,
                   pauses=0.8, gap=1, sob=0.5),
    "surprise": Profile(rate=-0.14, pitch=46, pitch_range=48, loudness=4, tilt=-1.0, mark="?", mark_probability=0.7),
    "anxious": Profile(rate=0.36, pitch=16, pitch_range=-20, loudness=-1, tilt=1.2, tremor=0.9, tremor_rate=9),
    "worried": Profile(rate=-0.14, pitch=8, pitch_range=-28, loudness=-4, tilt=-0.8, tremor=0.7, tremor_rate=5.5,
                       pauses=1.2, gap=2, sob=0.08),
}


@dataclass(frozen=True)
class Delivery:
    """One utterance's settings, in Profile's units; rate in words a minute, burst "laugh", "sob" or ""."""

    rate: int
    pitch: int
    pitch_range: int
    gap: int
    loudness: float
    tilt: float
    tremor: float
    tremor_rate: float
    pauses: int
    burst: str
    mark: str


def deliver(speaker: Speaker, emotion: str, strength: float, rng: Random) -> Delivery:
    """Settings for `speaker` showing `emotion` with `strength` (0 not at all, 1 fully)."""
    profile = PROFILES[emotion]
    tempo, melody, color = (strength * style for style in speaker.style)
    rate = speaker.rate * (1 + tempo * profile.rate) * rng.gauss(1, 0.04)
    pitch = speaker.pitch + melody * profile.pitch + rng.gauss(0, 4)
    pitch_range = speaker.pitch_range + melody * profile.pitch_range + rng.gauss(0, 6)
    drawn, burst = rng.random(), ""
    if drawn < 0.02 + strength * (profile.laugh - 0.02):
        burst = "laugh"
    elif drawn > 0.98 - strength * (profile.sob - 0.02):
        burst = "sob"
    return Delivery(
        rate=_clip(rate, 90, 300), pitch=_clip(pitch, 2, 98), pitch_range=_clip(pitch_range, 5, 98),
        gap=_clip(tempo * profile.gap + rng.choice((0, 0, 0, 1)), 0, 6),
        loudness=speaker.gain + color * profile.loudness + rng.gauss(0, 1.5),
        tilt=color * profile.tilt + rng.gauss(0, 0.4),
        tremor=min(0.8, max(0.0, color * profile.tremor + abs(rng.gauss(0, 0.04)))),
        tremor_rate=profile.tremor_rate * rng.gauss(1, 0.12),
        pauses=min(3, int(strength * profile.pauses + rng.random() * 1.1)),
        burst=burst, mark=profile.mark if rng.random() < strength * profile.mark_probability else ".")


def _clip(value: float, low: int, high: int) -> int:
    return int(min(high, max(low, round(value))))
