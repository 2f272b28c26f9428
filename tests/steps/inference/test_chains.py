"""Models of several nodes: context on the embeddings of two networks, a network on samples; exported and used."""


import json
from types import SimpleNamespace

import numpy as np
import pytest

from steps.data import prepare
from steps.data.dataset import Dataset
from steps.features import extract
from steps.inference import export
from steps.inference.inputs import sources
from steps.inference.model import EmotionModel
from steps.scoring.scores import read_scores
from tests.integration.box import tone, write_table
from tests.lab import NETWORK, PROTOCOL, train
from tests.lab import run as quietly
from tests.steps.inference.test_main import run
from utils.errors import UserError

CONTEXT = ("model.projection=[8] model.hidden=6 model.dropout=0 training.epochs=4 training.batch_size=2 "
           "training.tensorboard=false training.optimizer.learning_rate=0.02 keep_model=true refit=true")
PLACE = f"{PROTOCOL}/norm-global"


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """data, exp, and the test part's items: 6 dialogues of 4 tones, one of them too short for IS10."""
    root = tmp_path_factory.mktemp("dialogues")
    rows = [{"path": f"d{d}_{n}.wav", "emotion": ("glad", "sad")[(d + n // 2) % 2], "speaker": f"s{d}",
             "dialogue": f"d{d}", "turn": n, "part": ("train", "train", "train", "dev", "test", "test")[d]}
            for d in range(6) for n in range(4)]
    for number, row in enumerate(rows):
        tone(root / row["path"], number, 0.02 if row["path"] == "d5_1.wav" else 0.3)
    where = SimpleNamespace(root=root, data=root / "data" / "lab", exp=root / "exp")
    words = ("--table", write_table(root / "table.tsv", rows), "--corpus", "lab", where.data)
    assert quietly(prepare.main, *words) == 0
    for step in (["--prepare"], ["--task", "1"], ["--finish"]):
        assert quietly(extract.main, "--features", "is10", where.data, *step) == 0
    train(where.data, where.exp, "again", "multitask_dnn", f"{NETWORK} refit=true keep_embeddings=true", norms="global")
    train(where.data, where.exp, "once", "multitask_dnn",
          f"{NETWORK} model.trunk=[12] refit=false keep_embeddings=true", norms="global speaker")
    train(where.data, where.exp, "context", "context_bigru", CONTEXT, norms="global",
          features="embedding:again embedding:once/norm-speaker is10")
    train(where.data, where.exp, "svm", "linear_svm", "C=[0.1] refit=false", features="embedding:again", norms="global")
    opened = Dataset.open(where.data)
    where.items = [opened.items[key] for key in opened.split(PROTOCOL).ids(1, "test")]
    return where


@pytest.fixture(scope="module")
def model(where):
    """name -> the exported model."""
    def get(name):
        out = where.root / f"model_{name}"
        if not out.exists():
            assert quietly(export.main, where.exp / name / PLACE, out) == 0
        return out
    return get


def scores_of(where, name):
    return read_scores(where.exp / name / PLACE / "fold1/seed0/scores/emotion/test.tsv")


def posteriors(records):
    return np.array([list(record["posteriors"].values()) for record in records])


def test_the_posteriors_of_the_test_part_come_out_again(where, model):
    table = scores_of(where, "context")
    chosen = EmotionModel.open(model("context"))
    assert chosen.by_dialogue and chosen.classes == table.classes and table.ids == [item.id for item in where.items]
    mixed = [5, 2, 7, 0, 3, 6, 1, 4]  # the order of a list says nothing
    items = [where.items[number] for number in mixed]
    records = list(chosen.classify_many([item.path for item in items], [item.speaker for item in items],
                                        turns=[(item.dialogue, item.turn) for item in items]))
    # Few utterances of a speaker: what is normalized by speaker takes the average one.
    assert {record["speaker"] for record in records} == {"average"}
    assert [(record["dialogue"], record["turn"]) for record in records] == [(one.dialogue, one.turn) for one in items]
    lost = [record["file"] for record in records if "prior" in record]
    assert [name.rpartition("/")[2] for name in lost] == ["d5_1.wav"]
    alone = posteriors(chosen.classify_many([item.path for item in items]))
    assert np.abs(alone - posteriors(records)).max() > 1e-4  # the context counts


def test_a_subsystem_on_embeddings_gives_its_scores_again(where, model):
    """Those of the model that was selected on dev, not of the one that was trained again."""
    records = list(EmotionModel.open(model("svm")).classify_many([item.path for item in where.items]))
    np.testing.assert_allclose(posteriors(records), np.exp(scores_of(where, "svm").logp), atol=2e-5)


def test_a_dialogue_gives_its_scores_again(where, model, tmp_path):
    """The same with embeddings that are not normalized by speaker, by the command and a list."""
    train(where.data, where.exp, "plain", "context_bigru", CONTEXT, norms="global",
          features="embedding:again embedding:once/norm-global")
    out = tmp_path / "model"
    assert quietly(export.main, where.exp / "plain" / PLACE, out) == 0
    order = [3, 0, 7, 2, 5, 1, 6, 4]
    lines = ["path\tdialogue\tturn"] + [f"{item.path}\t{item.dialogue}\t{item.turn}"
                                        for item in (where.items[number] for number in order)]
    (tmp_path / "list.tsv").write_text("\n".join(lines) + "\n")
    status, lines = run(out, tmp_path / "list.tsv")
    records = list(map(json.loads, lines))
    assert status == 0 and len(records) == 8
    np.testing.assert_allclose(posteriors(records), np.exp(scores_of(where, "plain").logp[order]), atol=2e-5)


def test_a_recording_without_a_dialogue_is_judged_by_itself_and_told(where, model, capsys):
    status, [line] = run(model("context"), where.items[0].path)
    assert status == 0 and "dialogue" not in json.loads(line)
    assert "this model reads dialogues, and none is named" in capsys.readouterr().err


def test_windows_are_the_turns_of_a_dialogue(where, model):
    record = EmotionModel.open(model("context")).windows(where.items[0].path, window=0.1, shift=0.1)
    assert [window["start"] for window in record["windows"]] == [0.0, 0.1, 0.2]
    assert all("dialogue" not in window for window in record["windows"])


@pytest.mark.parametrize(("lines", "says"), [
    ("path\tdialogue\nx.wav\td\n", "the column dialogue and not the column turn"),
    ("path\tdialogue\tturn\nx.wav\td\tone\n", "line 2: turn is 'one'; expected the place"),
    ("path\tdialogue\tturn\nx.wav\td\t\n", "line 2: turn is ''; expected the place"),
    ("path\tdialogue\tturn\nx.wav\td\t-1\n", "line 2: turn is '-1'; expected the place"),
    ("path\tdialogue\tturn\nx.wav\td\t2\ny.wav\te\t2\nz.wav\td\t2\n",
     "lines 2 and 4: two utterances of the dialogue d have the turn 2")])
def test_a_dialogue_without_a_clear_order_is_one_line(tmp_path, lines, says):
    (tmp_path / "list.tsv").write_text(lines)
    with pytest.raises(UserError, match=says):
        list(sources([str(tmp_path / "list.tsv")]))


def test_utterances_of_no_dialogue_may_stand_in_a_list_of_dialogues(tmp_path):
    (tmp_path / "list.tsv").write_text("path\tspeaker\tdialogue\tturn\nx.wav\tme\td\t0\ny.wav\t\t\t\n")
    assert [one[1:] for one in sources([str(tmp_path / "list.tsv")])] == [("me", "d", 0), (None, None, None)]


def test_the_model_that_computed_the_embeddings_must_be_there(where, tmp_path, capsys):
    train(where.data, where.exp, "thrown", "multitask_dnn",
          f"{NETWORK.replace('keep_model=true', 'keep_model=false')} refit=true keep_embeddings=true", norms="global")
    train(where.data, where.exp, "reader", "linear_svm", "C=[0.1] refit=false", features="embedding:thrown",
          norms="global")
    assert quietly(export.main, where.exp / "reader" / PLACE, tmp_path / "model") == 1
    assert "has scores but no model" in capsys.readouterr().err


def test_embeddings_normalized_by_speaker_are_refused(where, tmp_path, capsys):
    train(where.data, where.exp, "own", "linear_svm", "C=[0.1] refit=false", features="embedding:again",
          norms="speaker")
    assert quietly(export.main, where.exp / "own" / PROTOCOL / "norm-speaker", tmp_path / "model") == 2
    assert "train it with --norms global" in capsys.readouterr().err


def test_a_network_on_samples_gives_its_scores_again(where, tmp_path):
    train(where.data, where.exp, "samples", "waveform_cnn", "model.channels=[6] model.embedding=4 training.epochs=2 "
          "training.tensorboard=false keep_model=true", norms="none", features="waveform")
    place = where.exp / "samples" / PROTOCOL / "norm-none"
    assert quietly(export.main, place, tmp_path / "model") == 0
    records = list(EmotionModel.open(tmp_path / "model").classify_many([item.path for item in where.items]))
    scores = read_scores(place / "fold1/seed0/scores/emotion/test.tsv")
    np.testing.assert_allclose(posteriors(records), np.exp(scores.logp), atol=2e-5)
