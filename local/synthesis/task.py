"""Synthesize a corpus by array tasks.

    synthesize_corpus.sh --corpus mini --size tiny --nj 2 OUT

Writes OUT/wav/<speaker>/<utterance>.wav, OUT/utterances.tsv, OUT/synthesis.json and OUT/log/. An interrupted run is
taken up at the utterances that are missing; recordings of other settings in OUT are removed first.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from utils.arguments import ArgumentParser, whole
from utils.array_plan import ArrayPlan
from utils.array_step import JOB, add_array_options, run_parts, whole_step
from utils.errors import UsageError, UserError, run_main
from utils.files import ROOT, atomic_open

SETTINGS = "synthesis.json"
TABLE = "utterances.tsv"
MADE = (TABLE, "log/.done", "wav")  # what --prepare removes when other settings made it


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser("synthesize_corpus.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, metavar="NAME", help="module local/NAME.py, which has a plan")
    parser.add_argument("--set", dest="kind", metavar="SET", help="which of the corpus's sets (default: its first)")
    parser.add_argument("--size", choices=("full", "tiny"), default="full",
                        help="tiny: about 60 utterances (%(default)s)")
    parser.add_argument("--seed", type=whole, default=0,
                        help="the same seed gives the same bytes, over any number of tasks (%(default)s)")
    add_array_options(parser)
    parser.add_argument("out", type=Path, metavar="OUT", help="directory of the corpus")
    arguments = parser.parse_args(argv)
    if arguments.task is not None and arguments.task > arguments.nj:
        raise UsageError(f"--task {arguments.task}: expected 1 to {arguments.nj}")
    return arguments


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    if whole_step(arguments):
        return run_parts("local.synthesis.task", argv, arguments, arguments.out / "log" / f"synthesize.{JOB}.log")
    module = load_corpus(arguments.corpus)
    arguments.kind = arguments.kind or module.SETS[0]
    if arguments.kind not in module.SETS:
        raise UsageError(f"--set {arguments.kind}: {arguments.corpus} has the sets {', '.join(module.SETS)}")
    plan = module.plan(arguments.kind, arguments.size, arguments.seed)
    settings = {"corpus": arguments.corpus, "set": arguments.kind, "size": arguments.size, "seed": arguments.seed,
                "code": code_digest()}
    work = ArrayPlan(arguments.out, settings, MADE, "synthesizing", "steps/synthesize_corpus.sh", SETTINGS)
    if arguments.prepare:
        prepare(work, plan)
        return 0
    work.hold()
    if arguments.finish:
        finish(arguments.out, plan, module)
    else:
        synthesize(arguments.out, plan, arguments.seed, arguments.task, arguments.nj)
    return 0


def load_corpus(name: str) -> ModuleType:
    """The corpus module local/NAME.py.

    Raises:
        UsageError: there is none, or it is of recordings that exist.
    """
    if not re.fullmatch(r"[a-z]\w*", name) or not (Path(__file__).parent.parent / f"{name}.py").is_file():
        raise UsageError(f"--corpus {name}: there is no local/{name}.py")
    module = importlib.import_module(f"local.{name}")
    if not hasattr(module, "plan"):
        raise UsageError(f"--corpus {name}: local/{name}.py has no plan of utterances to synthesize")
    return module


def code_digest() -> str:
    """Hash of what decides how the corpus sounds, so that recordings of two versions are never mixed."""
    from importlib.metadata import PackageNotFoundError, version

    digest = hashlib.sha256()
    for directory in (Path(__file__).parent, ROOT / "utils" / "sound"):
        for path in sorted(directory.iterdir()):
            if path.suffix in (".py", ".yaml") and path.name != Path(__file__).name:
                digest.update(path.read_bytes())
    try:
        digest.update(version("espeakng-loader").encode())
    except PackageNotFoundError:
        raise UserError("espeakng-loader is not installed; run utils/setup.sh") from None
    return digest.hexdigest()[:16]


def prepare(work: ArrayPlan, plan: Sequence[Any]) -> None:
    """Make a directory fit for tasks: recordings of other settings are removed, finished ones of these stay."""
    from local.synthesis.render import wav_path

    out = work.out
    strangers = [path.name for path in out.glob("[!.]*") if path.name != "log"] if out.is_dir() else []
    if work.former() is None and strangers:
        raise UserError(f"{out} holds {sorted(strangers)[0]}, not a synthetic corpus; choose an empty directory")
    work.prepare()
    there = sum(wav_path(out, utterance).is_file() for utterance in plan)
    if there < len(plan) and (out / TABLE).is_file():  # complete once, and now somebody has removed recordings
        _forget(out)
    print(f"{work.planned['corpus']} {work.planned['set']}: {len(plan)} utterances, {len(plan) - there} to synthesize")


def _forget(out: Path) -> None:
    """Let every task run again. Only while no array runs: a live one's marks are the dispatcher's."""
    (out / TABLE).unlink(missing_ok=True)
    shutil.rmtree(out / "log" / ".done", ignore_errors=True)


def synthesize(out: Path, plan: Sequence[Any], seed: int, task: int, num_tasks: int) -> None:
    """Write the recordings of share `task`: neighbors in the plan, because they babble behind each other."""
    from local.synthesis.render import Renderer, wav_path, write_wav

    share = plan[len(plan) * (task - 1) // num_tasks:len(plan) * task // num_tasks]
    todo = [utterance for utterance in share if not wav_path(out, utterance).is_file()]
    print(f"task {task}: {len(share)} utterances, {len(share) - len(todo)} there already", flush=True)
    renderer = Renderer(plan, seed)
    for number, utterance in enumerate(todo, start=1):
        write_wav(wav_path(out, utterance), renderer.render(utterance))
        if number % 100 == 0 or number == len(todo):
            print(f"{number} of {len(todo)}", flush=True)


def finish(out: Path, plan: Sequence[Any], module: ModuleType) -> None:
    """Write the table once every recording is there; drop what killed tasks left half written.

    Raises:
        UserError: a recording is missing or cut off.
    """
    from local.synthesis.render import wav_path

    for leftover in [*out.glob(".tmp.*"), *out.glob("wav/*/.tmp.*")]:
        leftover.unlink()
    seconds = 0.0
    lines = ["\t".join(("id", "path", *module.FIELDS))]
    for utterance in plan:
        path = wav_path(out, utterance)
        try:
            seconds += wav_seconds(path)
        except ValueError as error:
            _forget(out)
            path.unlink(missing_ok=True)
            raise UserError(f"{path}: {error}; run the same command again to synthesize it") from error
        fields = module.describe(utterance)
        lines.append("\t".join((utterance.id, path.relative_to(out).as_posix(),
                                *(str(fields.get(name, "")) for name in module.FIELDS))))
    with atomic_open(out / TABLE) as stream:
        stream.write("\n".join(lines) + "\n")
    classes = Counter(utterance.emotion for utterance in plan if utterance.emotion)
    counts = f"; {', '.join(f'{name} {number}' for name, number in classes.most_common())}" if classes else ""
    print(f"{len(plan)} utterances, {seconds / 60:.1f} minutes, "
          f"{len({utterance.speaker.name for utterance in plan})} speakers{counts}")


def wav_seconds(path: Path) -> float:
    """Duration of a WAV file as written by write_wav.

    Raises:
        ValueError: missing, or not whole.
    """
    import wave

    try:
        with wave.open(os.fspath(path)) as stream:
            frames, rate = stream.getnframes(), stream.getframerate()
            whole = frames > 0 and path.stat().st_size == 44 + 2 * frames
    except (OSError, EOFError, wave.Error) as error:
        raise ValueError("missing or unreadable") from error
    if not whole:
        raise ValueError("cut off")
    return frames / rate


if __name__ == "__main__":
    sys.exit(run_main(main, sys.argv[1:]))
