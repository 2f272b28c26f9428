"""Prepared cuts -> sets of speech for training (lhotse shar with an index, see lazy_cuts.py), by array tasks.

    OUT/plan.json                    which lines of which cuts make which shard
    OUT/{train,dev,test}/<corpus>/   a set each; its speech.json is written last, by --finish
    OUT/train.txt                    the training sentences, one a line, for a language model
    failed.<shard>.tsv in a set's index/: utterances whose audio cannot be decoded

A shard is whole when its index is there: a run that was interrupted does the shards that are missing.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser, count, paths
from utils.array_plan import PLAN, ArrayPlan, stage_inputs
from utils.array_step import JOB, add_array_options, run_parts, whole_step
from utils.corpus import PARTS
from utils.errors import UserError, run_main
from utils.files import atomic_open, atomic_path, check_regular, read_json, write_text

TEXTS = "train.txt"
# Of each set: its description first, then the indices, which vouch for shards. Nothing else below OUT is touched.
LEAVES = (TEXTS, *(f"{part}/*/{name}" for name in ("speech.json", "index", "shar") for part in PARTS))
RATE = 16000


def make_plan(prepared: Sequence[Path], doubles: Path | None, per_shard: int) -> dict[str, Any]:
    """Shards over the cuts of every corpus and part; the digest tells one export from another."""
    from steps.asr.large.prepare_speech import PREPARED, cuts_path

    if doubles:
        check_regular(doubles)
    shards, digest = [], hashlib.sha256(doubles.read_bytes() if doubles else b"")
    for directory in prepared:
        about = read_json(directory / PREPARED)
        for part in PARTS:
            digest.update(cuts_path(directory, part).read_bytes())
            total = about["parts"][part]["utterances"]
            shards += [{"cuts": str(cuts_path(directory, part)), "set": f"{part}/{about['corpus']}", "shard": number,
                        "first": first, "count": min(per_shard, total - first)}
                       for number, first in enumerate(range(0, total, per_shard))]
    return {"digest": digest.hexdigest(), "per_shard": per_shard, "doubles": str(doubles) if doubles else None,
            **stage_inputs(), "shards": shards}


def run_task(out: Path, task: int, tasks: int) -> None:
    """The shards of one task: neighbors, so that a cuts file is passed over once."""
    from steps.asr.large.deduplicate import read_doubles
    from steps.asr.large.lazy_cuts import index_path

    plan = read_plan(out)
    shards = plan["shards"]
    mine = shards[len(shards) * (task - 1) // tasks:len(shards) * task // tasks]
    left_out = read_doubles(Path(plan["doubles"]) if plan["doubles"] else None)
    missing = [shard for shard in mine if not index_path(out / shard["set"], shard["shard"]).is_file()]
    for shard, lines in _lines(missing):
        kept = [cut for cut in map(json.loads, lines)
                if not (shard["set"].startswith("train/") and cut["id"] in left_out)]
        failed = write_shard(out / shard["set"], shard["shard"], kept)
        print(f"{shard['set']} {shard['shard']}: {len(kept) - failed} utterances, {len(lines) - len(kept)} doubles "
              f"left out, {failed} cannot be decoded", flush=True)


def _lines(shards: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[bytes]]]:
    """Every shard with its lines; shards of one cuts file come in order."""
    for path in dict.fromkeys(shard["cuts"] for shard in shards):
        with gzip.open(path, "rb") as stream:
            reached = 0
            for shard in (shard for shard in shards if shard["cuts"] == path):
                lines = list(islice(stream, shard["first"] - reached, shard["first"] - reached + shard["count"]))
                reached = shard["first"] + shard["count"]
                yield shard, lines


def write_shard(directory: Path, shard: int, cuts: Sequence[dict[str, Any]]) -> int:
    """Cuts, audio and index of one shard, in lhotse's shar layout; the number of recordings that cannot be decoded."""
    from steps.asr.large.lazy_cuts import IndexWriter, index_path, shard_name

    index, failed = IndexWriter(directory, shard), []
    for name in ("cuts", "recording"):  # lhotse takes every file there for a shard, also what a killed task left
        path = directory / shard_name(name, shard)
        for leftover in path.parent.glob(f".tmp.*.{path.name}"):
            leftover.unlink()
    with atomic_path(directory / shard_name("cuts", shard)) as cuts_path, open(cuts_path, "wb") as lines, \
            atomic_path(directory / shard_name("recording", shard)) as tar_path, tarfile.open(tar_path, "w") as tar:
        for cut in cuts:
            try:
                audio, samples = encode(cut)
            except UserError as error:
                failed.append(f"{cut['id']}\t{error}\n")
                continue
            stored = stored_cut(cut, samples)
            line = json.dumps(stored, ensure_ascii=False).encode() + b"\n"
            place = _add(tar, f"{cut['id']}.flac", audio)
            _add(tar, f"{cut['id']}.json", json.dumps(stored["recording"]).encode())
            index.add(stored["duration"], lines.tell(), len(line), place, len(audio))
            lines.write(line)
    if failed:
        write_text(index_path(directory, shard).with_name(f"failed.{shard:06d}.tsv"), "".join(failed))
    index.close()
    return len(failed)


