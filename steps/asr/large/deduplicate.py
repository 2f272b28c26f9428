"""Which training utterances are also somewhere else: in a dev or test part, in another corpus, in a protected data set.

Two utterances of the same text and the same length (10 ms) are looked at: they are the same if the corpus gave them the
same id, or if their decoded samples are equal. So of thousands of hours only the few that may be doubles are decoded.
Test goes before dev, dev before train, and among training utterances the corpus named first. A sentence of a protected
data set (an emotion corpus) is no training utterance in anybody's mouth.

    OUT    TSV: id, reason, of; what steps/export_shar.sh leaves out of the training sets
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser, paths
from utils.errors import UserError, run_main
from utils.files import atomic_open, check_regular

SENTENCE, RECORDING, ID = "sentence of a protected set", "same recording", "same id, text and length"


def read_cuts(path: Path) -> Iterator[dict[str, Any]]:
    """The cuts of a gzipped file as JSON values."""
    check_regular(path)
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def key_of(text: str, duration: float) -> bytes:
    """What doubles have in common: 8 bytes, so that millions fit into memory."""
    return hashlib.blake2b(f"{text}\0{round(100 * duration)}".encode(), digest_size=8).digest()


def audio_hash(cut: Mapping[str, Any]) -> str:
    """Of the decoded samples, 16 bit, 16 kHz; "" where they cannot be read."""
    import numpy as np

    from steps.data.audio import read_audio, resample

    try:
        samples, rate, _ = read_audio(cut["recording"]["sources"][0]["source"], cut["start"], cut["duration"])
    except UserError:
        return ""
    whole = np.round(resample(samples, rate) * 32768).astype("<i4")
    return hashlib.blake2b(whole.tobytes(), digest_size=16).hexdigest()


class Known:
    """Utterances that came before: by key, the place to read them again when a candidate asks."""

    def __init__(self) -> None:
        self.found: dict[bytes, list[dict[str, Any]]] = {}

    def add(self, cut: Mapping[str, Any]) -> None:
        """Keep what is needed to compare with it."""
        slim = {name: cut[name] for name in ("id", "start", "duration")}
        slim["recording"] = {"sources": [{"source": cut["recording"]["sources"][0]["source"]}]}
        self.found.setdefault(key_of(cut["supervisions"][0]["text"], cut["duration"]), []).append(slim)

    def double(self, cut: Mapping[str, Any]) -> tuple[str, str] | None:
        """(reason, id of the other) if this utterance came before."""
        others = self.found.get(key_of(cut["supervisions"][0]["text"], cut["duration"]), ())
        for other in others:
            if _own_id(other["id"]) == _own_id(cut["id"]):
                return ID, other["id"]
        mine = audio_hash(cut) if others else ""
        for other in others:
            if mine and audio_hash(other) == mine:
                return RECORDING, other["id"]
        return None


def _own_id(key: str) -> str:
    """The id that the corpus itself gave: ours start with the corpus's name."""
    return key.partition("-")[2] or key


def doubles(prepared: Sequence[Path], protected: Sequence[Path]) -> Iterator[tuple[str, str, str]]:
    """(id, reason, of) of every training utterance that must go."""
    from steps.asr.large.prepare_speech import cuts_path

    known, sentences = Known(), _protect(protected)
    for part in ("test", "dev"):
        for directory in prepared:
            for cut in read_cuts(cuts_path(directory, part)):
                known.add(cut)
    for cut in _protected_cuts(protected):
        known.add(cut)
    for directory in prepared:
        for cut in read_cuts(cuts_path(directory, "train")):
            text = cut["supervisions"][0]["text"]
            if text in sentences:
                yield cut["id"], SENTENCE, sentences[text]
            elif found := known.double(cut):
                yield cut["id"], *found
            else:
                known.add(cut)


def _protect(protected: Sequence[Path]) -> dict[str, str]:
    """Normalized sentence -> data set."""
    return {cut["supervisions"][0]["text"]: cut["of"] for cut in _protected_cuts(protected)}


def _protected_cuts(protected: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The utterances with a text of prepared data sets, their text normalized."""
    from steps.text.normal_form import normalize

    for directory in protected:
        for cut in read_cuts(directory / "cuts.jsonl.gz"):
            supervision = cut["supervisions"][0]
            text = normalize(supervision.get("text") or "", supervision.get("language"))
            if text and cut.get("recording"):
                yield {**cut, "id": f"{directory.name}-{cut['id']}", "of": directory.name,
                       "supervisions": [{**supervision, "text": text}]}


def read_doubles(path: Path | None) -> set[str]:
    """The ids of a file that this module wrote."""
    if path is None:
        return set()
    check_regular(path)
    return {line.partition("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()[1:]}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("find_duplicates.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=paths, required=True, metavar='"DIR ..."',
                        help="what steps/prepare_speech.sh wrote; of two copies that of the first corpus is kept")
    parser.add_argument("--protect", type=lambda text: paths(text) if text else [], default=[], metavar='"DATA ..."',
                        help="prepared data sets; their sentences and recordings must not be trained on")
    parser.add_argument("out", type=Path, metavar="OUT")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    reasons: Counter[str] = Counter()
    with atomic_open(arguments.out) as stream:
        stream.write("id\treason\tof\n")
        for key, reason, of in doubles(arguments.prepared, arguments.protect):
            reasons[reason] += 1
            stream.write(f"{key}\t{reason}\t{of}\n")
    told = "; ".join(f"{many} {reason}" for reason, many in sorted(reasons.items()))
    print(f"{arguments.out}: {sum(reasons.values())} training utterances are left out{': ' if told else ''}{told}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
