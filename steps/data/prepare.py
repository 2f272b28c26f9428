"""Make a data set: a corpus module's rows, checked, as cuts.jsonl.gz, corpus.json and splits/.

Called by steps/prepare_data.sh. All mistakes of a corpus are printed at once, by kind, and
problems.txt lists all of it;
what only looks odd is a warning. Reads the recordings' headers, and decodes those that do not state their
length rightly (headers.tsv lists them); steps/data/validate.py decodes all.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, count
from utils.corpus import Corpus, Row
from utils.errors import UsageError, UserError, run_main
from utils.files import write_json
from utils.names import plain_name
from utils.printable import printable

if TYPE_CHECKING:
    from steps.data.audio import AudioInfo
    from steps.data.dataset import Item
    from steps.data.fields import FieldSpec
    from steps.data.mending import Asked
    from steps.data.source import Source
    from steps.data.splits import Split
    from utils.problems import Problems

SHOWN = 20  # at most so many single problems are printed


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("prepare_data.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", metavar="NAME", help="the module local/NAME.py; with --table, any name")
    parser.add_argument("--corpus-module", metavar="MODULE", help="the same by its full name, e.g. local.ravdess")
    parser.add_argument("--corpus-dir", metavar="DIR", help="the corpus in its published layout")
    parser.add_argument("--table", metavar="FILE.tsv", help="any corpus: one utterance a line (local/table.py)")
    parser.add_argument("--size", choices=("full", "tiny"), default="full",
                        help="tiny: about 60 utterances (%(default)s)")
    parser.add_argument("--allow-partial", choices=("true", "false"), default="false",
                        help="accept a corpus that is not whole; alone it means true (%(default)s)")
    parser.add_argument("--fields", default="", metavar='"NAME:TYPE ..."',
                        help="further columns or fields that are taken, such as \"mood:float room:str\"; types: str "
                             "(a name), text, int, float, bool, path, counts")
    parser.add_argument("--need-speakers", action="store_true",
                        help="refuse a corpus with an utterance without a speaker: --norms speaker takes all")
    parser.add_argument("--drop-duplicates", choices=("true", "false"), default="false",
                        help="of utterances with the same sound and label, keep one (%(default)s)")
    parser.add_argument("--merge-speakers", choices=("true", "false"), default="false",
                        help="take speakers who share recordings as one (%(default)s)")
    parser.add_argument("--nj", type=count, default=4, help="parallel readers of headers (%(default)s)")
    parser.add_argument("data", type=Path, metavar="DATA_DIR")
    words = list(sys.argv[1:] if argv is None else argv)
    for place in (i for i in reversed(range(len(words))) if words[i] == "--allow-partial"):
        if words[place + 1:place + 2] not in (["true"], ["false"]):
            words.insert(place + 1, "true")
    return parser.parse_args(words)


def prepare(source: Source, data: Path, size: str, allow_partial: bool, nj: int,
            need_speakers: bool = False, mending: Asked | None = None) -> dict[str, Any]:
    """Write the data set and return corpus.json.

    Raises:
        UserError: whatever is wrong with the corpus, all at once; see steps/data/{checks,cuts,splits}.py.
    """
    from steps.data.audio import show_path, warnings_of
    from steps.data.checks import check_rows, missing_of, plain_classes, typed_rows, with_present_classes
    from steps.data.cuts import located, stop_at_pointers, without_companions, write_cuts
    from steps.data.dataset import CORPUS, CUTS, item_of_cut
    from steps.data.fields import load_fields
    from steps.data.mending import Asked, Mending, hear, mend, mended_cuts
    from steps.data.passed_over import passed_over
    from steps.data.splits import write_splits
    from steps.data.tiny import choose_tiny

    mending = mending or Asked()
    corpus, problems = plain_classes(source.corpus), source.problems
    registry = load_fields(corpus.fields)
    _check_source(source, corpus, registry, data)
    every, passed = without_companions(typed_rows(source.rows, problems))
    rows, notes = check_rows(every, corpus, registry, problems, may_pass=source.table)
    if problems:  # what is wrong with the sound is to be mended, too
        _cuts_of(located(every, registry), corpus, registry, problems, nj)
        problems.stop(data)
    if need_speakers:
        check_speakers(rows, corpus.name)
    missing = missing_of(rows, corpus)
    if missing and not allow_partial:
        stop_at_pointers(rows)  # says more
        raise UserError(f"{corpus.name} is not whole: {'; '.join(missing)}; --allow-partial true takes what is there")
    if missing:
        corpus = with_present_classes(corpus, rows)
        _check_source(source, corpus, registry, data)
    rows = located(rows, registry)
    unused = passed_over(rows, source.directory)
    if size == "tiny":
        rows = choose_tiny(rows, corpus, source.protocols)
    cuts, headers = _cuts_of(rows, corpus, registry, problems, nj)
    problems.stop(data)
    items = {cut["id"]: item_of_cut(cut) for cut in cuts}
    mended = Mending()
    if mending.drop or mending.merge or any(protocol.automatic for protocol in source.protocols(rows)):
        rows, mended = mend(rows, hear(items, nj), items, mending, corpus.learned)
        cuts = mended_cuts(cuts, mended)
        items = {cut["id"]: item_of_cut(cut) for cut in cuts}
    splits = _splits_of(source, rows, corpus, items, size)
    if problems and mended.kept:
        problems.add("groups of the same sound", f"automatic folds keep {len(mended.kept)} groups of the same sound "
                     f"whole, e.g. {', '.join(mended.kept[0].ids[:3])}; --drop-duplicates true keeps one of each")
    problems.stop(data)
    told = warnings_of({show_path(path): info.remarks for path, info in headers.items()}, len(headers), "recordings",
                       data / "headers.tsv")
    warnings = [*source.notices, *(f"{corpus.name} is not whole: {line}" for line in missing), *passed, *notes,
                *notes_on_rows(rows, splits), *mended.notes, *told]
    converted = Counter(note for row in rows if row.path for note in headers[row.path].notes)
    info = {**describe(corpus, items), "size": size, "speakers_known": _speakers_known(items), "warnings": warnings,
            "converted": dict(sorted(converted.items())), "missing": missing, "passed_over": unused,
            "protocols": [split.name for split in splits],
            **({"dropped": sorted(mended.dropped)} if mending.drop else {}),
            **({"merged": mended.merged} if mending.merge else {})}
    write_json(data / CORPUS, info)
    write_splits(data, splits)
    write_cuts(data / CUTS, cuts)
    return info


def _check_source(source: Source, corpus: Corpus, registry: Mapping[str, FieldSpec], data: Path) -> None:
    """
    Raises:
        UserError: a declaration that cannot be, or no rows; lines that could not be taken are told instead.
    """
    from steps.data.checks import check_corpus

    try:
        check_corpus(corpus, registry)
        if not source.rows:
            raise UserError(f"corpus {corpus.name}: no utterances were found")
    except UserError:
        source.problems.stop(data)
        raise


def _cuts_of(rows: Sequence[Row], corpus: Corpus, registry: Mapping[str, FieldSpec], problems: Problems,
             nj: int) -> tuple[list[dict[str, Any]], dict[Path, AudioInfo]]:
    """The cuts of the rows, and the recordings' headers; `problems` gets what cannot be used."""
    from steps.data.cuts import cut_of_row, read_headers

    headers, unusable = read_headers(rows, nj)
    problems.add("recordings", *unusable)
    cuts = []
    for row in (row for row in rows if row.path is None or row.path in headers):
        with problems.catch("segments"):
            cuts.append(cut_of_row(row, corpus, registry, headers.get(row.path) if row.path else None))
    return cuts, headers


