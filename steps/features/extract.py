"""Extract the features of a data set: one task of an array, or what comes before and after the tasks.

    python -m steps.features.extract --features is10 --data data/ravdess --out data/ravdess/is10 --num-tasks 2 --prepare
    python -m steps.features.extract ... --num-tasks 2 --task 1
    python -m steps.features.extract ... --num-tasks 2 --finish

`steps/extract_features.sh` runs the three through the job dispatcher.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.arguments import ArgumentParser
from utils.errors import UsageError, UserError, run_main

if TYPE_CHECKING:
    import numpy

    from steps.data.dataset import Item
    from steps.features.extractor import Extractor
    from utils.array_plan import ArrayPlan

    Outcome = tuple[Item, numpy.ndarray | None, tuple[str, ...], str]  # item, features, audio notes, reason of failure


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="steps.features.extract", description="Extract the features of a data set.")
    parser.add_argument("--features", required=True, metavar="NAME", help="conf/NAME.yaml, e.g. is10 or fbank")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="prepared data set")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: <data>/<features>")
    parser.add_argument("--num-tasks", type=int, default=1, metavar="N", help="tasks of the array")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE ...",
                        help="override options; words as in a shell, so that a quoted value may hold spaces")
    parser.add_argument("--from", dest="source", metavar="DIR", help="features given as <id>.npy files in DIR")
    parser.add_argument("--index", type=Path, metavar="FILE", help="with --task: the index that it leaves, so that the "
                        "dispatcher knows it and runs the task again when it is gone")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", type=int, metavar="J", help="extract share J of 1 ... N")
    what.add_argument("--prepare", action="store_true", help="write the plan, clear another plan's files")
    what.add_argument("--finish", action="store_true", help="count what came out, write feature.json")
    arguments = parser.parse_args(argv)
    if arguments.num_tasks < 1:
        raise UsageError(f"--num-tasks {arguments.num_tasks}: expected 1 or more")
    if arguments.task is not None and not 1 <= arguments.task <= arguments.num_tasks:
        raise UsageError(f"--task {arguments.task}: expected 1 to {arguments.num_tasks}")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.features import plan, registry, store

    extractor = registry.create(arguments.features, overrides(arguments.set, arguments.source))
    items = Dataset.open(arguments.data).items
    if not items:
        raise UserError(f"{arguments.data} has no utterances")
    _check_audio(extractor, items.values())
    extractor.bind(items)
    out = arguments.out or arguments.data / arguments.features
    index = store.index_path(out, arguments.task)
    if arguments.index not in (None, index):
        raise UsageError(f"--index {arguments.index}: task {arguments.task} leaves {index}")
    planned = plan.plan_of(extractor, items, arguments.num_tasks, out)
    if arguments.prepare:
        planned.prepare()
        left = planned.tasks_left(store.index_path)
        print(f"{arguments.features}: {len(items)} utterances, {len(left)} of {arguments.num_tasks} tasks to do")
    elif arguments.finish:
        report(arguments.features, plan.finish(out, extractor, items, arguments.num_tasks))
    else:
        run_task(extractor, plan.share(items, arguments.task, arguments.num_tasks), arguments.task, planned)
    return 0


def overrides(given: Iterable[str], source: str | None) -> list[str]:
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
                        "with --features given")


def run_task(extractor: Extractor, items: Sequence[Item], task: int, planned: ArrayPlan) -> None:
    """Extract `items` into the archive of `task`; nothing is done when it is whole already."""
    from steps.features import store

    out = planned.out
    planned.hold()
    if task in store.finished_tasks(out):
        print(f"task {task}: its archive is whole already")
        return
    keep_freed_memory()
    began = time.perf_counter()
    notes: Counter[str] = Counter()
    failed = 0
    with store.ArchiveWriter(out, task, extractor.dim) as writer:
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
