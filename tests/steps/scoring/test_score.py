"""score.sh: what it writes, merges and refuses, for every task kind and unit."""

import json
import shlex
import shutil

import numpy as np
import pytest
from sklearn import metrics as sk

from steps.scoring import recompute, results, rows, score
from steps.scoring.collect import SUBSYSTEM
from steps.scoring.scores import read_scores, write_regression, write_scores, write_sequences
from tests.steps.scored_recipe import CLASSES, folds_by_speaker, recipe, utterances, write_data, write_system
from utils.errors import DamagedFile, UserError
from utils.shape import check


def run(data, exp, *options, protocol="folds"):
    stem = exp.parent / "RESULTS"
    assert score.main(["--protocol", protocol, "--results", str(stem), *options, str(data), str(exp)]) == 0
    return {(row["subsystem"], row["variant"], row["part"]): row for row in results.load(stem.with_suffix(".json"))}


def test_the_table_holds_pooled_scores_intervals_seeds_marks_and_the_best_on_dev(tmp_path, capsys):
    data, exp = recipe(tmp_path)
    rows = run(data, exp)
    assert len(rows) == 6  # permuted labels are no system
    row = rows["multitask_is10", "norm-speaker", "test"]
    by_seed = []
    for seed in (0, 1):
        place = f"multitask_is10/folds/*/fold*/seed{seed}/scores/emotion/test.tsv"
        files = [read_scores(path) for path in exp.glob(place)]
        y = np.concatenate([file.references for file in files])
        by_seed.append(sk.f1_score(y, np.concatenate([file.decisions for file in files]), average="macro"))
        assert len(y) == 96
    assert row["metrics"]["MAF"] == pytest.approx(np.mean(by_seed), abs=1e-6)
    assert row["sd"]["MAF"] == pytest.approx(np.std(by_seed, ddof=1), abs=1e-6)
    assert row["items"] == 96 and row["speakers"] == 12 and row["seeds"] == [0, 1] and row["best_on_dev"]
    assert row["marks"] == ["synthetic", "per-speaker normalization", "not audited"]
    assert set(row["fold_scores"]) == {"1", "2", "3"} and "paired" not in row
    other = rows["forest_is10", "norm-global", "test"]
    assert other["paired"]["reference"] == "multitask_is10/norm-speaker" and other["paired"]["MAF"]["difference"] < 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "**multitask_is10**" in text and f"{100 * row['metrics']['UA']:.1f} ±" in text
    assert "**multitask_is10**" in capsys.readouterr().out
    assert len(json.loads((exp / "scored" / "folds.json").read_text())["rows"]) == 6


def test_git_is_asked_once_for_all_rows(tmp_path, monkeypatch):
    data, exp = recipe(tmp_path)
    asked, real = [], rows.subprocess.run
    monkeypatch.setattr(rows.subprocess, "run", lambda words, **options: asked.append(words) or real(words, **options))
    rows.commit.cache_clear()
    found = run(data, exp)
    assert len({row["commit"] for row in found.values()}) == 1 and len(found) == 6
    assert len([words for words in asked if "status" in words]) == 1


def test_a_named_reference_is_taken_in_the_same_variant(tmp_path):
    data, exp = recipe(tmp_path)
    rows = run(data, exp, "--reference", "svm_is10")
    assert rows["multitask_is10", "norm-speaker", "test"]["paired"]["reference"] == "svm_is10/norm-global"
    assert "paired" not in rows["svm_is10", "norm-global", "test"]
    assert recompute.recomputed(list(rows.values())) == results.load(tmp_path / "RESULTS.json")


def test_a_later_run_keeps_the_rows_of_other_variants_and_gives_the_same_bytes(tmp_path, monkeypatch):
    data, exp = recipe(tmp_path)
    run(data, exp)
    before = (tmp_path / "RESULTS.json").read_bytes()
    run(data, exp)
    assert (tmp_path / "RESULTS.json").read_bytes() == before
    shutil.rmtree(exp / "svm_is10")
    rows = run(data, exp)
    assert ("svm_is10", "norm-global", "test") in rows
    assert (tmp_path / "RESULTS.json").read_bytes() == before


