"""Cross-corpus scores: every cell of the matrix against a loop over the score files, falls, tables, recomputation."""

import json
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from steps.data import pool
from steps.data.dataset import Dataset
from steps.report import make_report
from steps.scoring import cross_corpus, cross_tables, recompute, results
from tests.steps.scored_recipe import emotion, write_data, write_system
from utils.errors import run_main

CLASSES = ["angry", "happy", "neutral", "sad"]
MAP = ("classes: [angry, happy, neutral, sad]\ncorpora:\n  two: {angry: angry, happy: happy, neutral: neutral}\n"
       "  one: {angry: angry, happy: happy, neutral: neutral, sad: sad}\n")


def corpus(path: Path, name: str, speakers: int, classes: list[str], folds: int, per_class: int = 3) -> Path:
    """Fold k tests two speakers and has the next two as dev."""
    rows = [{"id": f"s{s:02d}-{label}-{i}", "speaker": f"s{s:02d}", "emotion": label}
            for s in range(speakers) for label in classes for i in range(per_class)]
    part = {0: "test", 1: "dev"}
    split = [(row["id"], fold + 1, part.get((int(row["speaker"][1:]) // 2 - fold) % (speakers // 2), "train"))
             for fold in range(folds) for row in rows]
    return write_data(path / name, rows, {"folds": split}, name=name, targets=emotion(classes), protocols=["folds"],
                      synthetic=name == "two", missing=[], size="full")


def scored(path: Path, chosen: str = "first") -> tuple[Path, Path, Path]:
    """(data, exp, results' stem): one has 10 speakers and 4 classes, two 6 and 3; two systems, one of 2 seeds."""
    one, two = corpus(path, "one", 10, CLASSES, 5), corpus(path, "two", 6, CLASSES[:3], 3)
    (path / "map.yaml").write_text(MAP)
    words = ["--map", str(path / "map.yaml"), "--folds", chosen, str(path / "pooled"), str(one), str(two)]
    assert run_main(pool.main, words) == 0
    data, exp = Dataset.open(path / "pooled"), path / "exp"
    split = data.split("cross")
    rows = [{"id": key, "emotion": item.fields["emotion"]} for key, item in data.items.items()]
    lines = [(key, fold, part) for fold in split.folds for part in split.parts[fold] for key in split.ids(fold, part)]
    write_system(exp, "svm_is10", "cross", "norm-global", rows, lines, 1.0)
    write_system(exp, "pyresnet", "cross", "norm-global", rows, lines, 2.0, seeds=(0, 1))
    return path / "pooled", exp, path / "RESULTS"


def score(data: Path, exp: Path, stem: Path) -> list[dict]:
    assert run_main(cross_corpus.main, ["--results", str(stem), str(data), str(exp)]) == 0
    return json.loads(Path(f"{stem}.json").read_text())["rows"]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    data, exp, stem = scored(tmp_path_factory.mktemp("first"))
    return data, exp, stem, score(data, exp, stem)


def lines_of(exp: Path, system: str, folds: list[int], seed: int, part: str = "test") -> list[tuple[str, str, str]]:
    """(id, label, decision) of every line of the score files."""
    found = []
    for fold in folds:
        text = (exp / system / "cross/norm-global" / f"fold{fold}/seed{seed}/scores/emotion/{part}.tsv").read_text()
        head, *rows = [line.split("\t") for line in text.splitlines()]
        for key, label, *values in rows:
            found.append((key, label, head[2 + max(range(len(values)), key=lambda i: float(values[i]))]))
    return found


def by_hand(lines: list[tuple[str, str, str]]) -> tuple[float, float]:
    """UA and WA, counted."""
    right, total = Counter(), Counter()
    for _, label, decision in lines:
        total[label] += 1
        right[label] += label == decision
    return sum(right[label] / total[label] for label in total) / len(total), sum(right.values()) / sum(total.values())


def find(rows: list[dict], system: str, train: str, test: str, part: str = "test", subset: str | None = None) -> dict:
    return next(row for row in rows if (row["subsystem"], row["train_corpus"], row["corpus"], row["part"],
                                        row.get("subset")) == (system, train, test, part, subset))


@pytest.mark.parametrize(("system", "seeds"), [("svm_is10", [0]), ("pyresnet", [0, 1])])
@pytest.mark.parametrize(("train", "test"), [("one", "one"), ("one", "two"), ("two", "one"), ("two", "two")])
def test_a_cell_is_what_a_loop_over_the_scores_counts(first, system, seeds, train, test):
    _, exp, _, rows = first
    row = find(rows, system, train, test)
    values = [by_hand([line for line in lines_of(exp, system, [1 if train == "one" else 2], seed)
                       if line[0].startswith(test)]) for seed in seeds]
    ua, wa = np.mean(values, axis=0)
    assert row["metrics"]["UA"] == pytest.approx(ua, abs=1e-6) and row["metrics"]["WA"] == pytest.approx(wa, abs=1e-6)
    if len(seeds) > 1:
        assert row["sd"]["UA"] == pytest.approx(np.std([value[0] for value in values], ddof=1), abs=1e-6)
    items = {("one", "one"): 24, ("one", "two"): 54, ("two", "one"): 120, ("two", "two"): 18}[train, test]
    assert row["items"] == items


def test_ua_runs_over_the_classes_that_the_tested_corpus_has(first):
    """Corpus two has no sad; decisions for it are wrong, but no class without reference is averaged in."""
    _, exp, _, rows = first
    lines = [line for line in lines_of(exp, "svm_is10", [1], 0) if line[0].startswith("two")]
    recalls = [np.mean([decision == name for _, label, decision in lines if label == name]) for name in CLASSES[:3]]
    assert find(rows, "svm_is10", "one", "two")["metrics"]["UA"] == pytest.approx(np.mean(recalls), abs=1e-6)
    assert any(decision == "sad" for _, _, decision in lines)


def test_the_fall_is_against_the_tested_corpus_on_the_same_utterances(first):
    _, exp, _, rows = first
    row = find(rows, "svm_is10", "one", "two")
    mine, theirs = (lines_of(exp, "svm_is10", [fold], 0) for fold in (1, 2))
    within = [line for line in theirs if line[0].startswith("two")]
    same = [line for line in mine if line[0] in {key for key, _, _ in within}]
    assert len(same) == len(within) == 18
    assert row["falls"]["within"]["UA"] == pytest.approx(by_hand(within)[0] - by_hand(same)[0], abs=1e-5)
    assert row["falls"]["within"]["WA"] == pytest.approx(by_hand(within)[1] - by_hand(same)[1], abs=1e-5)
    own = [line for line in mine if line[0].startswith("one")]
    assert row["falls"]["own"]["UA"] == pytest.approx(
        by_hand(own)[0] - by_hand([line for line in mine if line[0].startswith("two")])[0], abs=1e-5)
    assert find(rows, "svm_is10", "one", "two", subset=cross_corpus.SAME)["items"] == 18
    assert "falls" not in find(rows, "svm_is10", "one", "one")


def test_a_fall_of_two_speakers_has_no_p(first):
    _, exp, _, rows = first
    mine, theirs = (lines_of(exp, "svm_is10", [fold], 0) for fold in (1, 2))
    within, groups = [line for line in theirs if line[0].startswith("two")], defaultdict(dict)
    keys = {key for key, _, _ in within}
    for name, lines in (("within", within), ("cross", [line for line in mine if line[0] in keys])):
        for speaker in {key[:7] for key, _, _ in lines}:
            groups[speaker][name] = by_hand([line for line in lines if line[0].startswith(speaker)])[0]
    differences = [group["within"] - group["cross"] for group in groups.values()]
    extreme = sum(abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
                  >= abs(sum(differences)) - 1e-9 for signs in np.ndindex(2, 2)
                  for signs in [[2 * bit - 1 for bit in signs]])
    assert extreme / 4 >= 0.5  # no outcome of two speakers rejects, so none is told
    assert find(rows, "svm_is10", "one", "two")["falls"]["within"]["p"]["UA"] is None


def test_intervals_need_eight_speakers(first):
    *_, rows = first
    assert find(rows, "svm_is10", "two", "one")["intervals"]["UA"][0] > 0
    assert find(rows, "svm_is10", "one", "two")["no_intervals"] == "only 6 speakers, fewer than 8"


def test_marks_name_the_corpus(first):
    *_, rows = first
    assert find(rows, "svm_is10", "one", "two")["marks"] == ["two synthetic", "1 of 5 folds", "not audited"]
    assert find(rows, "svm_is10", "one", "one")["marks"] == ["1 of 5 folds", "not audited"]


def test_dev_of_the_training_corpus_says_which_system_is_best(first):
    *_, rows = first
    for train in ("one", "two"):
        dev = {name: find(rows, name, train, train, "dev")["metrics"]["MAF"] for name in ("svm_is10", "pyresnet")}
        best = max(dev, key=dev.get)
        assert {row["subsystem"] for row in rows if row["train_corpus"] == train and row["best_on_dev"]} == {best}


def test_a_test_part_of_another_corpus_chooses_nothing():
    """A is best on the dev part of one, B on that of two: what was trained on one has A, wherever it is tested."""
    dev = {("a", "one"): 0.9, ("b", "one"): 0.5, ("a", "two"): 0.5, ("b", "two"): 0.9}
    rows = [{"subsystem": name, "variant": "v", "protocol": "cross", "target": "emotion",
             "summary": {"kind": "confusion"}, "part": part,
             "train_corpus": train, "corpus": train if part == "dev" else test, "metrics": {"MAF": dev[name, train]}}
            for name in "ab" for train in ("one", "two") for part, test in (("dev", ""), ("test", "one"),
                                                                            ("test", "two"))]
    best = {(row["train_corpus"], row["corpus"]): row["subsystem"] for row in results.decide(rows)
            if row["best_on_dev"] and row["part"] == "test"}
    assert best == {("one", "one"): "a", ("one", "two"): "a", ("two", "one"): "b", ("two", "two"): "b"}


def test_every_fold_of_a_corpus_is_pooled_and_the_fall_needs_no_subset(tmp_path):
    data, exp, stem = scored(tmp_path, "all")
    rows = score(data, exp, stem)
    row = find(rows, "svm_is10", "one", "two")
    assert row["folds"] == [1, 2, 3, 4, 5] and row["items"] == 54 and not any(row.get("subset") for row in rows)
    lines = [line for line in lines_of(exp, "svm_is10", row["folds"], 0) if line[0].startswith("two")]
    assert len(lines) == 5 * 54 and row["metrics"]["UA"] == pytest.approx(by_hand(lines)[0], abs=1e-6)
    each = [by_hand([line for line in lines_of(exp, "svm_is10", [fold], 0) if line[0].startswith("two")])[0]
            for fold in row["folds"]]
    assert cross_tables.fold_deviation(row) == pytest.approx(np.std(each, ddof=1), abs=1e-5)
    within = find(rows, "svm_is10", "two", "two")
    assert within["items"] == 54
    assert row["falls"]["within"]["UA"] == pytest.approx(within["metrics"]["UA"] - row["metrics"]["UA"], abs=1e-6)


def test_scored_again_with_other_folds_no_old_row_stays(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    data, exp, _ = scored(tmp_path / "a", "first")
    score(data, exp, tmp_path / "RESULTS")
    data, exp, _ = scored(tmp_path / "b", "all")
    assert not any(row.get("subset") for row in score(data, exp, tmp_path / "RESULTS"))


def test_every_figure_is_computed_again_from_the_summaries(first, tmp_path):
    *_, stem, rows = first
    stripped = [{key: value for key, value in row.items() if key not in ("metrics", "falls", "paired", "intervals")}
                for row in rows]
    assert results.dump(recompute.recomputed(stripped)) == Path(f"{stem}.json").read_text()


def test_the_tables_have_both_matrices(first):
    _, _, stem, rows = first
    text = Path(f"{stem}.md").read_text()
    value = 100 * find(rows, "svm_is10", "two", "two")["metrics"]["UA"]
    assert "| svm_is10, norm-global: UA | one | two |" in text and "| pyresnet, norm-global: WA | one | two |" in text
    assert f"*{value:.1f}* |" in text and "chance is 25.0" in text
    assert "No intervals: one: only 2 speakers, fewer than 8; two: only 2 speakers, fewer than 8; two: only 6" in text


def test_the_page_has_a_heat_map_with_every_figure(first):
    data, exp, stem, rows = first
    assert run_main(make_report.main, ["--protocol", "cross", "--results", str(stem), str(data), str(exp)]) == 0
    page = (exp / "report/index.html").read_text()
    assert "<h2>Across corpora</h2>" in page and page.count("UA trained on rows, tested on columns") == 2
    for train, test in (("one", "one"), ("one", "two"), ("two", "one")):
        row = find(rows, "pyresnet", train, test)
        assert f"trained on {train}, tested on {test}: UA {100 * row['metrics']['UA']:.1f}" in page
    assert "chance 25.0" in page and page.count('stroke-width="3"') == 4  # two framed cells a picture
    assert math.isfinite(rows[0]["metrics"]["UA"])


def test_a_data_set_that_is_not_pooled(tmp_path, capsys):
    data = corpus(tmp_path, "one", 10, CLASSES, 5)
    assert run_main(cross_corpus.main, ["--protocol", "folds", str(data), str(tmp_path)]) == 1
    assert "it is not pooled from several corpora; make such a data set with steps/pool_corpora.sh" in \
        capsys.readouterr().err


def test_nothing_trained_yet(first, tmp_path, capsys):
    assert run_main(cross_corpus.main, [str(first[0]), str(tmp_path)]) == 1
    assert "has no trained subsystem of protocol cross" in capsys.readouterr().err
