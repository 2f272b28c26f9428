"""Dialogues end to end: two networks' embeddings, context without labels, and what may be read of other parts."""

import json

import numpy as np
import pytest

from steps.data.dataset import Dataset
from steps.examples.fold import load_examples
from steps.experiments import plan, run_task
from steps.features.store import FeatureStore
from steps.inputs.archive import ArchiveSource
from steps.inputs.embedding import EMBEDDINGS
from steps.scoring.experiment import read_metrics
from steps.scoring.rows import data_marks
from steps.scoring.scores import read_scores
from steps.subsystems.context_bigru import Dialogues

DNN = ("model.trunk=[12] model.branch=[] training.epochs=8 training.batch_size=16 training.tensorboard=false "
       "training.optimizer.learning_rate=0.02 model.dropout=0 keep_embeddings=true keep_model=false refit=false")
RNN = ("model.projection=[8] model.hidden=6 model.branch=[] training.epochs=2 training.tensorboard=false "
       "frames.stack=1 frames.stride=1 keep_embeddings=true keep_model=false refit=false")
BIGRU = ("model.projection=[16] model.hidden=12 model.dropout=0 training.epochs=25 training.batch_size=4 "
         "training.optimizer.learning_rate=0.02 training.tensorboard=false training.metric=loss")


def run(data, out, config, inputs, settings, **options):
    words = ["--config", config, "--inputs", inputs, "--protocol", "plain", "--set", settings, "--data", str(data),
             "--out", str(out)]
    for name, value in options.items():
        words += [f"--{name}", value]
    assert plan.main(words) == 0
    for task in sorted((out / "log").glob("task.*.json")):
        assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    return out


@pytest.fixture
def dialogues(make_dataset, tmp_path):
    """16 dialogues of 8 utterances: 10 to train, 3 dev, 3 test. An utterance's own features tell a bit (the sign), and
    its label is whether it has the same bit as the one before (the first: 0): only context tells it. Every fourth
    utterance has no label and is in no part. Features: `toy`, a vector, and `bands`, frames."""
    random = np.random.default_rng(5)
    ids, labels, speakers, rows, fields, fold = [], [], [], [], {}, {}
    part = ["train"] * 10 + ["dev"] * 3 + ["test"] * 3
    for number in range(16):
        bit = random.integers(0, 2, size=9) * (np.arange(9) > 0)
        for turn in range(8):
            key = f"d{number:02d}-{turn}"
            ids.append(key)
            speakers.append(f"s{number:02d}")
            rows.append(0.1 * random.normal(size=6) + (2 * bit[turn + 1] - 1))
            fields[key] = {"dialogue": f"d{number:02d}", "turn": turn}
            labels.append(None if turn % 4 == 3 else ["angry", "sad"][int(bit[turn + 1] == bit[turn])])
            if turn % 4 != 3:
                fold[key] = part[number]
    path = make_dataset(tmp_path / "data" / "toy", ids, labels, speakers, [None] * len(ids), np.array(rows), [fold],
                        fields=fields)
    other = make_dataset(tmp_path / "other", ids, labels, speakers, [None] * len(ids),
                         [np.repeat(row[None, :4], 5, axis=0) for row in rows], [fold], feature="bands", fields=fields)
    (other / "bands").rename(path / "bands")
    return path


@pytest.fixture
def exp(tmp_path):
    return tmp_path / "exp"


def test_a_bigru_over_two_embeddings_learns_what_only_context_tells(dialogues, exp):
    first = run(dialogues, exp / "dnn" / "plain", "dnn", "toy", DNN)
    run(dialogues, exp / "rnn" / "plain", "attention_rnn", "bands", RNN)
    stored = FeatureStore.open(first / "norm-global/fold1/seed0" / EMBEDDINGS)
    assert "d00-3" in stored and len(stored) == 128  # what is in no part is context of its dialogue
    out = run(dialogues, exp / "context" / "plain", "context_bigru", "embedding:dnn embedding:rnn", BIGRU)
    place = out / "norm-global" / "fold1" / "seed0"
    assert read_metrics(place, "emotion")["test"]["UA"] > 0.9
    assert read_metrics(first / "norm-global/fold1/seed0", "emotion")["test"]["UA"] < 0.75
    scores = read_scores(place / "scores" / "emotion" / "test.tsv")
    assert len(scores.ids) == 18 and "d15-3" not in scores.ids  # context has no scores
    assert sorted(path.name for path in place.glob("normalization*")) == ["normalization.2.npz", "normalization.npz"]


def parts_of(path, reads="dialogue"):
    data = Dataset.open(path)
    return load_examples(data, {"toy": ArchiveSource.open(path, "toy")}, data.split("plain"), 1, "none", reads=reads)


def test_utterances_of_no_part_are_context_and_add_no_label(dialogues):
    examples = parts_of(dialogues)
    assert len(examples.train) == 80 and examples.train.context.sum() == 20
    assert (examples.train.y[examples.train.context] == -1).all()
    read = Dialogues.of(examples.dev)
    assert [[examples.dev.ids[row] for row in rows] for rows in read.groups[:1]] == [[f"d10-{n}" for n in range(8)]]
    batch = read.batch([0, 2])
    assert batch["x"].shape == (2, 8, 6) and len(batch["position"]) == 16
    assert not parts_of(dialogues, "utterance").train.context.any()


def divided(path, context):
    """The same protocol, of which one dialogue lies in train and in test."""
    table = path / "splits" / "plain.tsv"
    table.write_text(table.read_text().replace("d15-0\t1\ttest", "d15-0\t1\ttrain"))
    about = {"description": "toy", "speaker_overlap": True, **({"context": "dialogue"} if context else {})}
    (path / "splits" / "plain.json").write_text(json.dumps(about))
    return path


def test_context_stays_within_the_part_unless_the_protocol_says_dialogue(dialogues):
    apart = parts_of(divided(dialogues, False))
    assert not {"d15-1", "d15-3"} & set(apart.train.ids) and "d15-0" not in apart.test.ids
    assert "context across parts" not in marked(dialogues)
    across = parts_of(divided(dialogues, True))
    outside = {key for key, aside in zip(across.train.ids, across.train.context, strict=True) if aside}
    assert {"d15-1", "d15-2", "d15-3"} <= outside
    assert (across.train.y[across.train.context] == -1).all()  # without the labels of test
    assert {key for key, aside in zip(across.test.ids, across.test.context, strict=True) if aside} >= {"d15-0"}
    assert "context across parts" in marked(dialogues)
    both = across.train.join(across.dev)
    assert len(set(both.ids)) == len(both.ids)


def marked(path):
    data = Dataset.open(path)
    return data_marks(data, data.split("plain"))
