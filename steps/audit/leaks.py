"""What a test part shares with the parts that anything was learned or chosen on: train (classifier, normalizer) and dev
(epoch, hyper-parameters, calibration, the weights of a fusion and which one is primary; and the classifier too where a
model is refitted on both). A fusion takes each fold's weights from that fold's own dev part.

    utterance   the same id                        always a leak
    audio       the same samples under two ids     always a leak
    sound       the same but for gain, a shift, cut ends or an encoding (steps/data/fingerprint.py), and segments of one
                recording that overlap by half of the longer one     always a leak
    recording   told: segments of one recording, of another time or of another speaker
    speaker     a leak, unless the protocol declares `speaker_overlap`, as a few published ones do
    session, dialogue   told: in some corpora the partner of the test speaker is in dev
    sentence    told, with its share: a corpus of fixed sentences shares all of them

What the corpus does not say of some utterances, on either side, is unknown of these, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from steps.data.dataset import Dataset, Item
from steps.data.recordings import overlapping, recording_of
from steps.data.sentences import sentence_of
from steps.data.splits import Split
from steps.data.trained_on import read_hashes
from utils.errors import UserError
from utils.groups import connected

KINDS = ("utterance", "audio", "sound", "recording", "speaker", "sentence", "session", "dialogue")
EXAMPLES = 5
TRAINED = {"classifier": "train, and dev where it is refitted", "normalizer": "train",
           "per-speaker normalization": "each speaker's own unlabelled audio, test too (marked in the results)",
           "epoch, hyper-parameters": "dev", "calibration": "dev", "fusion": "dev"}


def audit(data: Dataset, split: Split) -> dict[str, Any]:
    """Overlaps of one protocol.

    Returns:
        {"overlaps": [{kind, with, folds: {fold: n}, shared, affected, tested, known, unknown: {part: [n, of]}, verdict,
        examples}], "trained": ..., "leaks": [one line each]}. `shared` counts distinct values, `affected` the test
        utterances that have one, over folds; `verdict` is "none", "leak", "told", "declared", "partly" (none that is
        known) or "unknown".

    Raises:
        UserError: what validation wrote of the sound is missing, damaged or of other utterances.
    """
    by_validation = {"audio": audio_of(data), "sound": sound_of(data)}
    overlaps = []
    for kind in KINDS:
        of_item = value_of(kind)
        values = by_validation.get(kind) or {key: of_item(item) for key, item in data.items.items()}
        overlaps += [overlap(split, kind, other, values) for other in ("train", "dev")]
    leaks = [f"{entry['affected']} of {entry['tested']} test utterances share the {entry['kind']} with {entry['with']}"
             ": " + ", ".join(entry["examples"]) for entry in overlaps if entry["verdict"] == "leak"]
    return {"protocol": split.name, "speaker_overlap": split.speaker_overlap, "trained": TRAINED,
            "overlaps": overlaps, "leaks": leaks}


def overlap(split: Split, kind: str, other: str, values: Mapping[str, str | None]) -> dict[str, Any]:
    """What the test parts share with the parts `other`, over all folds.

    Args:
        values: what is compared of an utterance, by its id; None, or no entry, where it is not known.
    """
    shared: set[str] = set()
    examples: list[str] = []
    folds: dict[str, int] = {}
    affected = tested = known = silent = learned = 0
    for fold in split.folds:
        others = [values.get(key) for key in split.ids(fold, other)]
        seen = set(others) - {None}
        learned += len(others)
        silent += others.count(None)
        here = 0
        for key in split.ids(fold, "test"):
            found = values.get(key)
            tested += 1
            known += found is not None
            if found in seen:
                shared.add(str(found))
                here += 1
                if len(examples) < EXAMPLES:
                    examples.append(f"{key} (fold {fold})")
        affected += here
        if here:
            folds[str(fold)] = here
    unknown = {part: [number, of] for part, number, of in (("test", tested - known, tested), (other, silent, learned))
               if number}
    return {"kind": kind, "with": other, "shared": len(shared), "affected": affected, "tested": tested, "known": known,
            "unknown": unknown, "folds": folds, "examples": examples,
            "verdict": verdict(kind, affected, bool(known) and silent < learned, bool(unknown), split.speaker_overlap)}


def verdict(kind: str, affected: int, known: bool, unknown: bool, speaker_overlap: bool) -> str:
    """
    Args:
        known: whether something is known on both sides. unknown: whether something is not, on either.
    """
    if not known:
        return "unknown"
    if not affected:
        return "partly" if unknown else "none"
    if kind in ("utterance", "audio", "sound"):
        return "leak"
    if kind == "speaker":
        return "declared" if speaker_overlap else "leak"
    return "told"


def told_unknown(entry: Mapping[str, Any]) -> str:
    """"16 of 48 test utterances unknown"; "" where all is known."""
    return ", ".join(f"{number} of {of} {part} utterances unknown"
                     for part, (number, of) in (entry.get("unknown") or {}).items())


def value_of(kind: str) -> Callable[[Item], str | None]:
    """What of an item is compared; None where the corpus does not say."""
    if kind == "utterance":
        return lambda item: item.id
    if kind == "recording":
        return recording_of
    if kind == "sentence":
        return sentence_of
    return lambda item: getattr(item, kind, None)


def audio_of(data: Dataset) -> dict[str, str]:
    """Utterance -> hash of its samples, from validation; without those that are text only."""
    path = data.path / "audio_hashes.tsv"
    wanted = [key for key, item in data.items.items() if item.path is not None or item.features is not None]
    hashes = read_hashes(path)
    _check_whole(path, wanted, hashes)
    return hashes


def sound_of(data: Dataset) -> dict[str, str]:
    """Utterance -> name of its sound: that of the first utterance it is the same as, else its own.

    What is too short to compare has none, unless it is a segment that overlaps another.
    """
    from steps.data import fingerprint

    wanted = [key for key, item in data.items.items() if item.path is not None]
    if not wanted:
        return {}
    prints = fingerprint.load(data.path / fingerprint.FILE)
    _check_whole(data.path / fingerprint.FILE, wanted, prints)
    heard = {key: prints[key] for key in wanted if prints[key].comparable}
    names = list(heard)
    pairs = [(names[i], names[j]) for i, j in fingerprint.alike(list(heard.values()))]
    return {**{key: key for key in heard},
            **{key: group[0] for group in connected([*pairs, *overlapping(data.items.values())]) for key in group}}


def _check_whole(path: Path, wanted: Iterable[str], found: Mapping[str, Any]) -> None:
    wanted = list(wanted)
    lost = [key for key in wanted if key not in found]
    if lost:
        raise UserError(f"{path} says nothing of {len(lost)} of {len(wanted)} utterances, e.g. {lost[0]}; "
                        "run steps/validate_data.sh again")
