"""Write a data set again with what a recogniser heard: the fields asr_text, asr_confidence and asr_nbest.

DATA stays as it is; OUT is a data set of its own (cuts, corpus.json, splits), with the same utterances. An utterance
that could not be recognised has an empty text and confidence 0, is listed, and counted in corpus.json.
OUT/trained_on.json says what the recogniser was trained on, for the leak audit. steps/transcribe.sh decodes first, or
takes given transcripts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import run_main

if TYPE_CHECKING:
    from steps.asr.transcripts.given_transcripts import Transcript
    from steps.data.dataset import Dataset

FIELDS = ("asr_text", "asr_confidence", "asr_nbest")
KEY = "transcripts"  # of corpus.json
LISTED = 20


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("steps.asr.transcripts.transcribe", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="only see that OUT may be written")
    what.add_argument("--text", type=Path, metavar="FILE", help="Kaldi text, TSV, or hypotheses")
    parser.add_argument("--asr", type=Path, metavar="DIR", help="FILE is what this recogniser was decoded to")
    parser.add_argument("--trained-on", type=Path, action="append", default=[], metavar="PATH",
                        help="directory or JSON file that says what made the transcripts was trained on; may be "
                        "repeated")
    parser.add_argument("--allow-missing", action="store_true", help="utterances that FILE lacks get an empty text")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT")
    arguments = parser.parse_args(argv)
    from steps.asr.transcripts.given_transcripts import match, read_transcripts
    from steps.data.dataset import Dataset
    from steps.data.derived import check_target

    data = Dataset.open(arguments.data)
    check_target(data, arguments.out, KEY, "transcribing")
    if arguments.check:
        return 0
    found = read_transcripts(arguments.text, {key: item.language for key, item in data.items.items()})
    failed = match(found, data.items, arguments.text, arguments.allow_missing)
    if arguments.asr is not None:  # what was heard has one hypothesis at least, be it empty
        failed = sorted({*failed, *(key for key in data.items if key in found and not found[key].nbest)})
    info = write_transcribed(data, found, failed, arguments.out, {"from": str(arguments.asr or arguments.text)},
                             [*([arguments.asr] if arguments.asr else ()), *arguments.trained_on])
    report(arguments.out, info)
    return 0


def write_transcribed(data: Dataset, transcripts: Mapping[str, Transcript], failed: Sequence[str], out: Path,
                      about: Mapping[str, Any], components: Sequence[Path] = ()) -> dict[str, Any]:
    """Write OUT.

    Args:
        transcripts: {utterance: transcript}; without one, an utterance counts as failed.
        components: what made the transcripts; each may say what it was trained on.

    Returns:
        what corpus.json says of the transcripts.
    """
    from steps.data.derived import OF_AUDIO, write_derived
    from steps.data.trained_on import read_training

    lost = {*failed, *(key for key in data.items if key not in transcripts)}
    heard = [transcripts[key] for key in data.items if key not in lost]
    sure = [transcript.confidence for transcript in heard if transcript.confidence is not None]
    told = {path: read_training(path) for path in components}
    records = [record for path in told for record in told[path] or ()]
    # Transcripts that name nothing that made them are untold as well.
    untold = [str(path) for path, found in told.items() if found is None] if told else [about["from"]]
    info = {**about, "utterances": len(data.items), "empty": sum(not transcript.text for transcript in heard),
            "failed": sorted(lost), "confidence": round(sum(sure) / len(sure), 6) if sure else None, "untold": untold}
    write_derived(data, out, {**data.info, KEY: info}, transcribed_cuts(data, transcripts, lost), OF_AUDIO, records)
    return info


def transcribed_cuts(data: Dataset, transcripts: Mapping[str, Transcript],
                     failed: set[str]) -> Iterator[dict[str, Any]]:
    """The data set's cuts with the fields of FIELDS; those of earlier transcripts go."""
    from steps.data.derived import read_cuts, replace_fields

    for cut in read_cuts(data):
        replace_fields(cut, FIELDS, fields_of(None if cut["id"] in failed else transcripts[cut["id"]]))
        yield cut


def fields_of(transcript: Transcript | None) -> dict[str, Any]:
    """What goes into the manifest; None is a failed utterance."""
    if transcript is None:
        return {"asr_text": "", "asr_confidence": 0.0}
    fields: dict[str, Any] = {"asr_text": transcript.text}
    if transcript.confidence is not None:
        fields["asr_confidence"] = transcript.confidence
    if transcript.nbest:
        fields["asr_nbest"] = [list(pair) for pair in transcript.nbest]
    return fields


def report(out: Path, info: Mapping[str, Any]) -> None:
    """One line of counts; failed utterances by id; who does not say what it was trained on."""
    failed = info["failed"]
    sure = "" if info["confidence"] is None else f", mean confidence {info['confidence']:.3f}"
    print(f"{out}: {info['utterances']} utterances, {info['empty']} with an empty text, {len(failed)} failed{sure}")
    for key in failed[:LISTED]:
        print(f"  failed: {key}", file=sys.stderr)
    if len(failed) > LISTED:
        print(f"  and {len(failed) - LISTED} more, in corpus.json", file=sys.stderr)
    for path in info["untold"]:
        print(f"warning: {path} does not say what its recogniser was trained on (trained_on.json): the leak audit "
              "cannot hold it against dev and test", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_main(main))
