"""A small data set on disk, written by hand in the documented formats, for the tests of experiments."""

import gzip
import json

import numpy as np
import pytest


def write_dataset(path, ids, labels, speakers, genders, rows, folds, failed=(), classes=None, feature="toy",
                  fields=None):
    """Write <path>: ids with labels (None = unlabelled), one feature vector each, and the protocol `plain`.

    rows: (N, F), or a list of (T, F) for features of kind "frames". folds: list of {id: part}; failed: ids without
    features. fields: {id: {further field: value}}.
    """
    (path / "splits").mkdir(parents=True)
    classes = classes or sorted({label for label in labels if label is not None})
    (path / "corpus.json").write_text(json.dumps({
        "name": "toy", "targets": [{"field": "emotion", "kind": "class", "classes": classes}]}))
    with gzip.open(path / "cuts.jsonl.gz", "wt") as stream:
        for key, label, speaker, gender in zip(ids, labels, speakers, genders, strict=True):
            supervision = {"id": key, "recording_id": key, "start": 0, "duration": 1.0, "channel": 0}
            supervision |= {} if speaker is None else {"speaker": speaker}
            supervision |= {} if gender is None else {"gender": gender}
            supervision["custom"] = {**({} if label is None else {"emotion": label}), **(fields or {}).get(key, {})}
            stream.write(json.dumps({"id": key, "start": 0, "duration": 1.0, "channel": 0,
                                     "supervisions": [supervision], "type": "MonoCut"}) + "\n")
    lines = ["id\tfold\tpart"] + [f"{key}\t{number}\t{part}" for number, fold in enumerate(folds, 1)
                                  for key, part in fold.items()]
    (path / "splits" / "plain.tsv").write_text("\n".join(lines) + "\n")
    (path / "splits" / "plain.json").write_text(json.dumps({"description": "toy", "speaker_overlap": False}))
    store = path / feature
    store.mkdir()
    kept = [position for position, key in enumerate(ids) if key not in failed]
    frames = isinstance(rows, list)
    blocks = [np.atleast_2d(rows[position]) for position in kept]
    np.save(store / "archive.1.npy", np.concatenate(blocks).astype(np.float32))
    starts = np.cumsum([0] + [len(block) for block in blocks])
    entries = zip([ids[position] for position in kept], starts[:-1], map(len, blocks), strict=True)
    (store / "index.1.tsv").write_text("".join(f"{key}\t{start}\t{count}\n" for key, start, count in entries))
    (store / "failed.1.tsv").write_text("".join(f"{key}\ttoo short\n" for key in failed))
    (store / "feature.json").write_text(json.dumps({
        "name": feature, "version": 1, "options": {}, "kind": "frames" if frames else "utterance",
        "dim": rows[0].shape[-1], "frame_shift": 0.01 if frames else None,
        "columns": [], "utterances": len(kept), "failed": len(failed), "archives": 1}))
    return path


@pytest.fixture
def make_dataset():
    return write_dataset


@pytest.fixture
def toy(tmp_path):
    """6 speakers x 20 utterances, 3 classes that a line separates well, 12 features; one failed, one unlabelled."""
    generator = np.random.default_rng(7)
    ids, labels, speakers, genders, rows = [], [], [], [], []
    for speaker in range(6):
        for take in range(20):
            label = take % 3
            ids.append(f"s{speaker}-{take:02d}")
            labels.append(["angry", "happy", "sad"][label])
            speakers.append(f"s{speaker}")
            genders.append("female" if speaker % 2 else "male")
            rows.append(generator.normal(size=12) + 2.5 * np.eye(12)[label] + 3 * np.eye(12)[5] * speaker)
    labels[ids.index("s5-03")] = None
    labels[ids.index("s0-04")] = None
    part = {"s4": "dev", "s5": "test"}
    fold1 = {key: part.get(speaker, "train") for key, speaker in zip(ids, speakers, strict=True)}
    part = {"s0": "dev", "s4": "test"}
    fold2 = {key: part.get(speaker, "train") for key, speaker in zip(ids, speakers, strict=True)}
    return write_dataset(tmp_path / "data" / "toy", ids, labels, speakers, genders, np.array(rows), [fold1, fold2],
                         failed=["s5-07", "s4-02", "s1-05"])


@pytest.fixture
def toy_frames(tmp_path):
    """6 speakers x 10 utterances of 8 to 20 frames, 4 features: where in time two of them rise gives the class."""
    generator = np.random.default_rng(8)
    ids, labels, speakers, genders, rows = [], [], [], [], []
    for speaker in range(6):
        for take in range(10):
            frames = 0.3 * generator.normal(size=(int(generator.integers(8, 21)), 4))
            label = take % 2
            frames[:4, label] += 2
            frames[-4:, 1 - label] += 2
            ids.append(f"s{speaker}-{take:02d}")
            labels.append(["angry", "sad"][label])
            speakers.append(f"s{speaker}")
            genders.append("female" if speaker % 2 else "male")
            rows.append(frames)
    part = {"s4": "dev", "s5": "test"}
    fold = {key: part.get(speaker, "train") for key, speaker in zip(ids, speakers, strict=True)}
    return write_dataset(tmp_path / "data" / "toy", ids, labels, speakers, genders, rows, [fold], failed=["s5-07"])
