"""What sentence an utterance says, whoever says it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steps.data.dataset import Item


def sentence_of(item: Item) -> str | None:
    """The sentence's own name where the corpus has one, else the text without case, width and punctuation."""
    if item.fields.get("sentence") is not None:
        return str(item.fields["sentence"])
    if item.text is None:
        return None
    plain = re.sub(r"[^\w\s]", " ", unicodedata.normalize("NFKC", item.text).casefold())
    return " ".join(plain.split()) or None
