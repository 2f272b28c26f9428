"""Write a data set again with noise behind every utterance, by array tasks.

The ratio is the mean power of the active frames of speech over the mean power of the noise behind the utterance. OUT is
a data set of its own with DATA's utterances, labels and splits, recordings in OUT/audio (16 kHz, mono, 16 bit) and the
fields snr and noise; features and transcripts of it are made as those of DATA are. Everything depends on the seed, the
pool and the utterance's id alone, not on the number of tasks. An interrupted run is taken up at the tasks that are
missing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.noise import KINDS, POOLS
from utils.arguments import ArgumentParser, directory_or_none, whole
from utils.array_plan import ArrayPlan
from utils.array_step import JOB, Array, add_array_options, run_array, whole_step
from utils.errors import UsageError, UserError, run_main

if TYPE_CHECKING:
    from steps.data.dataset import Dataset, Item

KEY = "noise"  # of corpus.json
FIELDS = ("snr", "noise")
HEARD = ("asr_text", "asr_confidence", "asr_nbest", "asr_words")  # of other audio; a corpus may come with them
HEAD = ("id", "kind", "snr", "factor", "samples", "source")


@dataclass(frozen=True)
class Recipe:
    """What decides how the set sounds; with these attributes it has a plan like an extractor of features."""

    options: dict[str, Any]
    parts: tuple[str, ...] = ()
    name: str = "noisy set"
    version: int = field(default=1)


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    audio = arguments.out / "audio"
    array = Array("steps.noise.make_noisy_set", "noise", arguments.out, audio / f"index.{JOB}.tsv")
    status = run_array(array, argv, arguments, lambda: open_work(arguments, audio))
    return status or (extract_features(arguments) if whole_step(arguments) else 0)


def extract_features(arguments: argparse.Namespace) -> int:
    """The features of the noisy set that were asked for."""
    from steps.features import extract

    for name in arguments.features.split():
        status = extract.main(["--features", name, "--nj", str(arguments.nj), "--cmd", arguments.cmd,
                               str(arguments.out)])
        if status:
            return status
    return 0


@dataclass(frozen=True)
class NoisySet:
    """The work of the array; see utils/array_step.py."""

    data: Dataset
    items: dict[str, Item]
    recipe: Recipe
    plan: ArrayPlan
    tasks: int
    out: Path

    @property
    def size(self) -> str:
        return f"{self.out}: {len(self.items)} utterances"

    def run(self, task: int) -> None:
        from steps.features.plan import share

        run_task(share(self.items, task, self.tasks), self.recipe, self.plan.out, task)

    def finish(self) -> None:
        finish(self.data, self.items, self.recipe, self.plan.out, self.tasks, self.out)


def open_work(arguments: argparse.Namespace, audio: Path) -> NoisySet:
    from steps.data.dataset import Dataset
    from steps.data.derived import check_target
    from steps.features import plan

    recipe = recipe_of(arguments)
    data = Dataset.open(arguments.data)
    check_target(data, arguments.out, KEY, "steps/make_noisy_set.sh")
    items = chosen_items(data, recipe.parts)
    planned = ArrayPlan(audio, plan.make_plan(recipe, items, arguments.nj), ("index.*.tsv", ".tmp.*"), "adding noise",
                        "steps/make_noisy_set.sh")
    return NoisySet(data, items, recipe, planned, arguments.nj, arguments.out)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = ArgumentParser("make_noisy_set.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snr", required=True, metavar="DB", help="signal-to-noise ratio in dB; random: uniform from "
                        "0 to 20, and one utterance in ten clean")
    parser.add_argument("--kinds", default=" ".join(KINDS), metavar='"K ..."',
                        help="one of these for each utterance (default: %(default)s)")
    parser.add_argument("--pool", default="", choices=("", *POOLS), help="noises for training (train) or for testing "
                        "(test), which have nothing in common (default: train with --snr random, else test)")
    parser.add_argument("--musan", type=directory_or_none, metavar="DIR", help="take noise, music and babble from "
                        "MUSAN in DIR (noise/, music/, speech/); default: our own sounds")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="the same seed gives the same noises, at "
                        "every ratio and over any number of tasks (default: %(default)s)")
    parser.add_argument("--parts", default="", metavar='"PROTOCOL/PART ..."', help="only utterances of these parts, in "
                        "whichever fold (default: all)")
    parser.add_argument("--features", default="", metavar='"NAME ..."', help="extract these from it too "
                        "(steps/extract_features.sh)")
    parser.add_renamed("--only", "--parts")
    add_array_options(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT")
    return parser.parse_args(argv)


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """
    Raises:
        UsageError: an unknown kind, a ratio that is none.
    """
    from steps.noise.mixing import parse_snr

    kinds = list(dict.fromkeys(arguments.kinds.split()))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise UsageError(f"--kinds {arguments.kinds!r}: accepted: one or more of {', '.join(KINDS)}")
    snr = parse_snr(arguments.snr)
    options = {"snr": arguments.snr if snr is None else snr, "kinds": kinds,
               "pool": arguments.pool or ("train" if snr is None else "test"), "seed": arguments.seed,
               "musan": None if arguments.musan is None else str(arguments.musan)}
    return Recipe(options, tuple(arguments.parts.split()))


def chosen_items(data: Dataset, parts: Sequence[str]) -> dict[str, Item]:
    """The utterances of these parts; all without any.

    Raises:
        UserError: no such protocol or part, no utterance, or one without a recording.
    """
    keys = set() if parts else set(data.items)
    for text in parts:
        protocol, _, part = text.partition("/")
        split = data.split(protocol)
        keys |= {key for fold in split.folds for key in split.ids(fold, part)}
    items = {key: item for key, item in data.items.items() if key in keys}
    if not items:
        raise UserError(f"{data.path} has no utterances{' in ' + ' '.join(parts) if parts else ''}")
    without = next((key for key, item in items.items() if item.path is None), None)
    if without is not None:
        raise UserError(f"{without} of {data.path} has no recording that noise could be added to")
    return items


def run_task(items: Sequence[Item], recipe: Recipe, audio: Path, task: int) -> None:
    """Write the recordings of one share; its index, written last, says that it is whole."""
    from steps.data.audio import load_audio
    from steps.features.store import index_path
    from steps.noise.mixing import RANDOM, choose, mix
    from steps.noise.sources import open_source
    from utils.files import atomic_open

    options = recipe.options
    pool, seed, kinds = options["pool"], options["seed"], options["kinds"]
    snr = None if options["snr"] == RANDOM else options["snr"]
    source = open_source(options["musan"], pool, seed, kinds)
    lines = ["\t".join(HEAD)]
    for item in items:
        mixed = mix(load_audio(item)[0], item.id, choose(item.id, snr, kinds, pool, seed), source, pool, seed)
        write_flac(audio / f"{item.id}.flac", mixed.samples)
        lines.append("\t".join((item.id, mixed.choice.kind or "-",
                                "-" if mixed.choice.snr is None else f"{mixed.choice.snr:g}", f"{mixed.factor:.6f}",
                                str(len(mixed.samples)), mixed.source or "-")))
    with atomic_open(index_path(audio, task)) as stream:
        stream.write("\n".join(lines) + "\n")
    print(f"task {task}: {len(items)} utterances")


def write_flac(path: Path, samples: Any) -> None:
    """int16 (T,) at 16 kHz; the name appears only when the file is whole."""
    import soundfile

    from steps.data.audio import RATE
    from utils.files import atomic_path

    with atomic_path(path) as temporary:
        soundfile.write(str(temporary), samples, RATE, subtype="PCM_16", format="FLAC")


def finish(data: Dataset, items: dict[str, Item], recipe: Recipe, audio: Path, tasks: int, out: Path) -> None:
    """Write the data set, once every recording is there.

    Raises:
        UserError: a task or a recording is missing.
    """
    from steps.data.derived import write_derived

    made = read_indices(audio, tasks)
    lost = [key for key in items if key not in made or not (audio / f"{key}.flac").is_file()]
    if lost or len(made) != len(items):
        raise UserError(f"{audio}: {lost[0] if lost else 'a foreign utterance'} is "
                        f"{'missing' if lost else 'there'}; remove {audio} and run the same command again")
    for path in [*audio.glob("*.flac"), *audio.glob(".tmp.*")]:
        if path.name.removesuffix(".flac") not in made:  # of an earlier plan, or of a task that was killed
            path.unlink()
    kinds = sorted({row["kind"] for row in made.values()} - {"-"})
    about = {**recipe.options, "utterances": len(made), "only": list(recipe.parts),
             "counts": {kind: sum(row["kind"] == kind for row in made.values()) for kind in kinds},
             "clean": sum(row["kind"] == "-" for row in made.values()),
             "scaled": sum(float(row["factor"]) < 1 for row in made.values())}
    info = {**data.info, "utterances": len(made), KEY: about}
    write_derived(data, out, info, noisy_cuts(data, made, audio), only=set(made) if recipe.parts else None)
    counts = ", ".join(f"{count} {kind}" for kind, count in about["counts"].items())
    print(f"{out}: {len(made)} utterances, SNR {recipe.options['snr']}: {counts or 'no noise'}, {about['clean']} "
          f"clean, {about['scaled']} scaled down so that they do not clip")


def read_indices(audio: Path, tasks: int) -> dict[str, dict[str, str]]:
    """{utterance: row of its task's index}.

    Raises:
        UserError: a task has left none.
    """
    from steps.features.store import index_path

    made: dict[str, dict[str, str]] = {}
    for task in range(1, tasks + 1):
        path = index_path(audio, task)
        if not path.is_file():
            raise UserError(f"{path} is missing: see the log of task {task}, then run the same command again")
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            row = dict(zip(HEAD, line.split("\t"), strict=True))
            made[row["id"]] = row
    return made


def noisy_cuts(data: Dataset, made: dict[str, dict[str, str]], audio: Path) -> Iterator[dict[str, Any]]:
    """DATA's cuts on their new recordings, with the fields of FIELDS."""
    from steps.data.audio import RATE
    from steps.data.derived import read_cuts, replace_fields

    for cut in read_cuts(data):
        row = made.get(cut["id"])
        if row is None:
            continue
        samples = int(row["samples"])
        cut |= {"start": 0.0, "duration": samples / RATE, "recording": {
            "id": cut["id"], "sources": [{"type": "file", "channels": [0],
                                          "source": os.path.abspath(audio / f"{cut['id']}.flac")}],
            "sampling_rate": RATE, "num_samples": samples, "duration": samples / RATE, "channel_ids": [0]}}
        cut["supervisions"][0]["duration"] = samples / RATE
        noise = {"noise": "none"} if row["kind"] == "-" else {"noise": row["kind"], "snr": float(row["snr"])}
        replace_fields(cut, (*FIELDS, *HEARD), noise)
        yield cut


if __name__ == "__main__":
    sys.exit(run_main(main))
