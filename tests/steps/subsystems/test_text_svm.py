"""Subsystem D end to end: sources as variants, empty texts, a changed transcript, permuted labels, stored models."""

import gzip
import json

import numpy as np
import pytest

from steps.data.dataset import Dataset
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.experiments.run_spec import RunSpec
from steps.scoring.experiment import read_metrics
from steps.scoring.scores import read_scores
from steps.subsystems.contract import load_experiment_config
from utils.config import read_yaml
from utils.errors import UsageError, UserError

SAID = {"angry": "you never listen to me", "happy": "what a lovely day", "sad": "nobody came at all"}


@pytest.fixture
def said(toy):
    """The toy data set with texts: the reference tells the class, what was heard tells it every other time."""
    cuts = read(toy)
    for number, cut in enumerate(cuts):
        custom = cut["supervisions"][0]["custom"]
        text = SAID[custom.get("emotion", "sad")]
        heard = text if number % 2 else SAID["sad"]
        cut["supervisions"][0]["text"] = text.upper()
        custom |= {"asr_text": heard, "asr_nbest": [[text, -0.1], [heard, -2.0]]}
        if cut["id"] in ("s5-01", "s4-03", "s2-00"):
            custom |= {"asr_text": "", "asr_nbest": [["", -0.1]]}
    write(toy, cuts)
    return toy


def read(data):
    with gzip.open(data / "cuts.jsonl.gz", "rt") as stream:
        return [json.loads(line) for line in stream]


def write(data, cuts):
    with gzip.open(data / "cuts.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)


def plan_text(data, out, *options):
    words = ["--config", "text_svm", "--inputs", "text", "--protocol", "plain", "--set", "C=[0.1,1]"]
    assert plan.main([*words, *options, "--data", str(data), "--out", str(out)]) == 0
    return sorted((out / "log").glob("task.*.json"))


def run_text(data, out, *options):
    for task in plan_text(data, out, *options):
        assert run_task.main(["--device", "cpu", "--data", str(data), "--out", str(out), str(task)]) == 0
    return out


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exp" / "text_svm" / "plain"


def test_every_source_is_a_variant(said, out):
    run_text(said, out, "--sources", "asr nbest reference", "--folds", "1")
    ua = {name: read_metrics(out / name / "fold1/seed0", "emotion")["test"]["UA"]
          for name in ("asr-text", "nbest-text", "ref-text")}
    assert ua["ref-text"] == 1.0 and ua["asr-text"] < 0.8 < ua["nbest-text"]
    about = json.loads((out / "subsystem.json").read_text())
    assert about["text_source"] == {"asr-text": "asr", "nbest-text": "nbest", "ref-text": "reference"}
    assert read_yaml(out / "ref-text/fold1/seed0/config.yaml")["config"]["source"] == "reference"


def test_text_with_its_kind_is_the_variant_of_that_source(said, out):
    words = ["--config", "text_svm", "--inputs", "text:reference", "--protocol", "plain", "--folds", "1",
             "--data", str(said), "--out", str(out)]
    assert plan.main(words) == 0
    task = json.loads((out / "log" / "task.1.json").read_text())
    assert (task["variant"], task["features"], task["config"]["source"]) == ("ref-text", "text", "reference")
    with pytest.raises(UsageError, match="--inputs text:video"):
        plan.main([word.replace("reference", "video") for word in words])


def test_of_several_kinds_of_text_each_is_an_experiment(said, out):
    assert plan.main(["--config", "text_svm", "--inputs", "text:asr text:reference", "--protocol", "plain", "--folds",
                      "1", "--data", str(said), "--out", str(out)]) == 0
    tasks = [json.loads(path.read_text()) for path in sorted((out / "log").glob("task.*.json"))]
    assert [(task["variant"], task["config"]["source"]) for task in tasks] == [
        ("asr-text", "asr"), ("ref-text", "reference")]


def test_an_empty_transcript_has_the_class_prior(said, out):
    run_text(said, out, "--folds", "1")
    metrics = read_metrics(out / "asr-text/fold1/seed0", "emotion")
    assert metrics["prior_scored"] == ["s4-03", "s5-01"] and metrics["train_left_out"] == ["s2-00"]
    scores = read_scores(out / "asr-text/fold1/seed0/scores/emotion/test.tsv")
    assert len(scores.ids) == 20
    items = Dataset.open(said).items
    train = [label for item in items.values()
             if item.speaker < "s4" and (label := item.fields.get("emotion")) and item.id != "s2-00"]
    prior = np.log([(train.count(name) + 1) / (len(train) + 3) for name in scores.classes])
    np.testing.assert_allclose(scores.logp[scores.ids.index("s5-01")], prior, atol=1e-5)


def test_a_changed_transcript_is_noticed_and_another_source_is_not_asked(said, out):
    [asr] = plan_text(said, out, "--folds", "1")
    before = json.loads(asr.read_text())["data"]
    cuts = read(said)
    cuts[0]["supervisions"][0]["text"] = "another reference"
    write(said, cuts)
    assert json.loads(plan_text(said, out, "--folds", "1")[0].read_text())["data"] == before
    cuts[0]["supervisions"][0]["custom"]["asr_text"] = "another transcript"
    write(said, cuts)
    with pytest.raises(UserError, match="has changed since this task was planned"):
        run_task.run(RunSpec.parse(json.loads(asr.read_text()), asr), said, out)


def test_permuted_labels_have_a_variant_of_their_own(said, out):
    run_text(said, out, "--sources", "reference", "--permute-labels")
    assert json.loads((out / "subsystem.json").read_text())["permuted"] is True
    ua = [read_metrics(out / f"ref-text+permuted/fold{fold}/seed0", "emotion")["test"]["UA"]
          for fold in (1, 2)]
    assert np.mean(ua) < 0.7


def test_a_stored_model_scores_the_same(said, out):
    run_text(said, out, "--sources", "nbest", "--folds", "1", "--set", "C=[1] refit=false")
    directory = out / "nbest-text" / "fold1" / "seed0"
    items = [item for item in Dataset.open(said).items.values() if item.speaker == "s5"]
    scores = read_scores(directory / "scores" / "emotion" / "test.tsv")
    np.testing.assert_allclose(TrainedExperiment.open(directory).log_posteriors(items), scores.logp, atol=1e-5)


@pytest.mark.parametrize(("options", "message"), [
    (["--config", "text_svm", "--inputs", "toy"], "text_svm cannot be trained on .*: the layout of toy is vector"),
    (["--config", "linear_svm", "--inputs", "text"], "linear_svm cannot .*: the layout of text is text, it takes"),
    (["--config", "text_svm", "--inputs", "text"], "has no asr_text: run steps/transcribe.sh"),
    (["--config", "text_svm", "--inputs", "text", "--sources", "reference"], "has no text: the corpus has no refer"),
    (["--config", "text_svm", "--inputs", "text", "--sources", "best"], "best is no source; accepted: asr, nbest, r"),
    (["--config", "linear_svm", "--inputs", "toy", "--sources", "asr"], "goes with --inputs text only"),
])
def test_what_does_not_fit_is_one_clear_line(toy, out, options, message):
    with pytest.raises(UserError, match=message):
        plan.main([*options, "--protocol", "plain", "--data", str(toy), "--out", str(out)])
    assert not out.exists()


@pytest.mark.parametrize(("settings", "message"), [
    ("words=[2,1]", r"words is \[2, 1\]; accepted: \[shortest, longest\]"), ("characters=[1]", "characters is"),
    ("words=[] characters=[]", "are both"), ("source=ears", "source is 'ears'")])
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        load_experiment_config("text_svm", settings.split())
