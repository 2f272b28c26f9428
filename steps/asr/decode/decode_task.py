"""Decode a data set by a recognizer, by array tasks.

Writes OUT/hypotheses.tsv: id, text, confidence, words with times and confidences, n-best list. An utterance without
features has an empty text and list, and is named. An interrupted run is taken up at the tasks that are missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, count
from utils.array_plan import ArrayPlan, stage_inputs
from utils.array_step import JOB, Array, add_array_options, run_array
from utils.errors import UsageError, UserError, run_main

if TYPE_CHECKING:
    import numpy

    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.graph import Graph
    from steps.asr.decode.hypothesis import Hypothesis
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.data.dataset import Item
    from steps.features.store import FeatureStore

MERGED = "hypotheses.tsv"
LISTED = 20  # failed utterances that are named


@dataclasses.dataclass(frozen=True)
class Work:
    """What all tasks of a run share; the work of the array, see utils/array_step.py."""

    config: DecodeConfig
    recognizer: Recognizer
    graph: Graph | None
    items: Mapping[str, Item]
    store: FeatureStore
    out: Path
    tasks: int

    @property
    def size(self) -> str:
        return f"{len(self.items)} utterances"

    @functools.cached_property
    def plan(self) -> ArrayPlan:
        return ArrayPlan(self.out, make_plan(self, self.tasks), (MERGED, "hypotheses.*.tsv", ".tmp.*"), "decoding",
                         "steps/decode_transcripts.sh")

    def run(self, task: int) -> None:
        run_task(self, self.out, task, self.tasks)

    def finish(self) -> None:
        finish(self.out, self.items, self.tasks)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = ArgumentParser("decode_transcripts.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asr", required=True, type=Path, metavar="DIR", help="recognizer, own or foreign")
    parser.add_argument("--method", choices=("greedy", "prefix", "graph"), help="default: as conf/asr_decode.yaml says")
    parser.add_argument("--graph", type=Path, metavar="DIR", help="decoding graph, of steps/make_graph.sh; needed by "
                        "graph")
    parser.add_argument("--split", metavar="NAME", help="decode a part of this protocol only, with --part")
    parser.add_argument("--fold", type=count, default=1, metavar="K", help="with --split (default: %(default)s)")
    parser.add_argument("--part", choices=("train", "dev", "test"), help="with --split")
    parser.add_argument("--features", type=Path, metavar="DIR", help="default: DATA/fbank, or what else the recognizer "
                        "takes")
    parser.add_argument("--set", action="append", default=[], metavar='"KEY=VALUE ..."', help="over "
                        "conf/asr_decode.yaml")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="of the network (default: "
                        "%(default)s)")
    add_array_options(parser)
    parser.add_argument("data", type=Path, metavar="DATA", help="prepared data set with features")
    parser.add_argument("out", type=Path, metavar="OUT")
    arguments = parser.parse_args(argv)
    if (arguments.split is None) != (arguments.part is None):
        raise UsageError("--split and --part go together")
    return arguments


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    array = Array("steps.asr.decode.decode_task", "decode", arguments.out, task_path(arguments.out, JOB))
    return run_array(array, argv, arguments, lambda: open_work(arguments))


def open_work(arguments: argparse.Namespace) -> Work:
    from steps.asr.decode.config import DecodeConfig
    from steps.asr.decode.graph import Graph
    from steps.asr.decode.tune_decoding import settings
    from steps.asr.recognizers.recognizer import open_recognizer
    from steps.data.dataset import Dataset
    from steps.features.store import FeatureStore
    from utils.config import load_config, split_settings

    overrides = settings(arguments.graph) + split_settings(" ".join(arguments.set))
    overrides += [f"method={arguments.method}"] if arguments.method else []
    config = load_config(DecodeConfig, "asr_decode", overrides)
    config.check()
    if (config.method == "graph") != (arguments.graph is not None):
        raise UsageError(f"--method {config.method} " + ("needs --graph DIR; build one with steps/make_graph.sh"
                                                         if arguments.graph is None else "takes no --graph"))
    recognizer = open_recognizer(arguments.asr, arguments.device)
    graph = None if arguments.graph is None else Graph.open(arguments.graph, recognizer.units)
    data = Dataset.open(arguments.data)
    ids = data.split(arguments.split).ids(arguments.fold, arguments.part) if arguments.split else list(data.items)
    if not ids:
        raise UserError(f"{arguments.data} has no utterances" + (f" in {arguments.part}" if arguments.part else ""))
    extractor = recognizer.extractor
    store = FeatureStore.open(arguments.features or arguments.data / extractor.name,
                              {"kind": extractor.kind, "dim": extractor.dim, "options": extractor.options})
    return Work(config, recognizer, graph, {key: data.items[key] for key in ids}, store,
                arguments.out, arguments.nj)


def make_plan(work: Work, num_tasks: int) -> dict[str, Any]:
    """Everything that decides which hypotheses end up in which file."""
    from steps.asr.decode.graph import hash_of

    return {"recognizer": work.recognizer.fingerprint, "graph": work.graph.fingerprint if work.graph else None,
            "config": dataclasses.asdict(work.config), "num_tasks": num_tasks, "utterances": len(work.items),
            "items": hash_of(f"{item.id} {item.path} {item.start} {item.duration}" for item in work.items.values()),
            **stage_inputs()}


def task_path(out: Path, task: int | str) -> Path:
    """What a finished task leaves."""
    return out / f"hypotheses.{task}.tsv"


def run_task(work: Work, out: Path, task: int, num_tasks: int) -> None:
    """Decode a share into its file."""
    from steps.asr.decode.decode import decode_items, make_decoder
    from steps.asr.decode.hypothesis import write_hypotheses
    from steps.features.plan import share

    items = share(work.items, task, num_tasks)
    decoder = make_decoder(work.config, work.recognizer.units, work.recognizer.frame_shift, work.graph)
    began = time.perf_counter()
    found: dict[str, list[Hypothesis]] = {item.id: [] for item in items if item.id not in work.store}
    failed = len(found)
    found.update(decode_items(work.recognizer, _features(work.store, items), decoder))
    write_hypotheses(task_path(out, task), found)
    seconds, audio = time.perf_counter() - began, sum(item.duration for item in items)
    print(f"task {task}: {len(items)} utterances, {audio / 3600:.2f} h in {seconds:.1f} s (real-time factor "
          f"{seconds / max(audio, 1e-9):.3f}), {failed} failed")


def _features(store: FeatureStore, items: Sequence[Item]) -> Iterator[tuple[str, numpy.ndarray]]:
    for item in items:
        if item.id in store:
            yield item.id, store[item.id]


def finish(out: Path, items: Mapping[str, Item], num_tasks: int) -> None:
    """Merge the tasks' files into one with every utterance once; say how many failed, and which.

    Raises:
        UserError: a task or an utterance is missing, or came twice.
    """
    from steps.asr.decode.hypothesis import read_hypotheses, write_hypotheses

    merged: dict[str, list[Hypothesis]] = {}
    for task in range(1, num_tasks + 1):
        path = task_path(out, task)
        if not path.exists():
            raise UserError(f"{out}: task {task} of {num_tasks} has left no hypotheses; see its log, then run the same "
                            "command again")
        found = read_hypotheses(path)
        twice = next((key for key in found if key in merged), None)
        if twice is not None:
            raise UserError(f"{out}: {twice} was decoded twice; remove {out} and run the same command again")
        merged.update(found)
    if merged.keys() != items.keys():
        key = sorted(merged.keys() ^ items.keys())[0]
        raise UserError(f"{out}: {key} is {'missing' if key in items else 'not in the data set'}; remove {out} and run "
                        "the same command again")
    write_hypotheses(out / MERGED, merged)
    failed = [key for key in sorted(merged) if not merged[key]]
    empty = sum(1 for found in merged.values() if found and not found[0].words)
    print(f"decoded: {len(merged)} utterances, {empty} with an empty text, {len(failed)} failed (no features)")
    for key in failed[:LISTED]:
        print(f"  failed: {key}", file=sys.stderr)
    if len(failed) > LISTED:
        print(f"  and {len(failed) - LISTED} more", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_main(main))
