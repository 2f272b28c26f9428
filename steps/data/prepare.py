"""Make a data set: a corpus module's rows, checked, as cuts.jsonl.gz, corpus.json and splits/.

Called by steps/prepare_data.sh. Reads the recordings' headers; steps/data/validate.py decodes them.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser, count
from utils.corpus import Corpus, Protocol, Row
from utils.errors import UsageError, UserError, run_main
from utils.files import ROOT, write_json

SHOWN = 20  # at most so many single problems are printed


@dataclasses.dataclass(frozen=True)
class Source:
    """A corpus as its module gives it."""

    corpus: Corpus
    rows: list[Row]
    protocols: Callable[[Sequence[Row]], list[Protocol]]


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
    parser.add_argument("--nj", type=count, default=4, help="parallel readers of headers (%(default)s)")
    parser.add_argument("data", type=Path, metavar="DATA_DIR")
    words = list(sys.argv[1:] if argv is None else argv)
    for place in (i for i in reversed(range(len(words))) if words[i] == "--allow-partial"):
        if words[place + 1:place + 2] not in (["true"], ["false"]):
            words.insert(place + 1, "true")
    return parser.parse_args(words)


def load_source(args: argparse.Namespace) -> Source:
    """Find the corpus module and let it read the corpus.

    Raises:
        UsageError: no such module or directory, or options that do not fit.
    """
    if args.corpus and args.corpus_module:
        raise UsageError("give --corpus or --corpus-module, not both")
    name = args.corpus_module or (f"local.{args.corpus}" if args.corpus else "")
    if args.table and not args.corpus_module and not (ROOT / "local" / f"{args.corpus}.py").is_file():
        name = "local.table"
    if not name:
        raise UsageError("give --corpus NAME, --corpus-module MODULE or --table FILE.tsv")
    module = _import(name)
    directory = Path(os.path.abspath(args.corpus_dir)) if args.corpus_dir else None
    if directory is not None and not directory.is_dir():
        raise UsageError(f"--corpus-dir {args.corpus_dir}: no such directory")
    if hasattr(module, "load_table"):
        if not args.table:
            raise UsageError(f"{name} needs --table FILE.tsv")
        if not Path(args.table).is_file():
            raise UsageError(f"--table {args.table}: no such file")
        title = args.corpus if args.corpus not in (None, "table") else Path(os.path.abspath(args.data)).name
        corpus, rows, protocols = module.load_table(Path(args.table), directory, title)
        return Source(corpus, rows, protocols)
    if args.table:
        raise UsageError(f"--table does not go with {name}, which reads the corpus itself; give another --corpus name")
    if directory is None:
        raise UsageError(f"--corpus-dir is missing: where {module.CORPUS.name} lies"
                         + (f"; it is at {module.CORPUS.source}" if module.CORPUS.source else ""))
    return Source(module.CORPUS, list(module.rows(directory)), module.protocols)


def _import(name: str) -> Any:
    known = sorted(path.stem for path in (ROOT / "local").glob("[a-z]*.py")
                   if re.search(r"^(CORPUS|def load_table)\b", path.read_text(encoding="utf-8"), re.MULTILINE))
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise
        near = difflib.get_close_matches(name.rpartition(".")[2], known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"no corpus module {name}; {hint}there are: {', '.join(known)}") from error
    if not hasattr(module, "load_table") and not all(hasattr(module, part) for part in ("CORPUS", "rows", "protocols")):
        raise UsageError(f"{name} is no corpus module: it must define CORPUS, rows and protocols (utils/corpus.py)")
    return module


def prepare(source: Source, data: Path, size: str, allow_partial: bool, nj: int) -> dict[str, Any]:
    """Write the data set and return corpus.json.

    Raises:
        UserError: whatever is wrong with the corpus; see steps/data/{checks,cuts,splits}.py.
    """
    from steps.data.checks import check_corpus, check_rows, missing_of, present_classes
    from steps.data.cuts import cut_of_row, read_headers, write_cuts
    from steps.data.dataset import CORPUS, CUTS, item_of_cut
    from steps.data.fields import load_fields
    from steps.data.splits import check_split, split_of_protocol, usable_folds, write_splits
    from steps.data.tiny import choose_tiny

    corpus = source.corpus
    registry = load_fields(corpus.fields)
    check_corpus(corpus, registry)
    rows = check_rows(source.rows, corpus, registry)
    missing = missing_of(rows, corpus)
    if missing and not allow_partial:
        raise UserError(f"{corpus.name} is not whole: {'; '.join(missing)}; --allow-partial takes what is there")
    if missing and corpus.task == "classification":
        corpus = dataclasses.replace(corpus, classes=present_classes(rows, corpus))
        check_corpus(corpus, registry)
    warnings = [f"{corpus.name} is not whole: {line}" for line in missing] + _notes_on_rows(rows)
    if size == "tiny":
        rows = choose_tiny(rows, corpus, source.protocols)
    rows = [dataclasses.replace(row, path=row.path and Path(os.path.abspath(row.path)),
                                features=row.features and Path(os.path.abspath(row.features))) for row in rows]
    headers, problems = read_headers(rows, nj)
    report(problems, f"of {len(headers) + len(problems)} recordings cannot be used")
    cuts = [cut_of_row(row, corpus, registry, headers.get(row.path) if row.path else None) for row in rows]
    items = {cut["id"]: item_of_cut(cut, corpus.label) for cut in cuts}
    speakers_known = all(item.speaker is not None for item in items.values())
    labelled = {key for key, item in items.items() if item.labelled}
    protocols = source.protocols(rows)
    if size == "tiny":
        protocols = [usable_folds(protocol, labelled) for protocol in protocols]
    splits = [split_of_protocol(protocol, corpus.unit, speakers_known) for protocol in protocols]
    unit_of = None if corpus.unit == "utterance" else (lambda key: str(items[key].fields[corpus.unit]))
    for split in splits:
        check_split(split, items, unit_of)
    converted = Counter(note for row in rows if row.path for note in headers[row.path].notes)
    info = {**describe(corpus, items), "size": size, "speakers_known": speakers_known, "warnings": warnings,
            "converted": dict(sorted(converted.items())), "missing": missing, "protocols": [s.name for s in splits]}
    write_json(data / CORPUS, info)
    write_splits(data, splits)
    write_cuts(data / CUTS, cuts)
    return info


def describe(corpus: Corpus, items: dict[str, Any]) -> dict[str, Any]:
    """The part of corpus.json that the rows alone give."""
    labels = Counter(str(item.label) for item in items.values() if isinstance(item.label, str))
    return {
        "name": corpus.name, "task": corpus.task, "unit": corpus.unit, "label": corpus.label,
        "classes": list(corpus.classes), "language": corpus.language, "synthetic": corpus.synthetic,
        "source": corpus.source, **({} if corpus.threshold is None else {"threshold": corpus.threshold}),
        **({} if corpus.positive is None else {"positive": corpus.positive}),
        **({"numbers": dict(corpus.numbers)} if corpus.numbers else {}),
        "utterances": len(items),
        "hours": round(sum(item.duration for item in items.values()) / 3600, 4),
        "counts": {name: labels[name] for name in corpus.classes},
        "unlabelled": sum(not item.labelled for item in items.values()),
        "speakers": sorted({item.speaker for item in items.values()} - {None}),
    }


def _notes_on_rows(rows: Sequence[Row]) -> list[str]:
    from steps.data.fields import SAFE_ID

    notes = []
    renamed = [row for row in rows if row.path is not None and not SAFE_ID.fullmatch(row.path.stem)]
    if renamed:
        notes.append(f"{len(renamed)} file names hold characters that no id may hold; for instance "
                     f"{ascii(renamed[0].path.name if renamed[0].path else '')} has the id {renamed[0].id}")
    unknown = sum(row.speaker is None for row in rows)
    if unknown:
        notes.append(f"{unknown} of {len(rows)} utterances have no speaker: speakers unknown")
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
    info = prepare(load_source(args), args.data, args.size, args.allow_partial == "true", args.nj)
    for line in info["warnings"]:
        print(f"warning: {line}", file=sys.stderr)
    converted = "".join(f", {n} {note}" for note, n in info["converted"].items())
    unlabelled = f", {info['unlabelled']} unlabelled" if info["unlabelled"] else ""
    print(f"{args.data}: {info['utterances']} utterances, {info['hours']:.2f} h, {len(info['speakers'])} speakers, "
          f"{len(info['classes'])} classes{unlabelled}{converted}; protocols: {', '.join(info['protocols'])}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