def test_fewer_seeds_than_committed_are_told(tmp_path, capsys):
    data, exp = recipe(tmp_path)
    run(data, exp)
    for path in exp.glob("multitask_is10/folds/*/fold*/seed1"):
        shutil.rmtree(path)
    about = exp / "multitask_is10/folds/subsystem.json"
    about.write_text(about.read_text().replace('"seeds": [0, 1]', '"seeds": [0]'))
    rows = run(data, exp)
    assert rows["multitask_is10", "norm-speaker", "test"]["seeds"] == [0]
    assert "had seeds [0, 1]" in capsys.readouterr().err


@pytest.mark.parametrize("damage, word", [
    (lambda text: text.rsplit("\n", 2)[0] + "\n", "is missing"),
    (lambda text: text + "zzz\tsad" + "\t0" * 4 + "\n", "does not belong"),
    (lambda text: text.replace("\thappy\t-", "\tsad\t-", 1), "in the data set 'happy'"),
    (lambda text: text.replace("angry\thappy", "happy\tangry", 1), "the data set has angry")])
def test_scores_that_do_not_fit_the_data_set_are_refused(tmp_path, damage, word):
    data, exp = recipe(tmp_path)
    path = exp / "svm_is10/folds/norm-global/fold2/seed0/scores/emotion/test.tsv"
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=f"test.tsv.*{word}"):
        run(data, exp)
    assert not (tmp_path / "RESULTS.json").exists()


def test_a_planned_fold_without_scores_is_named(tmp_path):
    data, exp = recipe(tmp_path)
    shutil.rmtree(exp / "svm_is10/folds/norm-global/fold2/seed0/scores")
    with pytest.raises(UserError, match="fold2/seed0 has no scores"):
        run(data, exp)
    shutil.rmtree(exp)
    with pytest.raises(UserError, match="no trained subsystem"):
        run(data, exp)


def test_marks_of_partial_tiny_unknown_and_overlapping_data(tmp_path):
    rows = utterances(4)
    split = folds_by_speaker(rows, 2)
    for row in rows:
        del row["speaker"]
    data = write_data(tmp_path / "data", rows, {"folds": split}, synthetic=False, size="tiny", missing=["1 speaker"],
                      speakers_known=False)
    (data / "splits/folds.json").write_text('{"speaker_overlap": true}')
    write_system(tmp_path / "exp", "svm", "folds", "norm-global", rows, split)
    path = tmp_path / "exp/svm/folds/norm-global/fold1/seed0/metrics.json"
    path.write_text(json.dumps({"targets": {"emotion": {"prior_scored": ["s00-0-0"]}}}))
    row = run(data, tmp_path / "exp")["svm", "norm-global", "test"]
    assert row["command"].endswith("run.sh --protocol folds --size tiny --norms global --seeds 0")
    assert row["marks"] == ["size tiny", "partial corpus", "speakers unknown", "speaker overlap",
                            "1 items scored by prior", "not audited"]
    assert row["intervals"] == {} and row["no_intervals"] == "speakers unknown" and row["metrics"]["UA"] > 0


def test_the_command_of_a_row_has_the_settings_that_differ_from_the_defaults(tmp_path):
    rows = utterances(4)
    split = folds_by_speaker(rows, 2)
    data = write_data(tmp_path / "data", rows, {"folds": split}, synthetic=False)
    write_system(tmp_path / "exp", "net", "folds", "norm-global", rows, split)
    path = tmp_path / "exp/net/folds/subsystem.json"
    said = ["training.epochs=3", "model.tasks={emotion: 1.0}"]
    path.write_text(json.dumps({**json.loads(path.read_text()), "config": "dnn", "set": said}))
    words = shlex.split(run(data, tmp_path / "exp")["net", "norm-global", "test"]["command"])
    assert words[words.index("--seeds") + 2] == "--set"
    assert shlex.split(words[-1]) == [f"dnn:{word}" for word in said]


