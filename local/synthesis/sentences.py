"""Sentences from templates (sentences.yaml): what is spoken, its transcript, and codes for the leak audit."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

SENTENCES = Path(__file__).with_name("sentences.yaml")
SLOT = re.compile(r"\{(\w+)\}")
EMOTION_SLOTS = ("state", "cry", "judgement")


@dataclass(frozen=True)
class Sentence:
    """
    Attributes:
        spoken: with the punctuation that the synthesizer pauses at, without a final mark.
        text: the transcript: no punctuation, lower case.
        question: whether it ends in a question mark.
        template: code of the pattern, e.g. en-own-test-2. code: template and hash of the text.
    """

    spoken: str
    text: str
    question: bool
    template: str

    @property
    def code(self) -> str:
        return f"{self.template}-{hashlib.sha256(self.text.encode()).hexdigest()[:6]}"


@functools.cache
def tables() -> dict[str, Any]:
    """The whole of sentences.yaml: language -> lists, emotions, templates."""
    import yaml

    return yaml.safe_load(SENTENCES.read_text(encoding="utf-8"))


def templates(language: str, kind: str, part: str | None = None) -> list[tuple[str, str]]:
    """(code, pattern) of every template of a kind (plain, own, reported, or asr, which has no parts)."""
    listed = tables()[language]["templates"][kind]
    name = kind if part is None else f"{kind}-{part}"
    return [(f"{language}-{name}-{number}", pattern) for number, pattern in
            enumerate(listed if part is None else listed[part], start=1)]


def transcript(spoken: str) -> str:
    """Lower case, without punctuation, single spaces."""
    return " ".join(re.sub(r"[^\w' ]", " ", spoken.lower()).split())


def make_sentence(language: str, code: str, pattern: str, emotion: str | None, rng: Random) -> Sentence:
    """Fill a template's slots; a list that occurs twice in it gives two different words.

    Args:
        emotion: whose words fill {state}, {cry} and {judgement}; None draws an emotion for each slot.
    """
    table, used = tables()[language], set()

    def fill(match: re.Match[str]) -> str:
        slot = match[1]
        source = table["lists"]
        if slot in EMOTION_SLOTS:
            source = table["emotions"][emotion or rng.choice(sorted(table["emotions"]))]
        word = rng.choice([entry for entry in source[slot] if entry not in used])
        used.add(word)
        return word

    spoken = SLOT.sub(fill, pattern)
    text = transcript(spoken)
    if language == "zh":  # a space in a pattern only follows a comma
        text = text.replace(" ", "")
    return Sentence(spoken.rstrip("?"), text, spoken.endswith("?"), code)
