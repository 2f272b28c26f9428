"""The README's table of all recipes: what dev parts speak for, never what did best on test."""

from __future__ import annotations

from typing import Any

from steps.scoring.overview import overview


def rows(subsystem: str, variant: str, dev: float, test: float, **more: Any) -> list[dict[str, Any]]:
    """Its dev and its test row."""
    about = {"corpus": "c", "protocol": "folds", "target": "emotion", "subsystem": subsystem,
             "variant": variant, "summary": {"kind": "confusion"}, "items": 7,
             "seeds": [0, 1], "marks": [], "sd": {}, "intervals": {}, **more}
    return [{**about, "part": part, "metrics": {"MAF": score, "UA": score, "WA": score}}
            for part, score in (("dev", dev), ("test", test))]


def systems(text: str) -> list[str]:
    return [line.split("|")[3].strip() for line in text.splitlines()[2:]]


def test_a_row_each_for_the_best_fusion_and_the_best_single_system_on_dev_of_a_normalization():
    found = overview({"egs/c/ensemble": [
        *rows("sum", "norm-speaker", 0.7, 0.6, fuses=["a", "b"], primary=True),
        *rows("other_sum", "norm-speaker+extended", 0.6, 0.9, fuses=["a", "b"]),
        *rows("a", "norm-speaker", 0.6, 0.5), *rows("b", "norm-speaker", 0.5, 0.9),
        *rows("b", "norm-global", 0.4, 0.3), *rows("a", "norm-global", 0.3, 0.8),
        *rows("text", "asr-text", 0.2, 0.2)]})
    assert systems(found) == ["**sum, norm-speaker**", "a, norm-speaker", "b, norm-global"]
    assert "| [c/ensemble](egs/c/ensemble/README.md) | folds, emotion, 7 |" in found
    assert "| 60.0 | 60.0 | 60.0 | 0 1 |" in found


def test_the_subsystem_that_a_recipe_is_named_after_has_its_row():
    content = [*rows("svm", "norm-global", 0.7, 0.6), *rows("pyresnet", "norm-global", 0.6, 0.5),
               *rows("resnet", "norm-global", 0.5, 0.4)]
    assert systems(overview({"egs/c/pyresnet": content})) == ["svm, norm-global", "pyresnet, norm-global"]


def test_noisy_parts_subsets_and_cross_corpus_tests_are_left_to_the_recipe():
    plain = rows("a", "norm-global", 0.6, 0.5)
    other = [*rows("a", "norm-global", 0.9, 0.9, condition={"snr": 0}, subset="snr0"),
             *rows("b", "norm-global", 0.9, 0.9, subset="half"), *rows("d", "norm-global", 0.9, 0.9, train_corpus="e")]
    assert overview({"egs/c/ensemble": plain + other}) == overview({"egs/c/ensemble": plain})


def test_each_kind_has_a_table_with_its_metrics():
    heard = [{**row, "target": "text", "summary": {"kind": "errors"}, "metrics": {"WER": 0.2, "CER": 0.1},
              "best_on_dev": True}
             for row in rows("graph", "-", 0, 0)]
    first, second = overview({"egs/c/asr": heard, "egs/c/ensemble": rows("a", "norm-global", 0.6, 0.5)}).split("\n\n")
    assert "| MAF | UA | WA |" in first and "| WER | CER |" in second and "| graph | 20.0 | 10.0 |" in second
