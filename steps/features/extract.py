"""Extract one kind of features for every utterance of a data set, by array tasks.

Writes DIR/feature.json, archive.<j>.npy, index.<j>.tsv, failed.<j>.tsv and DIR/log/. An interrupted run is taken up
at the tasks that are missing. Exit status 1 unless every utterance is stored or listed as failed, each once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.arguments import ArgumentParser
from utils.array_step import JOB, Array, add_array_options, run_array
from utils.config import configurations_with
from utils.errors import UsageError, UserError, run_main

if TYPE_CHECKING:
    import numpy

    from steps.data.dataset import Item
    from steps.features.extractor import Extractor
    from utils.array_plan import ArrayPlan

    Outcome = tuple[Item, numpy.ndarray | None, tuple[str, ...], str]  # item, features, audio notes, reason of failure


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = ArgumentParser("extract_features.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ", ".join(configurations_with("extractor"))
    parser.add_argument("--features", required=True, metavar="NAME",
                        help=f"conf/NAME.yaml: {known} (steps/extract_ivectors.sh), or one of your own")
    parser.add_argument("--set", action="append", default=[], metavar='"KEY=VALUE ..."',
                        help="over conf/NAME.yaml; a value with spaces in quotes: \"asr='a directory'\"")
    parser.add_argument("--from", dest="source", default="", metavar="PATH", help="given: a directory of <id>.npy; "
                        "precomputed_vectors: a table, or an archive of Kaldi's; ivector: the extractor")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: DATA/NAME")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float16"),
                        help="how values are stored: float16 takes half the room, and about three digits are kept")
    add_array_options(parser)
    parser.add_argument("data", type=Path, metavar="DATA", help="prepared data set")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    out = arguments.out or arguments.data / arguments.features
    array = Array("steps.features.extract", "extract", out, out / f"index.{JOB}.tsv")
    return run_array(array, argv, arguments, lambda: open_extraction(arguments, out))


@dataclass(frozen=True)
class Extraction:
    """The work of the array; see utils/array_step.py."""

    extractor: Extractor
    items: Mapping[str, Item]
    plan: ArrayPlan
    tasks: int
    dtype: str

    @property
    def size(self) -> str:
        return f"{self.extractor.name}: {len(self.items)} utterances"

    def run(self, task: int) -> None:
        from steps.features.plan import share

        run_task(self.extractor, share(self.items, task, self.tasks), task, self.plan, self.dtype)

    def finish(self) -> None:
        from steps.features.plan import finish

        report(self.extractor.name, finish(self.plan.out, self.extractor, self.items, self.tasks, self.dtype))


def open_extraction(arguments: argparse.Namespace, out: Path) -> Extraction:
    """
    Raises:
        UserError: no such features or data set, no utterance, or none with what the features are made of.
    """
    from steps.data.dataset import Dataset
    from steps.features import plan, registry

    extractor = registry.create(arguments.features, overrides(arguments.set, arguments.source))
    items = Dataset.open(arguments.data).items
    if not items:
        raise UserError(f"{arguments.data} has no utterances")
    _check_audio(extractor, items.values())
    extractor.bind(items)
    return Extraction(extractor, items, plan.plan_of(extractor, items, arguments.nj, out, arguments.dtype),
                      arguments.nj, arguments.dtype)


def overrides(given: Iterable[str], source: str) -> list[str]:
    """The key=value words of --set, and --from as one more.

    Raises:
        UsageError: a quotation mark without its other half.
    """
    from utils.config import split_settings

    words = [word for text in given for word in split_settings(text)]
    # quoted as YAML reads it: a name may hold anything, and 2024 is one
    return [*words, f"directory={json.dumps(source, ensure_ascii=False)}"] if source else words


def _check_audio(extractor: Extractor, items: Iterable[Item]) -> None:
    """Utterances without a recording fail one by one, if they are but some and have text only."""
    items = list(items)
    given = next((item.id for item in items if item.path is None and item.features is not None), None)
    without = given or (items[0].id if all(item.path is None for item in items) else None)
    if extractor.needs_audio and without is not None:
        raise UserError(f"{without} has no recording to compute {extractor.name} from; its given features are taken "
                        "with --features precomputed")


def run_task(extractor: Extractor, items: Sequence[Item], task: int, planned: ArrayPlan,
             dtype: str = "float32") -> None:
    """Extract `items` into the archive of `task`."""
    from steps.features import store

    out = planned.out
    keep_freed_memory()
    began = time.perf_counter()
    notes: Counter[str] = Counter()
    failed = 0
    with store.ArchiveWriter(out, task, extractor.dim, dtype) as writer:
        for item, features, done, reason in outcomes(extractor, items, threads()):
            notes.update(done)
            if features is None:
                failed += 1
                writer.fail(item.id, reason)
            else:
                writer.add(item.id, features)
        planned.hold()  # a restart with other settings may have taken over the directory
        writer.commit()
    seconds, audio = time.perf_counter() - began, sum(item.duration for item in items)
    said = [f"{count} {note}" for note, count in sorted(notes.items())] + extractor.remarks()
    print(f"task {task}: {len(items)} utterances, {audio / 3600:.2f} h in {seconds:.1f} s, {failed} failed"
          + "".join(f", {note}" for note in said))


def outcomes(extractor: Extractor, items: Sequence[Item], workers: int) -> Iterator[Outcome]:
    """Features of `items` in their order, computed by `workers` threads (the libraries release Python's lock)."""
    if workers == 1:
        yield from (outcome(extractor, item) for item in items)
        return
    from concurrent.futures import ThreadPoolExecutor

    block = 16 * workers  # what may wait in memory
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(items), block):
            yield from pool.map(lambda item: outcome(extractor, item), items[start:start + block])


def outcome(extractor: Extractor, item: Item) -> Outcome:
    """Features of one utterance, or why there are none."""
    import numpy as np

    from steps.features.extractor import CannotCompute

    if extractor.needs_audio and item.path is None:
        return item, None, (), "no recording"
    try:
        features, notes = extractor.extract_item(item)
    except CannotCompute as reason:
        return item, None, (), str(reason)
    finite = np.isfinite(features)
    if not finite.all():
        return item, None, notes, f"{features.size - int(finite.sum())} of {features.size} values are not finite"
    return item, features, notes, ""


def threads() -> int:
    """As many as the job was given."""
    text = os.environ.get("EMOTION_NUM_THREADS", "1")
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"EMOTION_NUM_THREADS is {text!r}; accepted: 1 or more")
    return int(text)


def keep_freed_memory() -> None:
    """Let glibc keep what is freed: openSMILE frees and takes megabytes a file, a twelfth of its time."""
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(trim_threshold, 2**29)
        mallopt(mmap_threshold, 2**25)  # its largest accepted value


def report(name: str, description: dict[str, object]) -> None:
    """One line of counts, and the utterances that have no features, by id."""
    failures = dict(description["failures"])  # type: ignore[call-overload]
    rows = f", {description['rows']} frames" if description["kind"] == "frames" else ""
    print(f"{name}: {description['utterances']} utterances{rows}, {description['dim']} columns, {len(failures)} failed")
    for key, reason in list(failures.items())[:20]:
        print(f"  {key}: {reason}")
    if len(failures) > 20:
        print(f"  and {len(failures) - 20} more, in failed.*.tsv")


if __name__ == "__main__":
    sys.exit(run_main(main))
