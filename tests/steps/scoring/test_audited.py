"""Results say that their audit failed, or that there was none of them."""

import json

import pytest

from steps.audit import audit_leaks
from steps.scoring import score
from tests.steps.scored_recipe import folds_by_speaker, recipe, utterances, write_data, write_system


def audit(data, exp):
    return audit_leaks.main(["--protocol", "folds", "--permuted", str(exp / "permuted/folds"), str(data), str(exp)])


def marks(data, exp):
    """{subsystem: what is said of the audit}"""
    assert score.main(["--protocol", "folds", "--results", str(exp.parent / "RESULTS"), str(data), str(exp)]) == 0
    rows = json.loads((exp / "scored/folds.json").read_text())["rows"]
    return {row["subsystem"]: [mark for mark in row["marks"] if "audit" in mark] for row in rows}


def test_results_without_audit_say_so_and_with_one_they_do_not(tmp_path, capsys):
    data, exp = recipe(tmp_path)
    assert set(map(tuple, marks(data, exp).values())) == {("not audited",)}
    assert "folds.json is missing; run steps/audit_leaks.sh" in capsys.readouterr().err
    assert audit(data, exp) == 0
    assert set(map(tuple, marks(data, exp).values())) == {()}


def test_a_failed_audit_is_a_mark_with_its_reasons(tmp_path):
    data, exp = recipe(tmp_path)
    rows = utterances(12)
    write_system(exp, "permuted", "folds", "norm-global+permuted", rows, folds_by_speaker(rows), 3.0, permuted=True)
    assert audit(data, exp) == 1
    assert set(map(tuple, marks(data, exp).values())) == {("audit failed: permuted labels above chance",)}


def test_a_shared_speaker_is_named_in_the_mark(tmp_path):
    rows = utterances(12)
    split = folds_by_speaker(rows)
    rows[0]["speaker"] = rows[-1]["speaker"]
    data, exp = write_data(tmp_path / "data", rows, {"folds": split}), tmp_path / "exp"
    write_system(exp, "svm", "folds", "norm-global", rows, split)
    write_system(exp, "permuted", "folds", "norm-global+permuted", rows, split, 0.0, permuted=True)
    assert audit(data, exp) == 1
    [found] = marks(data, exp)["svm"]
    assert found.startswith("audit failed: speaker shared with train")


@pytest.mark.parametrize("harm", [b"", b"garbage", b"[]", b'{"passed": true}'])
def test_a_damaged_audit_is_none(tmp_path, harm):
    data, exp = recipe(tmp_path)
    assert audit(data, exp) == 0
    (exp / "audit/folds.json").write_bytes(harm)
    assert marks(data, exp)["svm_is10"] == ["not audited"]



def test_an_audit_of_another_split_is_none(tmp_path, capsys):
    data, exp = recipe(tmp_path)
    assert audit(data, exp) == 0
    path = data / "splits/folds.tsv"
    head, *lines = path.read_text().splitlines(keepends=True)
    path.write_text(head + "".join(reversed(lines)))
    assert marks(data, exp)["svm_is10"] == ["not audited"]
    assert "was made of other split" in capsys.readouterr().err


def test_a_system_that_starts_from_a_model_which_was_not_audited_is_marked_and_a_fusion_with_it(tmp_path):
    data, exp = recipe(tmp_path)
    about = exp / "svm_is10/folds/subsystem.json"
    assert audit(data, exp) == 0
    told = json.loads(about.read_text())
    about.write_text(json.dumps({**told, "init": {"name": "elsewhere", "fingerprint": "1", "trained_on": None}}))
    fused = exp / "multitask_is10/folds/subsystem.json"
    fused.write_text(json.dumps({**json.loads(fused.read_text()),
                                 "fuses": {"norm-speaker": [["svm_is10", "norm-global"]]}}))
    found = marks(data, exp)
    assert found == {"svm_is10": ["not audited"], "multitask_is10": ["not audited"], "forest_is10": []}
    assert audit(data, exp) == 0
    assert set(map(tuple, marks(data, exp).values())) == {()}


def test_what_is_not_known_of_some_utterances_is_counted(tmp_path, capsys):
    rows = utterances(6)
    split = folds_by_speaker(rows, 3)
    for row in rows[:16]:
        del row["speaker"]
    data, exp = write_data(tmp_path / "data", rows, {"folds": split}, speakers_known=False), tmp_path / "exp"
    write_system(exp, "svm_is10", "folds", "norm-global", rows, split)
    write_system(exp, "permuted", "folds", "norm-global+permuted", rows, split, 0.0, permuted=True)
    assert audit(data, exp) == 0
    out = capsys.readouterr().out
    assert "speaker    test / train  none that is known; 16 of 48 test utterances unknown, 16 of 48 train" in out
    score.main(["--protocol", "folds", "--results", str(tmp_path / "RESULTS"), str(data), str(exp)])
    row = json.loads((exp / "scored/folds.json").read_text())["rows"][0]
    assert "speakers unknown: 16 of 48 utterances" in row["marks"]


def test_segments_of_a_recording_in_train_and_test_and_random_folds_are_marked(tmp_path):
    rows = utterances(6)
    split = folds_by_speaker(rows, 3)
    for place in (0, -1):
        rows[place]["path"] = "/long.wav"
    data, exp = write_data(tmp_path / "data", rows, {"folds": split}), tmp_path / "exp"
    (data / "splits/folds.json").write_text('{"random": true}')
    write_system(exp, "svm_is10", "folds", "norm-global", rows, split)
    score.main(["--protocol", "folds", "--results", str(tmp_path / "RESULTS"), str(data), str(exp)])
    row = json.loads((exp / "scored/folds.json").read_text())["rows"][0]
    assert "random folds" in row["marks"]
    assert "2 test utterances share a recording with train or dev" in row["marks"]
