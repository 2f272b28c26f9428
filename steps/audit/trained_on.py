"""What the components that come from outside share with a protocol's dev and test parts, of all folds.

The recognizer, its language model, the UBM, the total variability matrix and the LDA are trained once and outside the
emotion corpora, so here nothing may be shared: no speaker of the same corpus, no recording, no sentence. Sentences may
be told only, where an audit is asked so: thousands of hours of speech hold every "yes" and "no".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.data.dataset import Dataset, Item
from steps.data.layers import LAYERS, layers_of, read_about
from steps.data.splits import Split
from steps.data.trained_on import (
    TRAINED_ON,
    Record,
    read_hashes,
    read_training,
    recording_names,
    sentence_digest,
)
from utils.names import spelling

KINDS = {"speaker": "speakers", "recording": "recordings", "sentence": "sentences"}
PARTS = ("dev", "test")
EXAMPLES = 5

Names = dict[str, dict[str, list[str]]]  # kind -> utterance -> what it may be called


def audit_components(data: Dataset, split: Split, paths: Sequence[Path],
                     sentences_may_be_shared: bool = False,
                     started: Mapping[str, tuple[list[Record], list[str]]] | None = None) -> dict[str, Any]:
    """Hold every record of what was trained against dev and test.

    Args:
        started: subsystem -> what is told, and what does not tell, of the model that its training started from.
        paths: components' directories or JSON files; those below the data set (`below`) come to them.

    Returns:
        {"components": [{component, corpus, source, kind, with, shared, affected, tested, verdict, examples}],
        "unknown": [directories that do not say what they were trained on], "leaks": [one line each]}; `affected` counts
        utterances of the part, `shared` distinct values; `verdict` is "none", "leak", "told" or "unknown".
    """
    names = names_of(data)
    found: list[dict[str, Any]] = []
    untold = [name for layer in layers_of(data.path) for name in read_about(data.path, layer).get("untold", ())]
    unknown = list(dict.fromkeys(untold))
    seen: list[Record] = []
    told = {str(path): read_training(path) for path in [*paths, *below(data.path)]}
    for subsystem, (records, silent) in (started or {}).items():
        told[subsystem] = records
        unknown += [name for name in silent if name not in unknown]
    for path, records in told.items():
        if records is None:
            unknown += [path] if path not in unknown else []
        for record in records or ():
            if record not in seen:  # one recognizer stands behind transcripts, i-vectors and itself
                seen.append(record)
                found += [compare(data, split, record, kind, part, names, sentences_may_be_shared)
                          | {"source": path} for kind in KINDS for part in PARTS]
    return {"components": found, "unknown": unknown, "leaks": leak_lines(found)}


def leak_lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each leak among these entries."""
    return [f"{entry['component'] or entry['source']} was trained on {entry['corpus']} and shares the "
            f"{entry['kind']} with {entry['affected']} of {entry['tested']} {entry['with']} utterances: "
            + ", ".join(entry["examples"]) for entry in found if entry["verdict"] == "leak"]


def below(directory: Path) -> list[Path]:
    """The records that stand in a data set: of what made its layers, and each kind of its features."""
    places = [directory / TRAINED_ON, *sorted(directory.glob(f"{LAYERS}/*/{TRAINED_ON}")),
              *sorted(directory.glob(f"*/{TRAINED_ON}"))]
    return [path for path in places if path.is_file()]


def names_of(data: Dataset) -> Names:
    """What each utterance's speaker (by its `spelling`), recording and sentence are called in records; [] where the
    corpus does not say."""
    hashes = read_hashes(data.path / "audio_hashes.tsv")

    def all_names(item: Item) -> dict[str, list[str]]:
        return {"speaker": [spelling(item.speaker)] if item.speaker else [],
                "recording": recording_names(data.name, item, hashes),
                "sentence": [digest] if (digest := sentence_digest(item.text)) else []}

    named = {key: all_names(item) for key, item in data.items.items()}
    return {kind: {key: values[kind] for key, values in named.items()} for kind in KINDS}


def compare(data: Dataset, split: Split, record: Record, kind: str, part: str, names: Names,
            sentences_may_be_shared: bool = False) -> dict[str, Any]:
    """One record, one kind, one part."""
    ids = sorted({key for fold in split.folds for key in split.ids(fold, part)})
    listed = record.get(KINDS[kind])
    # The speakers of two corpora are taken as different: names such as 01 mean nothing outside their corpus. Within
    # one, names that look alike (S3 and s3) are taken as one.
    apart = kind == "speaker" and record["corpus"] != data.name
    trained = set() if apart else set(map(spelling, listed or ()) if kind == "speaker" else listed or ())
    shared = {key: values for key in ids if (values := [name for name in names[kind][key] if name in trained])}
    silent = not apart and (listed is None or not any(names[kind][key] for key in ids))
    if shared:
        may = kind == "sentence" and (sentences_may_be_shared or record.get("sentences_may_be_shared"))
        verdict = "told" if may else "leak"
    else:
        verdict = "unknown" if silent else "none"
    return {"component": record.get("component", ""), "corpus": record["corpus"], "kind": kind, "with": part,
            "shared": len({name for values in shared.values() for name in values}), "affected": len(shared),
            "tested": len(ids), "verdict": verdict, "examples": list(shared)[:EXAMPLES]}
