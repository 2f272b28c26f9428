"""Calibration error, AUC and the calibration map, against scikit-learn and sums over bins."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from steps.asr.decode.word_confidence import (
    apply_calibration,
    fit_calibration,
    gather,
    histogram,
    write_calibration,
)
from steps.asr.error_rate import score
from steps.scoring import metrics
from utils.errors import UserError
from utils.files import read_json


def words(count=4000, seed=0, sharpen=1.0):
    """Confidences that are `sharpen` times too sure in logits."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(4, 1.5, count)
    logit = np.log(truth / (1 - truth)) * sharpen
    return 1 / (1 + np.exp(-logit)), rng.random(count) < truth


def expected_calibration_error(confidences, right):
    total = 0.0
    for number in range(10):
        inside = (confidences >= number / 10) & ((confidences < (number + 1) / 10) | (number == 9))
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidences[inside].mean())
    return total


def test_calibration_error_and_auc_of_a_histogram():
    confidences, right = words(sharpen=2.0)
    found = metrics.confidence(histogram(confidences, right))
    assert found["ECE"] == pytest.approx(expected_calibration_error(confidences, right), abs=1e-9)
    assert found["AUC"] == pytest.approx(roc_auc_score(right, np.floor(confidences * 100).clip(max=99)), abs=1e-9)
    assert found["AUC"] == pytest.approx(roc_auc_score(right, confidences), abs=0.005)


def test_ends_of_the_range():
    found = metrics.confidence_histogram(np.array([0.0, 1.0, 0.29]), np.array([0, 1, 1]))
    assert found[0].tolist() == [1, 0, 0] and found[99].tolist() == [1, 1, 1] and found[29, 0] == 1
    assert found.sum(axis=0).tolist() == pytest.approx([3, 2, 1.29])


def test_nothing_to_rank_has_no_auc_and_no_words_no_histogram():
    assert np.isnan(metrics.confidence(histogram(np.array([0.3, 0.9]), np.array([True, True])))["AUC"])
    assert histogram(np.zeros(0), np.zeros(0, dtype=bool)) is None


def test_the_map_learned_on_dev_mends_a_sharpened_confidence():
    confidences, right = words(sharpen=2.0)
    calibration = fit_calibration(confidences, right)
    assert calibration == pytest.approx((0.5, 0.0), abs=0.1)
    fresh, truth = words(seed=1, sharpen=2.0)
    before = metrics.confidence(histogram(fresh, truth))
    after = metrics.confidence(histogram(apply_calibration(fresh, calibration), truth))
    assert after["ECE"] < before["ECE"] / 3
    assert after["AUC"] == pytest.approx(before["AUC"], abs=0.005)


def test_all_words_right_still_gives_a_finite_map():
    a, b = fit_calibration(np.array([0.2, 1.0, 0.5]), np.array([True] * 3))
    assert np.isfinite([a, b]).all() and 0.5 < apply_calibration(np.array([0.5]), (a, b))[0] < 1
    with pytest.raises(UserError, match="no word of the part has a confidence"):
        fit_calibration(np.zeros(0), np.zeros(0, dtype=bool))


def test_words_are_gathered_in_step_and_utterances_without_confidences_left_out():
    transcripts = [score("a", "s", "x y", ["x", "z"]), score("b", "s", "x", ["x"]), score("c", "s", "x", [])]
    confidences, right = gather(transcripts, [(0.9, 0.4), (), ()])
    assert confidences.tolist() == [0.9, 0.4] and right.tolist() == [True, False]


def test_a_calibration_is_written_as_two_numbers(tmp_path):
    write_calibration(tmp_path / "c.json", (0.5, -0.25))
    assert read_json(tmp_path / "c.json") == {"calibration": [0.5, -0.25]}
