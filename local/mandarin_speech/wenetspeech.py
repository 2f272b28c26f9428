"""WenetSpeech: 10000 h from YouTube and podcasts (Zhang et al., ICASSP 2022); here its subset M of 1000 h.

Layout: DIR/WenetSpeech.json, whose "audios" have a path (a long .opus below DIR), and segments with times, text,
confidence and the subsets that they belong to. The file has some 10 GB, so it is read an audio at a time. Segments of
M are those that the authors trust wholly (confidence 1.0); weakly labelled ones belong to W. No speaker is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.mandarin_speech.layout import require, row
from utils.corpus import Row
from utils.errors import UserError
from utils.files import check_regular

SUBSETS = {"M": "train", "DEV": "dev", "TEST_NET": "test", "TEST_MEETING": "test"}
CHUNK = 1 << 20


def rows(corpus_dir: Path) -> Iterator[Row]:
    """See local.mandarin_speech.rows."""
    require(corpus_dir, "wenetspeech", "WenetSpeech.json")
    for audio in audios(corpus_dir / "WenetSpeech.json"):
        for segment in audio["segments"]:
            part = next((SUBSETS[name] for name in segment["subsets"] if name in SUBSETS), None)
            if part:
                yield row("wenetspeech", segment["sid"], corpus_dir / audio["path"], segment["text"], part, None,
                          f"WenetSpeech.json, {audio['aid']}", segment["begin_time"], segment["end_time"],
                          session=audio["aid"])


def audios(path: Path) -> Iterator[dict[str, Any]]:
    """The elements of the list "audios", in constant memory.

    Raises:
        UserError: the file ends within the list.
    """
    check_regular(path)
    decoder = json.JSONDecoder()
    with open(path, encoding="utf-8") as stream:
        text, found = "", None
        while found is None:
            chunk = stream.read(CHUNK)
            if not chunk:
                raise UserError(f"{path}: no list \"audios\" in it")
            text = text[-100:] + chunk
            found = re.search(r'"audios"\s*:\s*\[', text)
        text = text[found.end():]
        while True:
            text = text.lstrip(" \t\r\n,")
            if text.startswith("]"):
                return
            try:
                audio, end = decoder.raw_decode(text)
            except ValueError:
                chunk = stream.read(CHUNK)
                if not chunk:
                    raise UserError(f"{path}: ends within an audio; download it again") from None
                text += chunk
                continue
            yield audio
            text = text[end:]
