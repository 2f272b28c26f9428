"""The program: what it reads, fits on dev alone, declares, writes and refuses."""

import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import f1_score

from steps.fusion import fuse
from steps.fusion.combine import Fusion
from steps.report import make_report
from steps.scoring import results, score
from steps.scoring.scores import read_scores, write_scores
from tests.steps.scored_recipe import CLASSES, folds_by_speaker, utterances, write_data, write_system
from utils.errors import UserError

NAMES = "forest svm net"


def made(path, change=lambda rows: None, folds=2):
    """(data, exp): three subsystems in norm-global, net with two seeds, svm and net in norm-speaker too."""
    rows = utterances(8)
    split = folds_by_speaker(rows, folds)
    change(rows)
    data, exp = write_data(path / "data", rows, {"folds": split}), path / "exp"
    write_system(exp, "forest", "folds", "norm-global", rows, split, 0.8)
    for variant in ("norm-global", "norm-speaker"):
        write_system(exp, "svm", "folds", variant, rows, split, 1.5)
        write_system(exp, "net", "folds", variant, rows, split, 2.0, seeds=(0, 1))
    for name in ("svm", "net"):
        about = exp / name / "folds/subsystem.json"
        about.write_text(json.dumps({**json.loads(about.read_text()), "variants": ["norm-global", "norm-speaker"]}))
    return data, exp


def run(data, exp, *options, names=NAMES):
    assert fuse.main(["--protocol", "folds", "--subsystems", names, *options, str(data), str(exp)]) == 0
    return json.loads((exp / "fusion/folds.json").read_text())


def test_fusions_lie_as_every_subsystem_and_one_is_primary_in_results_and_report(tmp_path, capsys):
    data, exp = made(tmp_path)
    content = run(data, exp, names=f"{NAMES} nothing")
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.strip().endswith(
        "nothing is not trained; forest has no norm-speaker")
    assert {entry["subsystem"] for entry in content["missing"]} == {"nothing", "forest"}
    best = max(content["candidates"], key=lambda entry: entry["dev"]["MAF"])
    primary = content["primary"]
    chosen = next(entry for entry in content["candidates"]
                  if (entry["how"], entry["variant"]) == (primary["how"], primary["variant"]))
    assert chosen["dev"]["MAF"] == best["dev"]["MAF"] and len(content["candidates"]) == 6
    stem = str(tmp_path / "RESULTS")
    score.main(["--protocol", "folds", "--results", stem, str(data), str(exp)])
    rows = [row for row in results.load(tmp_path / "RESULTS.json") if row["part"] == "test"]
    assert [f"{row['subsystem']}/{row['variant']}" for row in rows if row["primary"]] == [
        f"{primary['subsystem']}/{primary['variant']}"]
    assert {row["paired"]["reference"] for row in rows if "paired" in row} == {
        f"{primary['subsystem']}/{primary['variant']}"}
    assert {row["subsystem"] for row in rows if row["best_on_dev"]} <= {"forest", "svm", "net"}
    row = next(row for row in rows if row["primary"])
    assert row["metrics"]["MAF"] == pytest.approx(chosen["test"]["MAF"], abs=1e-6) and row["seeds"] == [0, 1]
    lines = (tmp_path / "RESULTS.md").read_text().split("\n")
    first = lines[next(i for i, line in enumerate(lines) if line.startswith("|--")) + 1]
    assert first.startswith(f"| **{primary['subsystem']}** (primary) | {primary['variant']} ")
    make_report.main(["--protocol", "folds", "--results", stem, str(data), str(exp)])
    page = (exp / "report/index.html").read_text()
    assert '<section id="fusion">' in page and "Without one subsystem" in page and "nothing is not trained" in page


def test_each_variant_is_fused_a_second_time_with_what_else_is_named(tmp_path):
    data, exp = made(tmp_path)
    content = run(data, exp, "--extended", "net forest", names="svm forest")
    members = {variant: [name for name, _ in about["subsystems"]] for variant, about in content["variants"].items()}
    assert members == {"norm-global": ["svm", "forest"], "norm-global+extended": ["svm", "forest", "net"],
                       "norm-speaker+extended": ["svm", "net"]}
    fused = json.loads((exp / "fusion_equal/folds/subsystem.json").read_text())["fuses"]
    assert fused["norm-global+extended"] == [["svm", "norm-global"], ["forest", "norm-global"], ["net", "norm-global"]]
    tables = [read_scores(exp / f"{name}/folds/norm-speaker/fold1/seed0/scores/emotion/test.tsv")
              for name in ("svm", "net")]
    found = read_scores(exp / "fusion_equal/folds/norm-speaker+extended/fold1/seed0/scores/emotion/test.tsv")
    assert np.array_equal(found.decisions, np.mean([table.logp for table in tables], axis=0).argmax(axis=1))


