"""Add what a recognizer heard to a data set, as layers beside it.

DATA/layers/asr has the fields asr_text, asr_confidence and asr_nbest, and trained_on.json, which says what the
recognizer was trained on, for the leak audit. DATA/layers/asr_words has the words of each utterance with their times,
where the recognizer tells them. An utterance that could not be recognized has an empty text and confidence 0, is
listed, and counted in layer.json. steps/transcribe.sh decodes first, or takes given transcripts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import run_main

if TYPE_CHECKING:
    from steps.asr.transcripts.precomputed_transcripts import Transcript
    from steps.data.dataset import Dataset

LAYERS = {"asr": ("asr_text", "asr_confidence", "asr_nbest"), "asr_words": ("asr_words",)}  # name -> fields
LISTED = 20


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("steps.asr.transcripts.transcribe", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="Kaldi text, TSV, or hypotheses")
    parser.add_argument("--asr", type=Path, metavar="DIR", help="FILE is what this recognizer was decoded to")
    parser.add_argument("--trained-on", type=Path, action="append", default=[], metavar="PATH",
                        help="directory or JSON file that says what made the transcripts was trained on; may be "
                        "repeated")
    parser.add_argument("--allow-missing", action="store_true", help="utterances that FILE lacks get an empty text")
    parser.add_argument("data", type=Path, metavar="DATA")
    arguments = parser.parse_args(argv)
    from steps.asr.transcripts.precomputed_transcripts import match, read_transcripts
    from steps.data.dataset import Dataset

    data = Dataset.open(arguments.data)
    found = read_transcripts(arguments.text, {key: item.language for key, item in data.items.items()})
    failed = match(found, data.items, arguments.text, arguments.allow_missing)
    if arguments.asr is not None:  # what was heard has one hypothesis at least, be it empty
        failed = sorted({*failed, *(key for key in data.items if key in found and not found[key].nbest)})
    about = add_transcripts(data, found, failed, {"from": str(arguments.asr or arguments.text)},
                            [*([arguments.asr] if arguments.asr else ()), *arguments.trained_on])
    report(data.path, about)
    return 0


def add_transcripts(data: Dataset, transcripts: Mapping[str, Transcript], failed: Sequence[str],
                    about: Mapping[str, Any], components: Sequence[Path] = ()) -> dict[str, Any]:
    """Write the layers.

    Args:
        transcripts: {utterance: transcript}; without one, an utterance counts as failed.
        components: what made the transcripts; each may say what it was trained on.

    Returns:
        layer.json of the transcripts.
    """
    from steps.data.layers import remove_layer, write_layer
    from steps.data.trained_on import read_training

    lost = {*failed, *(key for key in data.items if key not in transcripts)}
    heard = {key: transcripts[key] for key in data.items if key not in lost}
    sure = [transcript.confidence for transcript in heard.values() if transcript.confidence is not None]
    told = {path: read_training(path) for path in components}
    records = [record for path in told for record in told[path] or ()]
    # Transcripts that name nothing that made them are untold as well.
    untold = [str(path) for path, found in told.items() if found is None] if told else [about["from"]]
    whole = {**about, "empty": sum(not transcript.text for transcript in heard.values()), "failed": sorted(lost),
             "confidence": round(sum(sure) / len(sure), 6) if sure else None, "untold": untold}
    rows = {"asr": {key: fields_of(heard.get(key)) for key in data.items}}
    if any(transcript.words for transcript in heard.values()):
        rows["asr_words"] = {key: {"asr_words": [list(word) for word in transcript.words]}
                             for key, transcript in heard.items()}
    for name in LAYERS:  # words of an earlier recognizer do not stand beside the text of this one
        remove_layer(data.path, name)
    written = {}
    for name, fields in rows.items():
        said = whole if name == "asr" else {**about, "untold": untold}
        written[name] = write_layer(data.path, name, LAYERS[name], data.items, fields, said, trained_on=records)
    return written["asr"]


def fields_of(transcript: Transcript | None) -> dict[str, Any]:
    """The fields of the layer; None is a failed utterance."""
    if transcript is None:
        return {"asr_text": "", "asr_confidence": 0.0}
    fields: dict[str, Any] = {"asr_text": transcript.text}
    if transcript.confidence is not None:
        fields["asr_confidence"] = transcript.confidence
    if transcript.nbest:
        fields["asr_nbest"] = [list(pair) for pair in transcript.nbest]
    return fields


def report(data: Path, info: Mapping[str, Any]) -> None:
    """One line of counts; failed utterances by id; who does not say what it was trained on."""
    failed = info["failed"]
    sure = "" if info["confidence"] is None else f", mean confidence {info['confidence']:.3f}"
    print(f"{data}, layer {info['name']}: {info['utterances']} utterances, {info['empty']} with an empty text, "
          f"{len(failed)} failed{sure}")
    for key in failed[:LISTED]:
        print(f"  failed: {key}", file=sys.stderr)
    if len(failed) > LISTED:
        print(f"  and {len(failed) - LISTED} more, in layer.json", file=sys.stderr)
    for path in info["untold"]:
        print(f"warning: {path} does not say what its recognizer was trained on (trained_on.json): the leak audit "
              "cannot hold it against dev and test", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_main(main))
