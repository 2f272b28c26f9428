"""Write a data set again with other fields or other audio: same utterances, labels and splits, in a directory of its
own. The set that it is made from stays as it is.

What it was made by stands in corpus.json under a key of its own ("noise"), by which it is known again.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from steps.data.cuts import write_cuts
from steps.data.dataset import CORPUS, CUTS, Dataset
from steps.data.layers import layers_of, remove_layer
from steps.data.splits import SPLITS
from steps.data.trained_on import TRAINED_ON
from utils.errors import UsageError
from utils.files import atomic_directory, read_json, write_json

# They hold as long as the audio is the same.
OF_AUDIO = ("validation.json", "audio_hashes.tsv", "fingerprints.npz", "duplicates.tsv")


def check_target(data: Dataset, out: Path, key: str, made_by: str) -> None:
    """
    Args:
        key: of corpus.json. made_by: "steps/make_noisy_set.sh", for the message.

    Raises:
        UsageError: OUT is DATA, or another data set that was not made like this.
    """
    if out.resolve() == data.path.resolve():
        raise UsageError(f"OUT is DATA, {out}, which is never edited; name another directory")
    made_here = (out / CORPUS).is_file() and key in read_json(out / CORPUS)
    if not made_here and ((out / CUTS).exists() or (out / CORPUS).exists()):
        raise UsageError(f"{out} is a data set that was not made by {made_by}; name another directory")


def read_cuts(data: Dataset) -> Iterator[dict[str, Any]]:
    """The lines of cuts.jsonl.gz."""
    with gzip.open(data.path / CUTS, "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def replace_fields(cut: dict[str, Any], old: Iterable[str], new: Mapping[str, Any]) -> None:
    """Take the fields `old` out of a cut's `custom` and put `new` in."""
    supervision, gone = cut["supervisions"][0], set(old)
    custom = {name: value for name, value in (supervision.get("custom") or {}).items() if name not in gone}
    supervision["custom"] = dict(sorted({**custom, **new}.items()))


def write_derived(data: Dataset, out: Path, info: Mapping[str, Any], cuts: Iterable[Mapping[str, Any]],
                  only: set[str] | None = None) -> None:
    """Write OUT; the cuts come last, so that a data set that opens is whole. Layers of an earlier OUT go: they are of
    other audio.

    Args:
        info: corpus.json. only: the utterances that OUT has; None: all.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / CUTS).unlink(missing_ok=True)
    for name in layers_of(out):
        remove_layer(out, name)
    with atomic_directory(out / SPLITS) as directory:
        for file in sorted((data.path / SPLITS).glob("*")):
            if only is None or file.suffix != ".tsv":
                shutil.copyfile(file, directory / file.name)
            else:
                head, *lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
                (directory / file.name).write_text(
                    head + "".join(line for line in lines if line.split("\t")[0] in only), encoding="utf-8")
    for name in (*OF_AUDIO, TRAINED_ON):
        (out / name).unlink(missing_ok=True)
    write_json(out / CORPUS, info)
    write_cuts(out / CUTS, cuts)
