"""Say what is felt in recordings, with a model that steps/export.sh wrote.

    utils/emotion.sh MODEL a.wav b.flac directory list.tsv

prints a line of JSON a recording: the posterior of each emotion, each subsystem's, the transcript. A file that cannot
be read gives {"file", "error"}; the others are done, and the exit status is 1. What is to be said of a sound (digital
silence, channels that cancel, bytes that were not read) stands in "notes". Whatever phones, browsers and cameras record
is read, by its content. With --timeline DIR a recording of any length is cut into windows, read as it is heard, and
DIR/<name>.svg shows them; without, it may have 300 seconds.

A model of numbers (the points of a questionnaire) prints the number of each target in place of posteriors.
A model of tracks (arousal over time) prints the values of each target and their step in seconds, in a table a line a
value, and takes recordings of any length; --timeline draws its curves.

In a table (--format tsv) a name that begins with = + - or @ has a ' before it, so that no spreadsheet takes it for a
formula; control characters of names are shown as escapes in either form.

A model with per-speaker normalization wants 5 utterances of a speaker or more, named by --speaker or in the list
(`path<tab>speaker`); with fewer it takes the statistics of the average training speaker, and the record says so.

A model that reads dialogues wants a list with the columns path, dialogue and turn: each utterance is judged with those
before and after it. With --timeline the windows of a recording are the turns of a dialogue.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, count
from utils.errors import UsageError, UserError, run_main
from utils.printable import printable

if TYPE_CHECKING:
    from steps.inference.inputs import Utterance
    from steps.inference.model import EmotionModel
    from steps.inference.track_model import TrackModel


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.audio import is_pointer, pointers_line
    from steps.features.extract import keep_freed_memory
    from steps.inference.inputs import sources
    from steps.inference.opening import open_model
    from steps.inference.output import Json, Table, TrackTable
    from steps.inference.track_model import TrackModel

    named = list(sources(arguments.inputs, arguments.speaker))
    pointers = [Path(one.path) for one in named if is_pointer(one.path)]
    if pointers and len(pointers) == len(named):
        raise UserError(pointers_line(pointers, len(named)))
    if arguments.timeline is not None:
        try:  # before an hour of recordings is heard, not after it
            arguments.timeline.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--timeline {arguments.timeline}: no directory can be made there "
                             f"({error.strerror})") from error
    keep_freed_memory()
    model = open_model(arguments.model, transcribe=not arguments.no_transcript)
    use_one_thread()
    tracks = isinstance(model, TrackModel)
    if not tracks and model.by_dialogue and arguments.timeline is None and not any(one.dialogue for one in named):
        print("note: this model reads dialogues, and none is named (a list with the columns dialogue and turn): each "
              "recording is judged by itself", file=sys.stderr)
    if not tracks and model.by_speaker and not any(one.speaker for one in named):
        print("note: this model normalizes by speaker, and no speaker is named (--speaker, or a list): the average "
              "training speaker stands in", file=sys.stderr)
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr] - a file's name may be anything
    out = Json() if arguments.format == "json" else TrackTable(model.targets) if tracks else \
        Table(model.outputs, model.subsystems, arguments.timeline is not None)
    failed = 0
    for record in records(model, named, arguments):
        if "error" in record:
            failed += 1
            print(f"error: {printable(record['error'])}", file=sys.stderr)
        sys.stdout.writelines(out.pieces(record))
        sys.stdout.flush()
    if failed:
        print(f"{failed} of {len(named)} recordings could not be read", file=sys.stderr)
    return 1 if failed else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("emotion.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=("json", "tsv"), default="json", help="%(default)s")
    parser.add_argument("--speaker", metavar="NAME", help="all recordings are by this speaker")
    parser.add_argument("--timeline", type=Path, metavar="DIR", help="cut into windows; pictures go to DIR")
    parser.add_argument("--window", type=float, default=3.0, metavar="S", help="seconds of a window (%(default)s)")
    parser.add_argument("--shift", type=float, default=1.0, metavar="S", help="seconds between windows (%(default)s)")
    parser.add_argument("--no-transcript", action="store_true", help="faster, unless a subsystem reads the transcript")
    parser.add_argument("--threads", type=count, default=1, metavar="N", help="recordings at a time (%(default)s)")
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory that steps/export.sh wrote")
    parser.add_argument("inputs", nargs="+", metavar="INPUT",
                        help="recording, directory, or list (.txt, .tsv, Kaldi's wav.scp)")
    arguments = parser.parse_args(argv)
    for name in ("window", "shift"):
        if not 0.1 <= getattr(arguments, name) <= 3600:
            raise UsageError(f"--{name} is {getattr(arguments, name):g}; accepted: 0.1 to 3600 seconds")
    return arguments


def records(model: EmotionModel | TrackModel, named: Sequence[Utterance],
            arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What is found, recording by recording."""
    from steps.inference.track_model import TrackModel

    if isinstance(model, TrackModel):
        yield from track_records(model, named, arguments)
        return
    if arguments.timeline is None:
        yield from model.classify_many([one.path for one in named], [one.speaker for one in named], arguments.threads,
                                       [(one.dialogue, one.turn) for one in named])
        return
    from utils.files import write_text

    taken: set[str] = set()
    for path, speaker in ((one.path, one.speaker) for one in named):
        try:
            record = model.windows(path, arguments.window, arguments.shift, speaker, arguments.threads)
        except UserError as error:
            yield {"file": path, "error": str(error)}
            continue
        name = free_name(Path(path).stem, taken)
        write_text(arguments.timeline / f"{name}.svg", model.outputs.picture(record, arguments.shift))
        yield {**record, "picture": str(arguments.timeline / f"{name}.svg")}


def track_records(model: TrackModel, named: Sequence[Utterance],
                  arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The tracks of each recording; with --timeline a picture of each."""
    from steps.inference.track_picture import track_timeline
    from utils.files import write_text

    taken: set[str] = set()
    for record in model.predict_many([(one.path, one.speaker) for one in named], arguments.threads):
        if "error" not in record and arguments.timeline is not None:
            path = arguments.timeline / f"{free_name(Path(record['file']).stem, taken)}.svg"
            write_text(path, track_timeline(record))
            record = {**record, "picture": str(path)}
        yield record


def free_name(stem: str, taken: set[str]) -> str:
    """A name for a picture: that of the recording, numbered where two are called alike."""
    name, number = stem, 1
    while name in taken:
        name, number = f"{stem}.{number + 1}", number + 1
    taken.add(name)
    return name


def use_one_thread() -> None:
    """Recordings are done side by side, so each network takes one core."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(run_main(main))
