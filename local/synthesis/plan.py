"""Which utterances a synthetic set has: speaker, sentence, emotion, delivery and noise of each, all from one seed.

The plan is made whole by every task, in about 0.1 s, so that nothing depends on how the work is divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from local.synthesis.delivery import Delivery, deliver
from local.synthesis.sentences import Sentence, make_sentence, templates
from local.synthesis.speakers import ASR_SPEAKERS, EMOTION_SPEAKERS, Speaker

# Shares of the classes of MEC 2017, roughly: films are mostly neutral, disgust and surprise are rare.
SHARES = {"angry": 0.17, "disgust": 0.05, "happy": 0.15, "sad": 0.11, "surprise": 0.06, "anxious": 0.10,
          "worried": 0.12, "neutral": 0.24}
# Where the emotion is: in the voice alone, in the words alone, or in both.
CUES = {"voice": 0.26, "words": 0.17, "both": 0.57}
MANDARIN = 0.6  # share of the utterances

KINDS = ("hum", "babble", "chords", "impulses")  # of noise, functions of utils/sound/noises.py
LOWEST, HIGHEST = 5.0, 25.0  # signal-to-noise ratio, dB

# utterances of each speaker of a part
FULL = {"train": 56, "dev": 88, "test": 88}
TINY = {"train": 12, "dev": 9, "test": 9}
TINY_SPEAKERS = ("f01", "m01", "f05", "m05", "f06", "m06")
ASR = {"full": 63, "tiny": 2}


@dataclass(frozen=True)
class Utterance:
    """Everything that decides how an utterance sounds.

    Attributes:
        emotion, cue: None in the set without emotions. intensity: 0 to 1, as far as it is heard.
        babblers: ids of the utterances behind it where noise is babble.
    """

    id: str
    speaker: Speaker
    language: str
    sentence: Sentence
    emotion: str | None
    cue: str | None
    intensity: float
    delivery: Delivery
    noise: str
    snr: float
    babblers: tuple[str, ...] = ()


def make_plan(kind: str, size: str, seed: int) -> list[Utterance]:
    """
    Args:
        kind: "emotion", or "asr" for the set without emotions that trains a recognizer. size: "full" or "tiny".

    Returns: the utterances in a fixed order, speaker by speaker.
    """
    master = Random(f"{seed}/{kind}/{size}")
    plan = _asr_plan(size, seed) if kind == "asr" else _emotion_plan(size, seed, master)
    return _choose_babble(plan, seed)


def _emotion_plan(size: str, seed: int, master: Random) -> list[Utterance]:
    counts = FULL if size == "full" else TINY
    speakers = [speaker for speaker in EMOTION_SPEAKERS if size == "full" or speaker.name in TINY_SPEAKERS]
    plan = []
    for part, count in counts.items():
        members = [speaker for speaker in speakers if speaker.part == part]
        labels = _labels(count * len(members), master)
        for k, speaker in enumerate(members):
            mine = labels[k::len(members)]
            master.shuffle(mine)
            for number, (emotion, cue, language) in enumerate(mine, start=1):
                plan.append(_emotional(f"{speaker.name}-{number:03}", speaker, emotion, cue, language, seed))
    return plan


def _labels(count: int, rng: Random) -> list[tuple[str, str, str]]:
    """(emotion, cue, language) of `count` utterances: sorted by emotion, so that every n-th of them is stratified."""
    numbers = {emotion: max(2, int(share * count)) for emotion, share in SHARES.items()}
    numbers["neutral"] += count - sum(numbers.values())
    labels = []
    for emotion, number in numbers.items():
        cues, languages = _proportional(CUES, number), _proportional({"zh": MANDARIN, "en": 1 - MANDARIN}, number)
        rng.shuffle(cues)
        rng.shuffle(languages)
        labels += zip([emotion] * number, cues, languages, strict=True)
    return labels


def _proportional(shares: dict[str, float], count: int) -> list[str]:
    """`count` names in the given shares: the next one is always the one that lags most."""
    names: list[str] = []
    for k in range(1, count + 1):
        names.append(max(shares, key=lambda name: shares[name] * k - names.count(name)))
    return names


def _emotional(name: str, speaker: Speaker, emotion: str, cue: str, language: str, seed: int) -> Utterance:
    """One utterance of the emotional set; every choice derives from the seed and its id."""
    rng = Random(f"{seed}/{name}")
    if emotion == "neutral":
        cue = "none"
    strength = rng.uniform(0.75, 1.0) if cue in ("voice", "both") else rng.uniform(0.0, 0.15)
    # Words of a feeling that the speaker has; or none; or somebody else's, which must not be mistaken for his.
    kind = "own" if cue in ("words", "both") else "reported" if rng.random() < 0.12 else "plain"
    code, pattern = rng.choice(templates(language, kind, speaker.part))
    sentence = make_sentence(language, code, pattern, emotion if kind == "own" else None, rng)
    delivery = deliver(speaker, emotion, strength, rng)
    intensity = 0.0 if emotion == "neutral" else round(strength, 2)
    return Utterance(name, speaker, language, sentence, emotion, cue, intensity, delivery, rng.choice(KINDS),
                     round(rng.triangular(LOWEST, HIGHEST, 20), 1))


def _asr_plan(size: str, seed: int) -> list[Utterance]:
    """The set without emotions: every voice reads in both languages, delivered as variously as the other set."""
    plan = []
    for speaker in ASR_SPEAKERS:
        for number in range(1, ASR[size] + 1):
            name = f"{speaker.name}-{number:03}"
            rng = Random(f"{seed}/{name}")
            language = "zh" if number % 2 else "en"
            code, pattern = rng.choice(templates(language, "asr"))
            sentence = make_sentence(language, code, pattern, None, rng)
            delivery = deliver(speaker, rng.choice(sorted(SHARES)), rng.uniform(0, 0.8), rng)
            plan.append(Utterance(name, speaker, language, sentence, None, None, 0.0, delivery, rng.choice(KINDS),
                                  round(rng.triangular(LOWEST, HIGHEST, 20), 1)))
    return plan


def _choose_babble(plan: Sequence[Utterance], seed: int) -> list[Utterance]:
    """Give every utterance over babble three others behind it: same part, other speakers, from a small pool."""
    pools: dict[str, list[Utterance]] = {}
    for part in dict.fromkeys(utterance.speaker.part for utterance in plan):
        members = [utterance for utterance in plan if utterance.speaker.part == part]
        names = sorted({utterance.speaker.name for utterance in members})
        each = max(2, 12 // len(names))  # of each speaker; a task speaks the pool once
        pools[part] = [u for name in names for u in [v for v in members if v.speaker.name == name][:each]]
    chosen = []
    for utterance in plan:
        if utterance.noise == "babble":
            others = [u.id for u in pools[utterance.speaker.part] if u.speaker != utterance.speaker]
            rng = Random(f"{seed}/{utterance.id}/babble")
            utterance = replace(utterance, babblers=tuple(rng.sample(others, min(3, len(others)))))
        chosen.append(utterance)
    return chosen
