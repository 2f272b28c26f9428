"""Where the rows of a data set come from: a corpus module of local/, or a table."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from steps.data.fields import TYPES, load_fields
from utils.corpus import Corpus, CorpusNotice, Protocol, Row
from utils.errors import UsageError, UserError
from utils.files import ROOT
from utils.problems import Problems


@dataclasses.dataclass
class Source:
    """A corpus as its module gives it.

    Attributes:
        directory: below which its files lie; None where only a table says.
        table: whether it is a table; a table may have more columns than fields.
        notices: what the module told while it read. problems: mistakes that it met; more will be added.
    """

    corpus: Corpus
    rows: list[Row]
    protocols: Callable[[Sequence[Row]], list[Protocol]]
    directory: Path | None = None
    table: bool = False
    notices: list[str] = dataclasses.field(default_factory=list)
    problems: Problems = dataclasses.field(default_factory=Problems)


def load_source(args: argparse.Namespace) -> Source:
    """Find the corpus module and let it read the corpus.

    Args:
        args: corpus, corpus_module, corpus_dir, table, fields and data of steps/prepare_data.sh.

    Raises:
        UsageError: no such module or directory, or options that do not fit. UserError: the module failed.
    """
    if args.corpus and args.corpus_module:
        raise UsageError("give --corpus or --corpus-module, not both")
    if args.table == "":
        raise UsageError("--table is empty; give it a file, or leave it out where a module of local/ reads the corpus")
    name = args.corpus_module or (f"local.{args.corpus}" if args.corpus else "")
    if args.table and not args.corpus_module and not (ROOT / "local" / f"{args.corpus}.py").is_file():
        name = "local.table"
    if not name:
        raise UsageError("give --corpus NAME, --corpus-module MODULE or --table FILE.tsv")
    more = _more_fields(args.fields)
    module = _import(name)
    directory = Path(os.path.abspath(args.corpus_dir)) if args.corpus_dir else None
    if directory is not None and not directory.is_dir():
        raise UsageError(f"--corpus-dir {args.corpus_dir}: no such directory")
    if hasattr(module, "load_table"):
        if not args.table:
            raise UsageError(f"{name} needs --table FILE.tsv")
        if not Path(args.table).is_file():
            raise UsageError(f"--table {args.table}: no such file")
        paths = [key for key, spec in load_fields(more).items() if spec.type == "path"]
        source = _from_table(module, args, directory, paths)
    elif args.table:
        raise UsageError(f"--table does not go with {name}, which reads the corpus itself; give another --corpus name")
    elif directory is None:
        raise UsageError(f"--corpus-dir is missing: where {module.CORPUS.name} lies"
                         + (f"; it is at {module.CORPUS.source}" if module.CORPUS.source else ""))
    else:
        source = _from_module(module, directory)
    source.corpus = dataclasses.replace(source.corpus, fields={**source.corpus.fields, **more})
    return source


def _from_table(module: ModuleType, args: argparse.Namespace, directory: Path | None, paths: Sequence[str]) -> Source:
    title = args.corpus if args.corpus not in (None, "table") else Path(os.path.abspath(args.data)).name
    problems = Problems()
    with _told() as notices:
        corpus, rows, protocols = module.load_table(Path(args.table), directory, title, problems, paths)
    return Source(corpus, rows, protocols, None, True, notices, problems)


def _from_module(module: ModuleType, directory: Path) -> Source:
    file = getattr(module, "__file__", None) or module.__name__
    with _told() as notices, named_failure(file):
        rows = list(module.rows(directory))
        if wrong := next((row for row in rows if not isinstance(row, Row)), None):
            raise UserError(f"{file}: rows() gave {wrong!r:.80}; expected Row(...) of utils/corpus.py")

    def protocols(chosen: Sequence[Row]) -> list[Protocol]:
        with named_failure(file):
            return list(module.protocols(chosen))

    return Source(module.CORPUS, rows, protocols, directory, notices=notices)


def _more_fields(text: str) -> Mapping[str, Mapping[str, Any]]:
    """`"mood:float room:str"` of --fields as descriptions of fields."""
    known, found = load_fields(), {}
    for word in text.split():
        name, _, kind = word.partition(":")
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or kind not in TYPES:
            raise UsageError(f"--fields {word}: expected NAME:TYPE, the type one of {', '.join(TYPES)}")
        if name in known:
            raise UsageError(f"--fields {word}: {name} is a field already, of type {known[name].type} "
                             "(conf/fields.yaml)")
        found[name] = {"type": kind, "help": "of the corpus's own"}
    return found


@contextmanager
def _told() -> Iterator[list[str]]:
    """The list gets what a module tells (utils/corpus.py) while it reads."""
    notices: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorpusNotice)
        yield notices
    for entry in caught:
        if issubclass(entry.category, CorpusNotice):
            notices.append(str(entry.message))
        else:
            warnings.showwarning(entry.message, entry.category, entry.filename, entry.lineno)


@contextmanager
def named_failure(file: str) -> Iterator[None]:
    """An exception in a corpus module becomes one line that names the place in its file."""
    try:
        yield
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        place = f"{file}, line {frames[-1].lineno}" if frames else file
        if isinstance(error, SyntaxError):
            place = f"{error.filename}, line {error.lineno}"
        raise UserError(f"{place}: {type(error).__name__}: {error}; EMOTION_DEBUG=1 shows the traceback") from error


def _import(name: str) -> ModuleType:
    known = sorted(path.stem for path in (ROOT / "local").glob("[a-z]*.py")
                   if re.search(r"^(CORPUS|def load_table)\b", path.read_text(encoding="utf-8"), re.MULTILINE))
    with named_failure(str(ROOT / f"{name.replace('.', '/')}.py")):
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
