"""Embeddings of one subsystem as input of another: which model wrote them, who may read them, and the audit."""

import json
import shutil

import numpy as np
import pytest

from steps.audit import embeddings as audited
from steps.audit.trained_on import leak_lines
from steps.data.dataset import Dataset
from steps.examples.fold import load_examples
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.features.store import ArchiveWriter, FeatureStore
from steps.inputs.archive import ArchiveSource
from steps.inputs.embedding import EMBEDDINGS, open_embedding
from steps.inputs.source import Run
from steps.scoring.experiment import read_metrics
from utils.errors import UsageError, UserError

PRODUCER = ("model.trunk=[48,48] model.branch=[8] model.dropout=0 training.epochs=8 "
            "training.patience=0 training.batch_size=4 training.tensorboard=false "
            "training.optimizer.learning_rate=0.02 "
            "training.schedule.kind=constant training.metric=UA keep_embeddings=true")
READER = "C=[0.01,0.1,1] refit=true"


def run(data, out, config, inputs, settings="", **options):
    words = ["--config", config, "--inputs", inputs, "--protocol", "plain", "--set", settings, "--data", str(data),
             "--out", str(out)]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}"] if value is True else [f"--{name.replace('_', '-')}", value]
    assert plan.main(words) == 0
    for task in sorted((out / "log").glob("task.*.json")):
        assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    return out


@pytest.fixture
def noise(make_dataset, tmp_path):
    """6 speakers x 12 utterances with labels and 24 features that have nothing to do with each other: whatever is
    right on dev comes from dev's labels."""
    random = np.random.default_rng(3)
    ids = [f"s{speaker}-{take:02d}" for speaker in range(6) for take in range(12)]
    labels = [["angry", "sad"][value] for value in random.permutation(np.arange(len(ids)) % 2)]
    fold = {key: {"s4": "dev", "s5": "test"}.get(key[:2], "train") for key in ids}
    return make_dataset(tmp_path / "data" / "toy", ids, labels, [key[:2] for key in ids], [None] * len(ids),
                        random.normal(size=(len(ids), 24)), [fold], failed=["s5-07"])


@pytest.fixture
def exp(tmp_path):
    return tmp_path / "exp"


def dev_of(out):
    return read_metrics(out / "norm-none" / "fold1" / "seed0", "emotion")["dev"]["UA"]


def test_the_refit_model_would_leak_dev_into_the_readers_choice_and_does_not(noise, exp):
    first = run(noise, exp / "dnn" / "plain", "dnn", "toy", PRODUCER + " refit=true keep_model=true")
    place = first / "norm-global" / "fold1" / "seed0"
    honest = run(noise, exp / "reader" / "plain", "linear_svm", "embedding:dnn", READER, norms="none")
    assert dev_of(honest) < 0.65  # 12 utterances: chance is 0.5
    # The same with what the model computes that has learned train and dev, as a contrast.
    data, final = Dataset.open(noise), TrainedExperiment.open(place)
    examples = load_examples(data, {"toy": ArchiveSource.open(noise, "toy")}, data.split("plain"), 1, "global", 3.0)
    stored = FeatureStore.open(place / EMBEDDINGS)
    leaked = {key: row for part in (examples.train, examples.dev, examples.test)
              for key, row in zip(part.ids, final.predictor.embed(part), strict=True)}
    assert not np.allclose(stored["s4-00"], leaked["s4-00"], atol=0.01)
    with ArchiveWriter(place / EMBEDDINGS, 1, stored.dim) as writer:
        for key, row in sorted(leaked.items()):
            writer.add(key, row)
        writer.fail("s5-07", "too short")
        writer.commit()
    assert dev_of(run(noise, exp / "leaky" / "plain", "linear_svm", "embedding:dnn", READER, norms="none")) > 0.8


def test_every_utterance_of_the_fold_has_one_or_a_reason(noise, exp):
    out = run(noise, exp / "dnn" / "plain", "dnn", "toy", PRODUCER.replace("epochs=8", "epochs=1"))
    source = open_embedding("embedding:dnn", Dataset.open(noise), Run(exp, "reader", "plain", 1, 0))
    assert len(source) == 71 and source.failures == {"s5-07": "too short"}
    assert (source.layout, source.width, source["s0-00"].shape) == ("vector", 48, (48,))
    before = (out / "norm-global/fold1/seed0/embeddings/feature.json").read_bytes()
    (out / "norm-global/fold1/seed0/embeddings/feature.json").unlink()  # as a kill leaves it
    run(noise, out, "dnn", "toy", PRODUCER.replace("epochs=8", "epochs=1"))
    assert (out / "norm-global/fold1/seed0/embeddings/feature.json").read_bytes() == before


