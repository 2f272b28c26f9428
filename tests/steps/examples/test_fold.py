"""Examples of a fold: what is learned where, who is left out, and what a permutation does."""

import json

import numpy as np
import pytest

from steps.data.dataset import Dataset
from steps.examples.fold import fingerprint, load_examples, permuted
from steps.inputs.archive import ArchiveSource
from utils.errors import UserError


def load(path, norm="global", fold=1, **options):
    data = Dataset.open(path)
    return load_examples(data, {"toy": ArchiveSource.open(path, "toy")}, data.split("plain"), fold, norm, **options)


def test_every_item_is_there_or_named_as_missing(toy):
    examples = load(toy)
    assert [len(examples.train), len(examples.dev), len(examples.test)] == [79, 19, 19]
    assert examples.train.missing == {"s1-05": "too short"}
    assert set(examples.test.ids) | set(examples.test.missing) == {f"s5-{n:02d}" for n in range(20)}
    assert examples.test.y[examples.test.ids.index("s5-03")] == -1
    assert "s5-03" not in examples.test.labelled().ids and len(examples.test.labelled()) == 18


def test_normalization_is_learned_on_train_alone(toy):
    before = load(toy)
    assert np.abs(before.train.x.matrix().mean(axis=0)).max() < 1e-5
    np.testing.assert_allclose(before.train.x.matrix().std(axis=0), 1, atol=1e-4)
    archive = np.load(toy / "toy" / "archive.1.npy")
    archive[-19:] *= 100  # the speaker of the test part
    np.save(toy / "toy" / "archive.1.npy", archive)
    after = load(toy)
    np.testing.assert_array_equal(before.train.x.matrix(), after.train.x.matrix())
    np.testing.assert_array_equal(before.dev.x.matrix(), after.dev.x.matrix())
    assert np.abs(after.test.x.matrix()).max() > 10 * np.abs(before.test.x.matrix()).max()


def test_speaker_normalization_removes_the_speaker(toy):
    column = 5  # where the speakers differ
    means = {norm: load(toy, norm).test.x.matrix()[:, column].mean() for norm in ("global", "speaker")}
    assert abs(means["speaker"]) < 0.2 < abs(means["global"])


def test_sequences_are_read_when_asked_for(toy):
    store = toy / "toy"
    lines = [line.split("\t")[0] for line in (store / "index.1.tsv").read_text().splitlines()]
    np.save(store / "archive.1.npy", np.random.default_rng(0).normal(3, 2, (2 * len(lines), 4)).astype(np.float32))
    (store / "index.1.tsv").write_text("".join(f"{key}\t{2 * n}\t2\n" for n, key in enumerate(lines)))
    about = json.loads((store / "feature.json").read_text()) | {"kind": "frames", "dim": 4, "frame_shift": 0.01}
    (store / "feature.json").write_text(json.dumps(about))
    examples = load(toy)
    assert examples.train.x[0].shape == (2, 4) and len(examples.train.x) == 79
    rows = np.concatenate([examples.train.x[n] for n in range(79)])
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-5)
    with pytest.raises(UserError, match="frames"):
        examples.train.x.matrix()
    both = examples.train.join(examples.dev)
    assert len(both) == len(both.x) == 98


def test_a_permutation_keeps_the_counts_and_leaves_test_alone(toy):
    plain, shuffled = load(toy), load(toy, permute_seed=0)
    for part in ("train", "dev"):
        one, two = getattr(plain, part).y, getattr(shuffled, part).y
        assert not np.array_equal(one, two)
        assert np.array_equal(np.bincount(one + 1), np.bincount(two + 1))
    assert np.array_equal(plain.test.y, shuffled.test.y)
    assert np.array_equal(permuted(plain.train.items, plain.train.y, 0, "x")[1] == -1, plain.train.y == -1)


def test_the_fingerprint_sees_labels_parts_and_features_but_not_the_number_of_archives(toy):
    def current(description):
        data = Dataset.open(toy)
        return fingerprint(data, data.split("plain"), 1, description)

    first = current({"version": 1})
    assert current({"version": 1}) == first != current({"version": 2})
    corpus = json.loads((toy / "corpus.json").read_text())
    target = {"field": "emotion", "kind": "class", "classes": ["sad", "happy", "angry"]}
    (toy / "corpus.json").write_text(json.dumps(corpus | {"targets": [target]}))
    assert current({"version": 1}) != first


def test_an_id_that_the_data_set_does_not_have_is_named(toy):
    with open(toy / "splits" / "plain.tsv", "a") as stream:
        stream.write("ghost\t1\ttrain\n")
    with pytest.raises(UserError, match="ghost"):
        load(toy)


def test_a_dev_part_without_labels_is_an_error(toy):
    table = (toy / "splits" / "plain.tsv").read_text().splitlines()
    kept = [line for line in table if "\tdev" not in line or line.startswith("s0-04\t2")]
    (toy / "splits" / "plain.tsv").write_text("\n".join(kept) + "\n")
    with pytest.raises(UserError, match="fold 1: the dev part has no labelled utterance"):
        load(toy)