def _splits_of(source: Source, rows: Sequence[Row], corpus: Corpus, items: dict[str, Item], size: str) -> list[Split]:
    """The corpus's protocols over its rows; their faults go to the source's problems."""
    from steps.data.split_checks import faults_of_split
    from steps.data.splits import split_of_protocol, usable_folds, wholes

    labelled = {key for key, item in items.items() if item.fields.get(corpus.learned) is not None}
    protocols = source.protocols(rows)
    if size == "tiny":
        protocols = [usable_folds(protocol, labelled) for protocol in protocols]
    of = wholes(corpus.targets)
    splits = [split_of_protocol(protocol, of, _speakers_known(items)) for protocol in protocols]
    for split in splits:
        source.problems.add(f"faults of protocol {split.name}", *faults_of_split(split, items, of, corpus.learned))
    return splits


def check_speakers(rows: Sequence[Row], name: str) -> None:
    """
    Raises:
        UsageError: an utterance without a speaker; told here, not by a training hours later.
    """
    unknown = [row for row in rows if not row.speaker]
    if unknown:
        raise UsageError(f"--norms has speaker, but {len(unknown)} of {len(rows)} utterances of {name} have no "
                         f"speaker, e.g. {unknown[0].where or unknown[0].id}: give --norms global or none, or the "
                         "speakers")