def test_the_command_of_a_row_has_the_recipes_own_options(tmp_path):
    data, exp = recipe(tmp_path)
    plain = run(data, exp)["svm_is10", "norm-global", "test"]["command"]
    rows = run(data, exp, "--recipe-options", "--windows true ")
    assert rows["svm_is10", "norm-global", "test"]["command"] == f"{plain} --windows true"


def test_an_unlabelled_test_part_has_no_metrics_and_says_so(tmp_path):
    rows = utterances(9)
    split = folds_by_speaker(rows, 3)
    split = [line for line in split if line[1] == 1]
    test = {key for key, _, part in split if part == "test"}
    rows = [{**row, "emotion": "-"} if row["id"] in test else row for row in rows]
    data = write_data(tmp_path / "data", rows, {"folds": split})
    for row in rows:
        if row["emotion"] == "-":
            row["emotion"] = None
    write_system(tmp_path / "exp", "svm", "folds", "norm-global", rows, split)
    found = run(data, tmp_path / "exp")
    row = found["svm", "norm-global", "test"]
    assert row["metrics"] == {} and "unlabelled, no metrics" in row["marks"]
    assert found["svm", "norm-global", "dev"]["metrics"]["UA"] > 0
    assert "unlabelled, no metrics" in (tmp_path / "RESULTS.md").read_text()


def test_a_class_per_utterance_inside_a_dialogue(tmp_path):
    rows = [{**row, "dialogue": row["speaker"], "turn": i} for i, row in enumerate(utterances(9))]
    split = folds_by_speaker(rows, 3)
    data = write_data(tmp_path / "data", rows, {"folds": split})
    write_system(tmp_path / "exp", "dialogue", "folds", "norm-global", rows, split)
    assert run(data, tmp_path / "exp")["dialogue", "norm-global", "test"]["items"] == 72


def scored(tmp_path, target, rows, split, write):
    data = write_data(tmp_path / "data", rows, {"folds": split}, targets=[target])
    exp = tmp_path / "exp"
    for fold in sorted({line[1] for line in split}):
        for part in ("dev", "test"):
            write(exp / f"net/folds/norm-global/fold{fold}/seed0/scores/{target['field']}/{part}.tsv", fold, part)
    (exp / "net/folds/subsystem.json").write_text('{"variants": ["norm-global"], "folds": [1], "seeds": [0]}')
    return run(data, exp)["net", "norm-global", "test"]


def test_a_session_level_score_has_one_row_a_session(tmp_path):
    rng = np.random.default_rng(0)
    label = {f"p{i:02d}": float(value) for i, value in enumerate(rng.integers(0, 24, 30))}
    guess = {key: value + float(rng.normal()) for key, value in label.items()}
    rows = [{"id": f"{session}-{turn}", "session": session, "turn": turn, "phq8": label[session],
             "speaker": session if turn else "interviewer"} for session in label for turn in range(3)]
    part = {key: ("train", "dev", "test")[i % 3] for i, key in enumerate(label)}
    split = [(row["id"], 1, part[row["session"]]) for row in rows]

    def write(path, fold, name):
        ids = [key for key in label if part[key] == name]
        write_regression(path, ids, [label[key] for key in ids], [guess[key] for key in ids])

    row = scored(tmp_path, {"field": "phq8", "kind": "number", "threshold": 10.0, "of": "session"}, rows, split,
                 write)
    y, p = (np.array([source[key] for key in label if part[key] == "test"]) for source in (label, guess))
    assert row["items"] == 10 and row["speakers"] == 10 and row["of"] == "session"
    assert row["metrics"]["MAE"] == pytest.approx(np.abs(y - p).mean(), abs=1e-5)
    assert row["metrics"]["F1"] == pytest.approx(sk.f1_score(y >= 10, np.round(p, 6) >= 10), abs=1e-5)
    assert 0 < row["metrics"]["CCC"] < 1 and row["intervals"]["CCC"]