def test_equal_weights_are_the_mean_of_the_log_posteriors_and_the_only_seed_serves_every_seed(tmp_path):
    data, exp = made(tmp_path)
    run(data, exp)
    at = exp / "fusion_equal/folds/norm-global/fold2/seed1"
    tables = [read_scores(exp / f"{name}/folds/norm-global/fold2/seed{seed}/scores/emotion/test.tsv")
              for name, seed in (("forest", 0), ("svm", 0), ("net", 1))]
    found = read_scores(at / "scores/emotion/test.tsv")
    assert found.ids == tables[0].ids
    assert np.array_equal(found.decisions, np.mean([table.logp for table in tables], axis=0).argmax(axis=1))
    loaded = Fusion.load(at).log_posteriors(dict(zip(("forest", "svm", "net"), (t.logp for t in tables), strict=True)))
    assert loaded == pytest.approx(found.logp, abs=1e-6)
    assert json.loads((at / "metrics.json").read_text())["parameters"] == 0


@pytest.mark.parametrize("how", ["equal", "simplex", "logistic"])
def test_a_dev_speaker_is_scored_by_weights_that_never_saw_his_labels(tmp_path, how):
    """Other labels of one speaker in dev change the weights, and not one of his own scores but by the temperature."""
    data, exp = made(tmp_path)
    run(data, exp)
    path = exp / f"fusion_{how}/folds/norm-global/fold1/seed0"
    before, model = read_scores(path / "scores/emotion/dev.tsv"), Fusion.load(path)
    speaker = before.ids[0][:3]
    shutil.rmtree(tmp_path / "data")

    def relabel(rows):
        for row in rows:
            if row["speaker"] == speaker:
                row["emotion"] = CLASSES[(CLASSES.index(row["emotion"]) + 1) % 4]

    changed = utterances(8)
    relabel(changed)
    data = write_data(tmp_path / "data", changed, {"folds": folds_by_speaker(changed, 2)})
    label = {row["id"]: row["emotion"] for row in changed}
    for table in [*exp.glob("forest/**/*.tsv"), *exp.glob("svm/**/*.tsv"), *exp.glob("net/**/*.tsv")]:
        read = read_scores(table)
        write_scores(table, read.ids, [label[key] for key in read.ids], read.classes, read.logp)
    run(data, exp)
    after, new = read_scores(path / "scores/emotion/dev.tsv"), Fusion.load(path)
    mine = np.array([key.startswith(speaker) for key in before.ids])
    assert np.array_equal(before.decisions[mine], after.decisions[mine])
    if how == "logistic":
        assert not np.array_equal(model.weights, new.weights)


def test_the_dev_figure_of_the_account_is_that_of_the_dev_scores_and_test_is_never_looked_at(tmp_path):
    data, exp = made(tmp_path)
    first = run(data, exp)
    for entry in first["candidates"]:
        by_seed = []
        for seed in (0, 1):
            files = [read_scores(path) for path in
                     exp.glob(f"{entry['subsystem']}/folds/{entry['variant']}/fold*/seed{seed}/scores/emotion/dev.tsv")]
            y, decided = (np.concatenate([getattr(file, name) for file in files]) for name in ("references",
                                                                                               "decisions"))
            by_seed.append(f1_score(y, decided, average="macro"))
        assert entry["dev"]["MAF"] == pytest.approx(np.mean(by_seed), abs=1e-6)
    for table in exp.glob("*/folds/*/fold*/seed*/scores/emotion/test.tsv"):
        read = read_scores(table)
        write_scores(table, read.ids, read.labels, read.classes, read.logp[:, ::-1])
    second = run(data, exp)
    assert second["primary"] == first["primary"] and second["weights"] == first["weights"]
    assert [entry["dev"] for entry in second["candidates"]] == [entry["dev"] for entry in first["candidates"]]


def test_the_ablation_is_the_fusion_of_the_others(tmp_path):
    data, exp = made(tmp_path)
    content = run(data, exp, "--variants", "norm-global")
    primary = content["primary"]
    line = next(line for line in content["ablation"] if line["without"] == "forest")
    other = run(data, exp, "--variants", "norm-global", names="svm net")
    same = next(entry for entry in other["candidates"] if entry["how"] == primary["how"])
    for part in ("dev", "test"):
        assert line[part]["metrics"]["MAF"] == pytest.approx(same[part]["MAF"], abs=1e-6)
    weights = content["weights"]["simplex"]["norm-global"]
    folds = np.array(list(weights["folds"].values()))
    assert weights["mean"] == pytest.approx(folds.mean(axis=0), abs=1e-5) and folds.sum(axis=1) == pytest.approx(1.0)
    assert weights["min"] == pytest.approx(folds.min(axis=0)) and len(folds) == 2