def _speakers_known(items: Mapping[str, Item]) -> bool:
    return all(item.speaker is not None for item in items.values())


def describe(corpus: Corpus, items: dict[str, Any]) -> dict[str, Any]:
    """The part of corpus.json that the rows alone give."""
    counts = Counter(item.fields.get(corpus.learned) for item in items.values()) if corpus.targets else {}
    return {
        "name": corpus.name, "targets": [target.to_json() for target in corpus.targets],
        "language": corpus.language, "synthetic": corpus.synthetic, "source": corpus.source, "utterances": len(items),
        "hours": round(sum(item.duration for item in items.values()) / 3600, 4),
        "counts": {name: counts[name] for target in corpus.targets[:1] for name in target.classes},
        "unlabelled": sum(item.fields.get(corpus.learned) is None for item in items.values()),
        "speakers": sorted({item.speaker for item in items.values()} - {None}),
    }


def notes_on_rows(rows: Sequence[Row], splits: Sequence[Split]) -> list[str]:
    """What the user must know of names of files, and of speakers."""
    from steps.data.fields import SAFE_ID

    notes = []
    renamed = [row for row in rows if row.path is not None and not SAFE_ID.fullmatch(plain_name(row.path.stem))]
    if renamed:
        notes.append(f"{len(renamed)} file names hold characters that no id may hold; for instance "
                     f"{ascii(renamed[0].path.name if renamed[0].path else '')} has the id {renamed[0].id}")
    unknown = {row.id for row in rows if row.speaker is None}
    if unknown:
        notes.append(f"{len(unknown)} of {len(rows)} utterances have no speaker: speakers unknown")
    for split in splits:
        used = {key for parts in split.parts.values() for ids in parts.values() for key in ids}
        if lost := len(unknown - used):
            notes.append(f"protocol {split.name}: {lost} utterances without a speaker are in none of its folds")
    return notes


def report(problems: Sequence[str], what: str) -> None:
    """
    Raises:
        UserError: there are problems; several are printed one a line first.
    """
    if len(problems) == 1:
        raise UserError(problems[0])
    for line in problems[:SHOWN]:
        print(f"error: {line}", file=sys.stderr)
    if problems:
        more = f" (the first {SHOWN} are above)" if len(problems) > SHOWN else ""
        raise UserError(f"{len(problems)} {what}{more}")


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    from steps.data.mending import Asked
    from steps.data.source import load_source

    info = prepare(load_source(args), args.data, args.size, args.allow_partial == "true", args.nj,
                   args.need_speakers, Asked(args.drop_duplicates == "true", args.merge_speakers == "true"))
    for line in info["warnings"]:
        print(f"warning: {printable(line)}", file=sys.stderr)
    converted = "".join(f", {n} {note}" for note, n in info["converted"].items())
    unlabelled = f", {info['unlabelled']} unlabelled" if info["unlabelled"] else ""
    print(f"{args.data}: {info['utterances']} utterances, {info['hours']:.2f} h, {len(info['speakers'])} speakers, "
          f"{len(info['counts'])} classes{unlabelled}{converted}; protocols: {', '.join(info['protocols'])}")
    for line in info["passed_over"]:
        print(f"passed over: {line}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
