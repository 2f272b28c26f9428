"""Open Mandarin corpora for a recognizer: raw layout -> utterance rows, one module a corpus.

`rows(name, corpus_dir)` gives the rows of a corpus one after the other. A row's id starts with the corpus's name; its
fields are those of conf/fields.yaml and `part` (train, dev or test, as published), and `overlap`, the share of a
meeting's segment in which somebody else speaks too. Of several channels the first is taken. A recording without a
transcript is a row without text. Layouts follow the lhotse recipes of the same names, which the tests compare with.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from utils.corpus import Row
from utils.errors import UsageError


@dataclass(frozen=True)
class SpeechCorpus:
    """What is published of a corpus. hours: of transcribed speech that the recipe takes."""

    name: str
    title: str
    hours: int
    license: str
    source: str


CORPORA = {corpus.name: corpus for corpus in (
    SpeechCorpus("aishell", "AISHELL-1", 178, "Apache 2.0", "https://www.openslr.org/33"),
    SpeechCorpus("aishell3", "AISHELL-3", 85, "Apache 2.0", "https://www.openslr.org/93"),
    SpeechCorpus("aishell4", "AISHELL-4", 120, "CC BY-SA 4.0", "https://www.openslr.org/111"),
    SpeechCorpus("alimeeting", "AliMeeting", 119, "CC BY-SA 4.0", "https://www.openslr.org/119"),
    SpeechCorpus("magicdata", "MagicData Read Speech", 755, "CC BY-NC-ND 4.0", "https://www.openslr.org/68"),
    SpeechCorpus("kespeech", "KeSpeech", 1542, "own, academic use, on application",
                 "https://github.com/KeSpeech/KeSpeech"),
    SpeechCorpus("st_cmds", "ST-CMDS", 110, "CC BY-NC-ND 4.0", "https://www.openslr.org/38"),
    SpeechCorpus("thchs30", "THCHS-30", 34, "Apache 2.0", "https://www.openslr.org/18"),
    SpeechCorpus("wenetspeech", "WenetSpeech, subset M", 1000, "CC BY 4.0 for the labels, audio on application",
                 "https://wenet.org.cn/WenetSpeech"),
)}


TOY = "mini"  # the synthetic set; proves that the road works


def rows(name: str, corpus_dir: Path) -> Iterator[Row]:
    """The utterances of a corpus.

    Raises:
        UsageError: no such corpus, or not its layout; names what is missing and where to get it.
    """
    if name not in (*CORPORA, TOY):
        raise UsageError(f"{name} is none of the corpora: {', '.join(CORPORA)}")
    yield from importlib.import_module(f"local.mandarin_speech.{name}").rows(corpus_dir)
