"""The synthetic speakers: settings of espeak-ng that make voices differ, and how strongly each shows a feeling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Speaker:
    """
    Attributes:
        part: the only part (train, dev, test) in which the speaker is heard.
        variant: espeak-ng's voice variant. accent: its English voice.
        rate: words a minute. pitch, pitch_range: espeak-ng's 0 to 100. gain: dB.
        warp: factor on every frequency (vocal tract and pitch) by resampling; 1 leaves the voice as it is.
        style: factors on the emotional change of (tempo, melody, loudness and color).
    """

    name: str
    gender: str
    part: str
    variant: str
    accent: str
    rate: int = 165
    pitch: int = 50
    pitch_range: int = 50
    gain: float = 0.0
    warp: float = 1.0
    style: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def voice(self, language: str) -> str:
        """espeak-ng's voice name for `language` (en or zh)."""
        return f"{self.accent if language == 'en' else 'cmn'}+{self.variant}"


_F, _M = "female", "male"
EMOTION_SPEAKERS = (
    Speaker("f01", _F, "train", "f1", "en-us", 168, 50, 48, 0.0, 1.00, (1.0, 1.1, 0.9)),
    Speaker("f02", _F, "train", "belinda", "en", 160, 50, 52, -1.0, 1.02, (1.1, 0.9, 1.0)),
    Speaker("f03", _F, "train", "f3", "en-029", 172, 46, 48, 1.0, 0.98, (0.9, 1.0, 1.1)),
    Speaker("f04", _F, "train", "Annie", "en-gb-x-rp", 162, 48, 52, -1.0, 0.99, (1.0, 1.1, 1.0)),
    Speaker("f05", _F, "dev", "f5", "en-us", 165, 44, 50, 0.5, 0.99, (1.1, 1.0, 1.0)),
    Speaker("f06", _F, "test", "f2", "en", 167, 51, 49, 0.0, 1.01, (0.9, 1.1, 1.0)),
    Speaker("m01", _M, "train", "m1", "en", 164, 52, 50, 0.5, 1.00, (1.0, 0.9, 1.1)),
    Speaker("m02", _M, "train", "m6", "en-us", 171, 46, 48, -0.5, 1.02, (0.9, 1.1, 0.9)),
    Speaker("m03", _M, "train", "m4", "en-gb-scotland", 158, 56, 52, 1.0, 0.98, (1.1, 1.0, 1.0)),
    Speaker("m04", _M, "train", "m8", "en-us", 169, 54, 52, -0.5, 1.01, (0.9, 1.1, 1.1)),
    Speaker("m05", _M, "dev", "m7", "en-gb-x-rp", 162, 52, 49, -0.5, 0.99, (1.0, 1.0, 0.9)),
    Speaker("m06", _M, "test", "m3", "en-us", 166, 50, 51, 0.5, 1.01, (1.1, 0.9, 1.0)),
)


def _asr_speakers() -> tuple[Speaker, ...]:
    """24 further voices, 20 to train, 2 dev, 2 test. No variant of the emotional set's dev and test speakers."""
    variants = {
        _F: ("Andrea", "steph", "anika", "f4", "aunty", "Alicia", "f3", "f1", "linda", "Annie", "Andrea", "f4"),
        _M: ("Alex", "paul", "max", "Mike", "m2", "m5", "john", "m6", "m1", "m4", "max", "m2"),
    }
    accents = ("en-us", "en", "en-gb-x-rp", "en-029", "en-gb-scotland")
    speakers = []
    for gender, names in variants.items():
        for k, variant in enumerate(names):
            part = {10: "dev", 11: "test"}.get(k, "train")
            warp = (0.96, 1.04, 1.0)[k % 3] if k < 7 else (0.92, 1.08)[k % 2]
            settings = {"rate": 145 + (k * 29) % 50, "pitch": 35 + (k * 17) % 35, "pitch_range": 35 + (k * 13) % 30,
                        "gain": k % 5 - 2.0, "warp": warp}
            name, accent = f"asr-{gender[0]}{k + 1:02}", accents[(k + 2) % len(accents)]
            speakers.append(Speaker(name, gender, part, variant, accent, **settings))
    return tuple(speakers)


ASR_SPEAKERS = _asr_speakers()
PART_OF = {speaker.name: speaker.part for speaker in EMOTION_SPEAKERS + ASR_SPEAKERS}