def encode(cut: dict[str, Any]) -> tuple[bytes, int]:
    """FLAC (16 bit, 16 kHz, first channel) of a cut, and its number of samples.

    Raises:
        UserError: it cannot be decoded.
    """
    import soundfile

    from steps.data.audio import read_sound

    path = cut["recording"]["sources"][0]["source"]
    samples = read_sound(path, cut["start"], cut["duration"], cut["channel"], RATE).samples
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue(), len(samples)


def stored_cut(cut: dict[str, Any], samples: int) -> dict[str, Any]:
    """The cut over its own recording of `samples` samples, which lies in the tar."""
    seconds = samples / RATE
    supervision = {**cut["supervisions"][0], "recording_id": cut["id"], "start": 0.0, "duration": seconds, "channel": 0}
    recording = {"id": cut["id"], "sources": [{"type": "shar", "channels": [0], "source": ""}], "sampling_rate": RATE,
                 "num_samples": samples, "duration": seconds, "channel_ids": [0]}
    return {"id": cut["id"], "start": 0.0, "duration": seconds, "channel": 0, "supervisions": [supervision],
            "recording": recording, "type": "MonoCut"}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Append a member; the byte at which its data begins."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
    return tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def finish(out: Path) -> None:
    """Write speech.json of every set, with what a recognizer trained on it must tell the leak audit.

    Raises:
        UserError: shards are missing.
    """
    from steps.asr.large.lazy_cuts import index_path, shard_name, write_set_about

    shards = read_plan(out)["shards"]
    missing = [shard for shard in shards if not index_path(out / shard["set"], shard["shard"]).is_file()]
    if missing:
        raise UserError(f"{out}: {len(missing)} of {len(shards)} shards are missing, the first "
                        f"{missing[0]['set']} {missing[0]['shard']}; see the logs, then run the same command again")
    with atomic_open(out / TEXTS) as stream:
        for shard in (shard for shard in shards if shard["set"].startswith("train/")):
            with open(out / shard["set"] / shard_name("cuts", shard["shard"]), encoding="utf-8") as lines:
                stream.writelines(cut["supervisions"][0]["text"] + "\n" for cut in map(json.loads, lines))
    for name in dict.fromkeys(shard["set"] for shard in shards):
        part, _, corpus = name.partition("/")
        record = describe(out / name, corpus)
        about = write_set_about(out / name, {"corpus": corpus, "part": part, "trained_on": [record]})
        failed = sum(len(path.read_text(encoding="utf-8").splitlines())
                     for path in (out / name / "index").glob("failed.*.tsv"))
        print(f"{name}: {about['utterances']} utterances, {about['seconds'] / 3600:.2f} h, {about['shards']} shards, "
              f"{about['audio_bytes'] / max(1.0, about['seconds']):.0f} bytes a second; {failed} failed")


def describe(directory: Path, corpus: str) -> dict[str, Any]:
    """A record as of steps/data/trained_on.py: speakers, digests of sentences, ids of recordings."""
    from steps.asr.large.lazy_cuts import SHAR
    from steps.data.trained_on import sentence_digest

    speakers, sentences, recordings = set(), set(), []
    for path in sorted((directory / SHAR).glob("cuts.*.jsonl")):
        with open(path, encoding="utf-8") as stream:
            for cut in map(json.loads, stream):
                supervision = cut["supervisions"][0]
                speakers.add(supervision.get("speaker"))
                sentences.add(sentence_digest(supervision["text"]))
                recordings.append(f"{corpus}/{cut['id']}")
    known = sorted(speaker for speaker in speakers if speaker)
    return {"component": "recognizer", "corpus": corpus, "utterances": len(recordings), "speakers": known or None,
            "sentences": sorted(digest for digest in sentences if digest), "recordings": recordings}


def read_plan(out: Path) -> dict[str, Any]:
    """
    Raises:
        UserError: none is there.
    """
    if not (out / PLAN).is_file():
        raise UserError(f"{out}: no {PLAN} there; run steps/export_shar.sh", 2)
    return read_json(out / PLAN)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("export_shar.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=paths, required=True, metavar='"DIR ..."',
                        help="what steps/prepare_speech.sh wrote, one directory a corpus")
    parser.add_argument("--doubles", type=Path, metavar="FILE",
                        help="training utterances to be left out (steps/find_duplicates.sh)")
    parser.add_argument("--per-shard", type=count, default=2000, metavar="N",
                        help="utterances a shard (default: %(default)s)")
    add_array_options(parser)
    parser.add_argument("out", type=Path, metavar="OUT")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    if whole_step(arguments):
        return run_parts("steps.asr.large.export_shar", argv, arguments, arguments.out / "log" / f"export.{JOB}.log")
    if arguments.finish:
        finish(arguments.out)
    elif arguments.task is not None:
        run_task(arguments.out, arguments.task, arguments.nj)
    else:
        plan = make_plan(arguments.prepared, arguments.doubles, arguments.per_shard)
        ArrayPlan(arguments.out, plan, LEAVES, "exporting", "steps/export_shar.sh").prepare()
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, sys.argv[1:]))
