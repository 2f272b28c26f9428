"""What another subsystem computes, `embedding:<subsystem>[/<variant>]`, as input of the next one.

The run of the other subsystem (the producer; its configuration says keep_embeddings) writes
EXP/<subsystem>/<protocol>/<variant>/fold<k>/seed<s>/embeddings, an archive of features, for every
utterance of the fold. It does so with the model that was selected on dev, before that is trained
again on train and dev: else the reader, which chooses on dev, would read what has seen dev's labels.

The reader takes those of its own protocol file, fold and seed alone, and on permuted labels those of
a producer that learned permuted labels.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steps.data.dataset import Dataset
from steps.data.splits import SPLITS
from steps.data.trained_on import describe_training, write_training
from steps.data.variant import Variant
from steps.features.store import DESCRIPTION, ArchiveWriter, FeatureStore, archive_path
from steps.inputs.archive import ArchiveSource
from steps.inputs.source import Run
from steps.scoring.collect import read_plans
from utils.errors import UsageError, UserError
from utils.files import write_json

PREFIX = "embedding:"
EMBEDDINGS = "embeddings"
NAME = re.compile(r"embedding:(?P<subsystem>[^/\s]+)(/(?P<variant>[^/\s]+))?")
SELECTED = "selected on dev"


class EmbeddingSource(ArchiveSource):
    """See Source; an archive of one fold and seed."""

    def identity(self) -> dict[str, Any]:
        """What was computed, not where or when."""
        about = self.store.description
        return {"name": self.name, "kind": about["kind"], "dim": about["dim"],
                "digest": about["options"]["digest"]}

    def joined(self, other: ArchiveSource, rename: Callable[[str], str]) -> ArchiveSource:
        raise UserError(f"{self.name}: embeddings are of the utterances of one fold; no others join them", 2)


def protocol_digest(data: Path, protocol: str) -> str:
    """Of the protocol's file."""
    return hashlib.blake2b((data / SPLITS / f"{protocol}.tsv").read_bytes(), digest_size=16).hexdigest()


def describe_run(data: Dataset, run: Run) -> dict[str, Any]:
    """What producer and reader must agree in."""
    return {"corpus": data.name, "protocol": run.protocol,
            "protocol_digest": protocol_digest(data.path, run.protocol), "fold": run.fold,
            "seed": run.seed, "permuted": run.permuted}


def write_embeddings(directory: Path, data: Dataset, run: Run, learned: Iterable[str],
                     rows: Mapping[str, np.ndarray], failures: Mapping[str, str]) -> None:
    """Write DIRECTORY/embeddings.

    Args:
        learned: the utterances that the model learned from.
        rows: {utterance: (F,) or (T, F)}. failures: {utterance without: why}.
    """
    out = directory / EMBEDDINGS
    (out / DESCRIPTION).unlink(missing_ok=True)  # it says that all is there, so it is written last
    blocks = {key: np.atleast_2d(np.asarray(row, dtype=np.float32)) for key, row in sorted(rows.items())}
    kind = "utterance" if next(iter(rows.values())).ndim == 1 else "frames"
    dim = next(iter(blocks.values())).shape[1]
    with ArchiveWriter(out, 1, dim) as writer:
        for key, block in blocks.items():
            writer.add(key, block)
        for key, why in sorted(failures.items()):
            writer.fail(key, why)
        writer.commit()
    digest = hashlib.blake2b(archive_path(out, 1).read_bytes(), digest_size=16)
    digest.update("\n".join(blocks).encode())
    record = describe_training(data, learned, f"{run.subsystem}, of which embeddings are read")
    write_training(out, {**record, "sentences_may_be_shared": True})  # as between train and test
    write_json(out / DESCRIPTION, {
        "name": EMBEDDINGS, "kind": kind, "dim": dim, "archives": 1, "frame_shift": None, "columns": [],
        "options": {**describe_run(data, run), "subsystem": run.subsystem, "model": SELECTED,
                    "digest": digest.hexdigest()}})


def written(directory: Path) -> bool:
    """Whether an experiment has its embeddings, whole."""
    return (directory / EMBEDDINGS / DESCRIPTION).is_file()


def open_embedding(name: str, data: Dataset, run: Run | None) -> EmbeddingSource:
    """
    Raises:
        UsageError: another form of name. UserError: no such embeddings, or of another run; says which.
    """
    match = NAME.fullmatch(name)
    if match is None or {".", ".."} & set(match.group("subsystem", "variant")):
        raise UsageError(f"--inputs {name}: expected embedding:SUBSYSTEM or embedding:SUBSYSTEM/VARIANT")
    if run is None:
        raise UserError(f"{name} has the utterances of one protocol alone; features are needed here", 2)
    if match["subsystem"] == run.subsystem:
        raise UsageError(f"--inputs {name}: {run.subsystem} would read its own embeddings")
    producer = run.exp / match["subsystem"] / run.protocol
    variant = variant_of(name, producer, match["variant"], run.permuted)
    path = producer / str(variant) / f"fold{run.fold}" / f"seed{run.seed}" / EMBEDDINGS
    if not (path / DESCRIPTION).is_file():
        of = " on permuted labels" if run.permuted else ""
        raise UserError(f"{name}: {path} is not there; train {match['subsystem']}{of} with keep_embeddings=true on "
                        f"this protocol, fold {run.fold} and seed {run.seed} first")
    store = FeatureStore.open(path, {"name": EMBEDDINGS})
    check_same_run(name, store, describe_run(data, run))
    return EmbeddingSource(name, store)


def variant_of(name: str, producer: Path, chosen: str | None, permuted: bool) -> Variant:
    """The variant of the producer: the named one, or its only one; on permuted labels that of the
    same name which learned those, too.

    Raises:
        UserError: it was not trained here, has several variants, or the named one is of permuted labels.
    """
    if chosen is None:
        known = {str(replace(Variant.parse(one), permuted=False))
                 for plan in read_plans(producer) for one in plan.get("variants", ())}
        if len(known) != 1:
            raise UserError(f"{name}: " + (f"{producer} has the variants {', '.join(sorted(known))}; name one, "
                                           f"{name}/VARIANT" if known else f"{producer} was not trained"), 2)
        (chosen,) = known
    variant = Variant.parse(chosen)
    if variant.permuted and not permuted:
        raise UserError(f"{name} learned permuted labels: only a run with --permute-labels reads it", 2)
    return replace(variant, permuted=permuted)


def check_same_run(name: str, store: FeatureStore, wanted: Mapping[str, Any]) -> None:
    """
    Raises:
        UserError: other embeddings than `wanted` says; names the first difference.
    """
    found = store.description["options"]
    for key, value in {**wanted, "model": SELECTED}.items():
        if found.get(key) != value:
            raise UserError(f"{name}: {store.path} has {key.replace('_', ' ')} {found.get(key)}, here it is {value}; "
                            "train that subsystem again")


def embeddings_read(names: Iterable[str]) -> list[str]:
    """Those of these inputs that are embeddings."""
    return [name for name in names if name.startswith(PREFIX)]


