"""Corpora of transcribed speech -> cuts of each part with normalized text, read lazily afterwards; a task a corpus.

    OUT/<corpus>/cuts.<part>.jsonl.gz   lhotse cuts; CutSet.from_jsonl_lazy reads them
    OUT/<corpus>/dropped.tsv            id, part, reason, where: every utterance that is not used
    OUT/<corpus>/prepared.json          counts, hours, drops by reason

Headers are read, not samples: what cannot be decoded shows when the audio is exported.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from utils.arguments import ArgumentParser, count
from utils.corpus import PARTS, Row
from utils.errors import UsageError, UserError, run_main
from utils.files import atomic_open, write_json

PREPARED, DROPPED = "prepared.json", "dropped.tsv"
CHUNK = 4096  # rows whose headers are read at a time
NATIVE = ("speaker", "gender", "language", "text")


def cuts_path(directory: Path, part: str) -> Path:
    """Where the cuts of a part lie."""
    return directory / f"cuts.{part}.jsonl.gz"


@dataclass(frozen=True)
class Limits:
    """What can be used: seconds of an utterance, and the share of it that others may talk into."""

    shortest: float = 0.3
    longest: float = 30.0
    overlap: float = 0.3


def cut_of(row: Row, limits: Limits, info: Callable[[Path], Any]) -> tuple[dict[str, Any] | None, str]:
    """(the cut as lhotse's JSON, "") or (None, why it is dropped)."""
    from steps.data.audio import GitLfsPointer
    from steps.text.normal_form import normalize

    if row.path is None or not row.fields.get("text"):
        return None, "no transcript"
    text = normalize(row.fields["text"], row.fields.get("language"))
    if not text:
        return None, "empty transcript"
    if row.fields.get("overlap", 0.0) > limits.overlap:
        return None, "others speak too"
    try:
        about = info(row.path)
    except GitLfsPointer:
        return None, "not fetched by git-lfs (git lfs pull)"
    except UserError:
        return None, "unreadable"
    end = about.duration if row.end is None else row.end
    if end > about.duration + 0.02:
        return None, "ends after its recording"
    duration = round(min(end, about.duration) - row.start, 8)
    if duration < limits.shortest:
        return None, f"shorter than {limits.shortest} s"
    if duration > limits.longest:
        return None, f"longer than {limits.longest} s"
    return _cut(row, text, duration, about), ""


def _cut(row: Row, text: str, duration: float, about: Any) -> dict[str, Any]:
    native = {name: row.fields[name] for name in NATIVE if name in row.fields}
    custom = {name: value for name, value in row.fields.items() if name not in (*NATIVE, "part", "overlap")}
    recording = row.id if row.end is None else Path(str(row.path)).stem
    return {"id": row.id, "start": row.start, "duration": duration, "channel": 0,
            "supervisions": [{"id": row.id, "recording_id": recording, "start": 0.0, "duration": duration, "channel": 0,
                              **native, "text": text, **({"custom": custom} if custom else {})}],
            "recording": {"id": recording, "sampling_rate": about.rate, "num_samples": about.samples,
                          "duration": about.duration, "channel_ids": list(range(about.channels)),
                          "sources": [{"type": "file", "channels": list(range(about.channels)),
                                       "source": str(row.path)}]},
            "type": "MonoCut"}


def cuts_of(rows: Iterable[Row], limits: Limits, threads: int) -> Iterator[tuple[Row, dict[str, Any] | None, str]]:
    """Every row with its cut or the reason against it, in order; headers are read by several threads."""
    from steps.data.audio import audio_info

    info = functools.lru_cache(maxsize=CHUNK)(audio_info)  # segments of a meeting share their recording
    seen: set[str] = set()
    rest = iter(rows)
    with ThreadPoolExecutor(threads) as pool:
        while chunk := list(islice(rest, CHUNK)):
            made = pool.map(lambda row: cut_of(row, limits, info), chunk)
            for row, (cut, reason) in zip(chunk, made, strict=True):
                if row.id in seen:
                    cut, reason = None, "id given before"
                seen.add(row.id)
                yield row, cut, reason


def prepare(name: str, rows: Iterable[Row], out: Path, limits: Limits, threads: int = 4) -> dict[str, Any]:
    """Write OUT (see the module's text) for one corpus; returns what prepared.json holds.

    Raises:
        UserError: nothing is left of the corpus.
    """
    utterances, reasons, seconds = Counter(), Counter(), dict.fromkeys(PARTS, 0.0)
    speakers: dict[str, set[str]] = {part: set() for part in PARTS}
    with ExitStack() as stack:
        streams = {part: _gzip(stack, cuts_path(out, part)) for part in PARTS}
        dropped = stack.enter_context(atomic_open(out / DROPPED))
        dropped.write("id\tpart\treason\twhere\n")
        for row, cut, reason in cuts_of(rows, limits, threads):
            part = row.fields["part"]
            if cut is None:
                reasons[reason] += 1
                dropped.write(f"{row.id}\t{part}\t{reason}\t{row.where}\n")
                continue
            streams[part].write((json.dumps(cut, ensure_ascii=False) + "\n").encode())
            utterances[part] += 1
            seconds[part] += cut["duration"]
            speakers[part].update({row.speaker} - {None})  # type: ignore[arg-type]
        if not utterances:
            raise UserError(f"{name}: no utterance can be used: "
                            + ("; ".join(f"{many} {reason}" for reason, many in reasons.items()) or "none was found"))
    about = {"corpus": name, "parts": {part: {"utterances": utterances[part], "seconds": round(seconds[part], 3),
                                              "speakers": len(speakers[part])} for part in PARTS},
             "dropped": dict(sorted(reasons.items()))}
    write_json(out / PREPARED, about)
    return about


def _gzip(stack: ExitStack, path: Path) -> IO[bytes]:
    """A gzip stream to a file that appears whole; the same content gives the same bytes."""
    raw = stack.enter_context(atomic_open(path, "wb"))
    return stack.enter_context(gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0))  # type: ignore


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="steps.asr.large.prepare_speech", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", nargs="+", required=True, metavar="NAME", help="NAME or NAME=DIR")
    parser.add_argument("--corpora-dir", type=Path, default=Path("."), metavar="DIR", help="NAME stands in DIR/NAME")
    parser.add_argument("--reader", default="local.mandarin_speech", metavar="MODULE", help="gives rows (%(default)s)")
    parser.add_argument("--task", type=count, metavar="J", help="only the J-th corpus")
    parser.add_argument("--shortest", type=float, default=Limits.shortest, metavar="SECONDS", help="(%(default)s)")
    parser.add_argument("--longest", type=float, default=Limits.longest, metavar="SECONDS", help="(%(default)s)")
    parser.add_argument("--overlap", type=float, default=Limits.overlap, metavar="SHARE",
                        help="that others may talk into (%(default)s)")
    parser.add_argument("--threads", type=count, default=4, help="that read headers (%(default)s)")
    parser.add_argument("out", type=Path, metavar="OUT")
    arguments = parser.parse_args(argv)
    if arguments.task is not None and arguments.task > len(arguments.corpora):
        raise UsageError(f"--task is {arguments.task}; there are {len(arguments.corpora)} corpora")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    import importlib

    arguments = parse(argv)
    limits = Limits(arguments.shortest, arguments.longest, arguments.overlap)
    chosen = arguments.corpora if arguments.task is None else [arguments.corpora[arguments.task - 1]]
    try:
        reader = importlib.import_module(arguments.reader)
    except ImportError as error:
        raise UsageError(f"--reader {arguments.reader}: no such module ({error})") from error
    for text in chosen:
        name, separator, directory = text.partition("=")
        # Absolute, because recipes in other directories read what is written, too.
        corpus_dir = Path(os.path.abspath(directory if separator else arguments.corpora_dir / name))
        about = prepare(name, reader.rows(name, corpus_dir), arguments.out / name, limits, arguments.threads)
        parts = "; ".join(f"{part} {found['utterances']} utterances, {found['seconds'] / 3600:.2f} h, "
                          f"{found['speakers']} speakers" for part, found in about["parts"].items())
        drops = "; ".join(f"{many} {reason}" for reason, many in about["dropped"].items())
        print(f"{name}: {parts}; dropped: {drops or 'none'}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