def test_ccc_of_a_tenth_of_a_second_sequence_is_over_all_frames(tmp_path):
    rng = np.random.default_rng(1)
    y = {f"r{i}": rng.normal(size=20 + i).round(3) for i in range(6)}
    p = {key: value * 0.5 + 0.1 for key, value in y.items()}
    rows = [{"id": key, "speaker": key, "arousal": {"step": 0.1, "values": value.tolist()}} for key, value in y.items()]
    split = [(key, 1, ("train", "dev", "test")[i % 3]) for i, key in enumerate(y)]

    def write(path, fold, name):
        ids = [key for key, _, part in split if part == name]
        write_sequences(path, ids, [y[key] for key in ids], [p[key] for key in ids])

    row = scored(tmp_path, {"field": "arousal", "kind": "track"}, rows, split, write)
    a, b = np.concatenate([y["r2"], y["r5"]]), np.concatenate([p["r2"], p["r5"]])
    expected = 2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    assert row["metrics"]["CCC"] == pytest.approx(expected, abs=1e-4) and row["items"] == 2
    assert row["no_intervals"] == "only 2 speakers, fewer than 8"
    path = tmp_path / "exp/net/folds/norm-global/fold1/seed0/scores/arousal/test.tsv"
    path.write_text(path.read_text().rsplit("\n", 2)[0] + "\n")
    with pytest.raises(UserError, match="the label of r5 is not the data set's .24 frames, not 25"):
        run(tmp_path / "data", tmp_path / "exp")


def test_exactly_one_system_may_be_primary(tmp_path):
    data, exp = recipe(tmp_path)
    for name in ("svm_is10", "forest_is10"):
        about = exp / name / "folds/subsystem.json"
        about.write_text(json.dumps({**json.loads(about.read_text()), "primary": "norm-global"}))
    with pytest.raises(UserError, match="both primary"):
        run(data, exp)


def test_names_with_odd_characters_stay_inside_their_cell(tmp_path):
    rows = utterances(9)
    split = folds_by_speaker(rows)
    data = write_data(tmp_path / "data", rows, {"folds": split})
    write_system(tmp_path / "exp", "a|b<script>", "folds", "norm-global", rows, split)
    run(data, tmp_path / "exp")
    assert "a\\|b&lt;script>" in (tmp_path / "RESULTS.md").read_text()


def test_the_classes_of_the_fixture_are_sorted():
    assert sorted(CLASSES) == CLASSES


def test_recompute_rewrites_readme_tables_and_check_notices_a_changed_figure(tmp_path, capsys):
    data, exp = recipe(tmp_path / "egs/made/ensemble")
    run(data, exp)
    readme = tmp_path / "README.md"
    readme.write_text("# A\n\n<!-- results:begin egs/made/ensemble -->\nold\n<!-- results:end -->\nafter\n")
    arguments = ["--root", str(tmp_path)]
    assert recompute.main([*arguments, "--check"]) == 1
    assert recompute.main(arguments) == 0
    text = readme.read_text()
    assert "| **multitask_is10** |" in text and "\nold\n" not in text and text.endswith("after\n")
    assert recompute.main([*arguments, "--check"]) == 0
    path = tmp_path / "egs/made/ensemble/RESULTS.json"
    rows = results.load(path)
    rows[0]["metrics"]["UA"] += 0.1
    path.write_text(results.dump(rows))
    assert recompute.main([*arguments, "--check"]) == 1
    assert "RESULTS.json differs" in capsys.readouterr().err
    assert recompute.main(arguments) == 0 and recompute.main([*arguments, "--check"]) == 0
    readme.write_text("<!-- results:begin egs/no/where -->\n<!-- results:end -->\n")
    with pytest.raises(UserError, match="egs/no/where"):
        recompute.main(arguments)


def test_write_scores_and_read_scores_agree_on_unlabelled(tmp_path):
    write_scores(tmp_path / "x.tsv", ["a"], ["-"], CLASSES, np.zeros((1, 4)))
    assert read_scores(tmp_path / "x.tsv").labels == [None]


def test_a_fusion_names_one_source_of_text_and_a_subsystem_one_for_each_variant():
    for source in ("asr", {"asr-text": "asr", "ref-text": "reference"}):
        check({"text_source": source}, SUBSYSTEM, "subsystem.json")
    with pytest.raises(DamagedFile, match="text_source is 3"):
        check({"text_source": 3}, SUBSYSTEM, "subsystem.json")
