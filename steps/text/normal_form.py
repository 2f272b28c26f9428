"""The one form of text that training, decoding and scoring share. Standard library only.

Normal form: Unicode NFKC, lower case, letters, digits and marks only, an apostrophe only inside a word. Words are
parted by one space; Han characters, which Chinese writes without spaces, stand together: `我们用 iphone 14 手机`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Radicals, 〇, extension A, the unified ideographs, compatibility ideographs, extensions B and later.
HAN = "\u2e80-\u2fd5\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN = re.compile(f"[{HAN}]")
_TOKEN = re.compile(f"[{HAN}]|[^\\s{HAN}]+")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u00b4`\uff07", "'"))
_TURKISH = str.maketrans({"I": "ı", "İ": "i"})


class _Kept(dict[int, str]):
    """A table for str.translate: what stays, what becomes a space, what goes; each character is looked at once."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        stays = kind[0] in "LMN" or character == "'"
        # Format characters (soft hyphen, zero-width joiner) stand inside words and are not seen.
        self[code] = character if stays else "" if kind == "Cf" else " "
        return self[code]


_KEPT = _Kept()


def normalize(text: str, language: str | None = None) -> str:
    """Text in normal form (see the module's text); "" where nothing is left. Digits stay as they are.

    Args:
        language: BCP 47 code; Turkish and Azeri have lower-case letters of their own, all others are alike.
    """
    text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES))
    if language is not None and language.split("-")[0].lower() in ("tr", "az"):
        text = text.translate(_TURKISH)
    # Lower case can undo the composition: the dot of a capital I with dot becomes a mark of its own.
    text = unicodedata.normalize("NFKC", text.lower()).translate(_KEPT)
    return join(words(text))


def words(text: str) -> list[str]:
    """The scoring tokens of normalized text: a word between spaces is one, and so is each Han character."""
    tokens = (token.strip("'") for token in _TOKEN.findall(text))
    return [token for token in tokens if token]


def join(tokens: Iterable[str]) -> str:
    """The normalized text with the `words` `tokens`: one space between two unless both are Han characters."""
    parts: list[str] = []
    for token in tokens:
        if parts and not (is_han(token) and is_han(parts[-1])):
            parts.append(" ")
        parts.append(token)
    return "".join(parts)


def is_han(token: str) -> bool:
    """Whether a scoring token is a Han character."""
    return len(token) == 1 and _HAN.match(token) is not None
