"""What is chosen on inner folds: by whom it is not reached, and what a plain search by scikit-learn finds."""

import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.svm import SVC

from steps.data.dataset import Dataset
from steps.examples.fold import load_examples
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.inputs.archive import ArchiveSource

PENALTIES = [1e-3, 1e-2, 1e-1, 1.0, 10.0]
NESTED = (f"selection=inner C={json.dumps(PENALTIES).replace(' ', '')} rules=[one_against_rest,one_against_one] "
          "losses=[hinge,squared_hinge] refit=false")


@pytest.fixture
def hard(make_dataset, tmp_path):
    """6 speakers x 24 utterances, 3 classes that overlap, each speaker elsewhere; s4 is dev, s5 test."""
    random, ids, labels, speakers, rows = np.random.default_rng(3), [], [], [], []
    for speaker in range(6):
        place = 0.5 * random.normal(size=8)
        for number in range(24):
            ids.append(f"s{speaker}-{number:02d}")
            speakers.append(f"s{speaker}")
            labels.append(["angry", "happy", "sad"][number % 3])
            rows.append(place + random.normal(size=8) + 1.1 * np.eye(8)[number % 3])
    fold = {key: "test" if key < "s6" and key.startswith("s5") else "dev" if key.startswith("s4") else "train"
            for key in ids}
    return make_dataset(tmp_path / "data" / "toy", ids, labels, speakers, [None] * len(ids), np.array(rows), [fold])


def chosen(data, out, settings=NESTED, config="linear_svm", expect=0):
    words = ["--config", config, "--inputs", "toy", "--protocol", "plain", "--set", settings, "--data", str(data),
             "--out", str(out)]
    assert plan.main(words) == 0
    assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(out / "log/task.1.json")]) == 0
    place = out / "norm-global" / "fold1" / "seed0"
    return json.loads((place / "model.json").read_text())["chosen"], place


def relabelled(data, part):
    """The labels of a part, moved on by one class."""
    import gzip

    after = {"angry": "happy", "happy": "sad", "sad": "angry"}
    with gzip.open(data / "cuts.jsonl.gz", "rt") as stream:
        cuts = [json.loads(line) for line in stream]
    for cut in cuts:
        if cut["id"].startswith(part):
            custom = cut["supervisions"][0]["custom"]
            custom["emotion"] = after[custom["emotion"]]
    with gzip.open(data / "cuts.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)


@pytest.mark.parametrize("part", ["s4", "s5"])
def test_no_label_of_dev_or_test_reaches_the_choice(hard, tmp_path, part):
    before, place = chosen(hard, tmp_path / "exp" / "svm" / "plain")
    weights = (place / "model.npz").read_bytes()
    relabelled(hard, part)
    after, place = chosen(hard, tmp_path / "other" / "svm" / "plain")
    assert after == before and (place / "model.npz").read_bytes() == weights


def test_a_label_of_the_training_part_reaches_it(hard, tmp_path):
    """The contrast: what the test above could not see otherwise."""
    _, place = chosen(hard, tmp_path / "exp" / "svm" / "plain")
    weights = (place / "model.npz").read_bytes()
    relabelled(hard, "s2")
    assert (chosen(hard, tmp_path / "other" / "svm" / "plain")[1] / "model.npz").read_bytes() != weights


def test_the_choice_is_that_of_a_plain_search_over_speakers(hard, tmp_path):
    found, _ = chosen(hard, tmp_path / "exp" / "svm" / "plain",
                      NESTED.replace("[one_against_rest,one_against_one]", "[one_against_one]").replace(
                          "[hinge,squared_hinge]", "[hinge]").replace("refit", "balanced=false refit"))
    data = Dataset.open(hard)
    train = load_examples(data, {"toy": ArchiveSource.open(hard, "toy")}, data.split("plain"), 1, "global", 3.0).train
    x, groups = train.x.matrix(), [item.speaker for item in train.items]
    values = []
    for penalty in PENALTIES:
        decided = np.zeros(len(x), dtype=int)
        for learned, held in LeaveOneGroupOut().split(x, train.y, groups):
            machine = SVC(C=penalty, kernel="linear", tol=1e-4).fit(x[learned], train.y[learned])
            decided[held] = machine.predict(x[held])
        values.append(balanced_accuracy_score(train.y, decided))
    best = [penalty for penalty, value in zip(PENALTIES, values, strict=True) if value >= max(values) - 1e-12]
    assert found == {"rule": "one_against_one", "C": best[(len(best) - 1) // 2]}


def test_a_model_of_pairs_scores_the_same_when_it_is_read_back(hard, tmp_path):
    from steps.scoring.scores import read_scores

    _, place = chosen(hard, tmp_path / "exp" / "svm" / "plain", "rules=[one_against_one] C=[0.1]")
    data = Dataset.open(hard)
    items = [item for item in data.items.values() if item.speaker == "s5"]
    store = ArchiveSource.open(hard, "toy")
    logp = TrainedExperiment.open(place).log_posteriors(items, [store[item.id] for item in items])
    np.testing.assert_allclose(logp, read_scores(place / "scores" / "emotion" / "test.tsv").logp, atol=1e-5)


def test_of_two_speakers_dev_chooses_and_a_line_says_so(hard, tmp_path, capsys):
    table = hard / "splits" / "plain.tsv"
    table.write_text("\n".join(line for line in table.read_text().splitlines()
                               if not line.startswith(("s0", "s1"))) + "\n")
    chosen(hard, tmp_path / "exp" / "svm" / "plain")
    assert "fewer than three speakers, or unknown ones: chosen on dev" in capsys.readouterr().out


def test_the_forest_is_chosen_likewise(hard, tmp_path):
    settings = "selection=inner trees=20 min_leaf=[1,3,9] refit=false"
    before, _ = chosen(hard, tmp_path / "exp" / "forest" / "plain", settings, "random_forest")
    relabelled(hard, "s4")
    assert chosen(hard, tmp_path / "other" / "forest" / "plain", settings, "random_forest")[0] == before