def test_those_of_another_run_are_refused_in_one_line(noise, exp):
    run(noise, exp / "dnn" / "plain", "dnn", "toy", PRODUCER.replace("epochs=8", "epochs=1"))
    data = Dataset.open(noise)

    def opened(name="embedding:dnn", fold=1, seed=0, permuted=False, subsystem="reader"):
        return open_embedding(name, data, Run(exp, subsystem, "plain", fold, seed, permuted))

    for options, said in (({"seed": 1}, "fold 1 and seed 1 first"), ({"fold": 2}, "fold 2 and seed 0 first"),
                          ({"permuted": True}, "on permuted labels with keep_embeddings=true"),
                          ({"name": "embedding:dnn/norm-speaker"}, "norm-speaker"),
                          ({"name": "embedding:nothing"}, "was not trained"),
                          ({"name": "embedding:dnn/norm-global+permuted"}, "only a run with --permute-labels"),
                          ({"name": "embedding:../dnn"}, "was not trained|expected"),
                          ({"name": "embedding:dnn/.."}, "expected embedding:SUBSYSTEM"),
                          ({"name": "embedding:"}, "expected embedding:SUBSYSTEM"),
                          ({"subsystem": "dnn"}, "its own embeddings")):
        with pytest.raises((UserError, UsageError), match=said) as error:
            opened(**options)
        assert "\n" not in str(error.value)
    table = noise / "splits" / "plain.tsv"
    table.write_text(table.read_text().replace("s0-00\t1\ttrain", "s0-00\t1\tdev"))
    with pytest.raises(UserError, match="protocol digest"):
        opened()


def test_those_that_were_copied_to_the_place_of_another_seed_or_fold_are_refused(noise, exp):
    out = run(noise, exp / "dnn" / "plain", "dnn", "toy", PRODUCER.replace("epochs=8", "epochs=1"))
    own = out / "norm-global" / "fold1" / "seed0"
    for fold, seed, said in ((1, 1, "has seed 0, here it is 1"), (2, 0, "has fold 1, here it is 2")):
        shutil.copytree(own, out / "norm-global" / f"fold{fold}" / f"seed{seed}")
        with pytest.raises(UserError, match=said):
            open_embedding("embedding:dnn", Dataset.open(noise), Run(exp, "reader", "plain", fold, seed))


def test_a_run_on_permuted_labels_reads_a_permuted_producer(noise, exp):
    settings = PRODUCER.replace("epochs=8", "epochs=1")
    run(noise, exp / "dnn" / "plain", "dnn", "toy", settings, permute_labels=True)
    out = run(noise, exp / "permuted" / "plain", "linear_svm", "embedding:dnn", norms="none", permute_labels=True)
    assert (out / "norm-none+permuted/fold1/seed0/metrics.json").is_file()
    with pytest.raises(UserError, match=r"train dnn with keep_embeddings=true"):
        run(noise, exp / "plainly" / "plain", "linear_svm", "embedding:dnn", norms="none")


def test_a_kind_without_embeddings_says_so(toy, exp):
    with pytest.raises(UserError, match="linear_svm has no embeddings"):
        run(toy, exp / "svm" / "plain", "linear_svm", "toy", "keep_embeddings=true", folds="1")


def test_the_audit_holds_the_producers_training_part_against_the_readers_dev_and_test(noise, exp):
    out = run(noise, exp / "dnn" / "plain", "dnn", "toy", PRODUCER.replace("epochs=8", "epochs=1"))
    run(noise, exp / "reader" / "plain", "linear_svm", "embedding:dnn", norms="none")
    data = Dataset.open(noise)
    found = audited.audit_embeddings(data, data.split("plain"), exp)
    assert {(entry["kind"], entry["with"]): entry["verdict"] for entry in found if entry["kind"] != "sentence"} == {
        (kind, part): "none" for kind in ("speaker", "recording") for part in ("dev", "test")}
    path = out / "norm-global/fold1/seed0/embeddings/trained_on.json"
    records = json.loads(path.read_text())
    records[0]["speakers"].append("s4")
    path.write_text(json.dumps(records))
    found = audited.audit_embeddings(data, data.split("plain"), exp)
    leaks = leak_lines(found)
    assert len(leaks) == 1 and "dnn, of which embeddings are read" in leaks[0] and "12 of 12 dev" in leaks[0]


def test_scores_are_those_of_a_run_without_embeddings(toy, exp):
    settings = PRODUCER.replace("epochs=8", "epochs=2")
    one = run(toy, exp / "one" / "plain", "dnn", "toy", settings, folds="1")
    two = run(toy, exp / "two" / "plain", "dnn", "toy", settings.replace("keep_embeddings=true", ""), folds="1")
    for part in ("dev", "test"):
        table = f"norm-global/fold1/seed0/scores/emotion/{part}.tsv"
        assert (one / table).read_bytes() == (two / table).read_bytes()
    assert not (two / "norm-global/fold1/seed0/embeddings").exists()