def test_the_same_scores_give_the_same_bytes(tmp_path):
    data, exp = made(tmp_path)
    run(data, exp)
    files = {path: path.read_bytes() for path in exp.glob("fusion*/**/*") if path.is_file()}
    assert len(files) > 50
    run(data, exp)
    assert files == {path: path.read_bytes() for path in exp.glob("fusion*/**/*") if path.is_file()}


def test_one_subsystem_or_other_folds_or_no_common_seed_is_one_line(tmp_path):
    data, exp = made(tmp_path)
    with pytest.raises(UserError, match="needs the scores of two subsystems or more in one variant; forest of forest"):
        run(data, exp, names="forest nothing")
    with pytest.raises(UserError, match="none of nothing"):
        run(data, exp, names="nothing")
    rows = utterances(8)
    split = folds_by_speaker(rows, 2)
    write_system(exp, "late", "folds", "norm-global", rows, split, seeds=(5, 6))
    with pytest.raises(UserError, match="net/norm-global, late/norm-global have no seed in common"):
        run(data, exp, names=f"{NAMES} late")
    write_system(exp, "part", "folds", "norm-global", rows, [line for line in split if line[1] == 1])
    with pytest.raises(UserError, match="forest/norm-global has the folds 1, 2, part/norm-global has 1"):
        run(data, exp, names=f"{NAMES} part")
    with pytest.raises(UserError, match="fusion_equal is a fusion itself"):
        run(data, exp)
        run(data, exp, names="svm fusion_equal")


def test_other_classes_and_other_ids_are_told_with_the_file(tmp_path):
    data, exp = made(tmp_path)
    path = exp / "svm/folds/norm-global/fold1/seed0/scores/emotion/dev.tsv"
    whole = path.read_text()
    path.write_text(whole.replace("angry\thappy", "happy\tangry", 1))
    with pytest.raises(UserError, match=r"svm/.*dev.tsv: classes happy, angry.*the data set has angry"):
        run(data, exp)
    path.write_text(whole.rsplit("\n", 2)[0] + "\n")
    with pytest.raises(UserError, match=r"svm/.*dev.tsv: .* is missing"):
        run(data, exp)


def test_text_without_normalizations_joins_every_variant(tmp_path):
    data, exp = made(tmp_path)
    rows = utterances(8)
    for variant in ("asr-text", "ref-text"):
        write_system(exp, "text", "folds", variant, rows, folds_by_speaker(rows, 2), 1.0)
    content = run(data, exp, names="svm text")
    assert content["variants"]["norm-speaker"]["subsystems"] == [["svm", "norm-speaker"], ["text", "asr-text"]]
    assert json.loads((exp / "fusion_equal/folds/subsystem.json").read_text())["text_source"] == "asr"
    content = run(data, exp, "--text-variant", "ref-text", names="svm text")
    assert content["variants"]["norm-global"]["subsystems"][1] == ["text", "ref-text"]


def test_an_unlabelled_test_part_and_unknown_speakers_are_fused(tmp_path):
    def change(rows):
        for row in rows:
            del row["speaker"]
            if row["id"] < "s04":
                del row["emotion"]

    rows = utterances(8)
    change(rows)
    half = {"s00": "train", "s01": "train", "s02": "test", "s03": "test"}
    split = [(row["id"], 1, half.get(row["id"][:3], "dev")) for row in rows]
    data, exp = write_data(tmp_path / "data", rows, {"folds": split}, speakers_known=False), tmp_path / "exp"
    for name, strength in (("svm", 1.5), ("net", 2.0)):
        write_system(exp, name, "folds", "norm-none", rows, split, strength)
    content = run(data, exp, names="svm net")
    assert content["held_out"] == ["block of utterances"] and all(not entry["test"] for entry in content["candidates"])
    assert len(read_scores(exp / "fusion_simplex/folds/norm-none/fold1/seed0/scores/emotion/test.tsv").ids) == 16
    assert content["ablation"][0]["test"]["metrics"] == {}


def test_a_new_primary_takes_the_place_of_the_committed_one(tmp_path):
    data, exp = made(tmp_path)
    stem = str(tmp_path / "RESULTS")
    for variant in ("norm-global", "norm-speaker"):
        run(data, exp, "--variants", variant, names="svm net")
        score.main(["--protocol", "folds", "--results", stem, str(data), str(exp)])
        rows = results.load(tmp_path / "RESULTS.json")
        primary = [row for row in rows if row["primary"]]
        assert {(row["variant"], row["part"]) for row in primary} == {(variant, "dev"), (variant, "test")}
    of_a_subset = {**next(row for row in primary if row["part"] == "test"), "subset": "babble"}
    again = results.merge(rows, [of_a_subset])
    assert [row for row in again if not row.get("subset")] == rows and of_a_subset["primary"]
