"""Normalization against plain numpy; what it learns from; what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from steps.features.normalize import Moments, Normalization, Normalizer, normalize, speaker_normalize
from utils.errors import UsageError, UserError


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    return (generator.standard_normal((40, 5)) * [1, 10, 1e-6, 1e6, 3] + [0, 100, 1e-5, -1e7, 5]).astype(np.float32)


def test_normalized_training_rows_have_mean_0_and_deviation_1(rows):
    out = Normalizer.fit(rows).apply(rows)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.mean(axis=0, dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(axis=0, dtype=np.float64), 1, rtol=1e-6)


def test_blocks_give_the_same_as_all_at_once(rows):
    whole, parts = Normalizer.fit(rows), Normalizer.fit(iter([rows[:7], rows[7], rows[8:8], rows[8:]]))
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(parts.mean, wide.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(parts.std, wide.std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(whole.std, parts.std, rtol=1e-9)


def test_a_small_spread_on_a_large_mean_survives():
    column = (1e4 + np.arange(1000) % 2 * 0.01).astype(np.float32)[:, None]
    assert Normalizer.fit(column).std[0] == pytest.approx(column.astype(np.float64).std(), rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e5, 1e-30])
def test_a_constant_column_becomes_0_also_on_other_data(value):
    rows = np.full((17, 2), value, dtype=np.float32)
    rows[:, 1] = np.arange(17)
    learned = Normalizer.fit(rows)
    out = learned.apply(np.array([[12345.0, 8.0]]))
    assert out[0, 0] == 0 and out[0, 1] == 0 and np.isfinite(out).all()


def test_clip_limits_outliers(rows):
    learned = Normalizer.fit(rows, clip=10.0)
    wild = learned.mean + learned.std * np.array([1e9, -1e9, 9, -9, 0])
    np.testing.assert_allclose(learned.apply(wild), [10, -10, 9, -9, 0], atol=1e-5)


def test_arrays_bring_a_normalizer_back(rows):
    for clip in (None, 10.0):
        learned = Normalizer.fit(rows, clip)
        again = Normalizer.from_arrays(learned.to_arrays())
        assert again.clip == clip
        np.testing.assert_array_equal(again.apply(rows), learned.apply(rows))


def test_global_learns_on_training_rows_only(rows):
    train = np.arange(40) < 20
    out, learned = normalize("global", rows, [None] * 40, train)
    changed = rows.copy()
    changed[~train] *= 7
    again, relearned = normalize("global", changed, [None] * 40, train)
    np.testing.assert_array_equal(out[train], again[train])
    np.testing.assert_array_equal(learned.mean, rows[train].astype(np.float64).mean(axis=0))
    np.testing.assert_array_equal(learned.std, relearned.std)


def test_none_changes_nothing(rows):
    out, learned = normalize("none", rows, [None] * 40, np.ones(40, bool))
    assert learned is None
    np.testing.assert_array_equal(out, rows)


def test_speaker_takes_each_speakers_offset_and_scale_away():
    generator = np.random.default_rng(1)
    base = generator.standard_normal((10, 4))
    rows = np.concatenate([base, base * 5 + 3, base * 0.1 - 7]).astype(np.float32)
    speakers = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    order = generator.permutation(30)
    out = speaker_normalize(rows[order], [speakers[i] for i in order])
    back = np.empty_like(out)
    back[order] = out
    np.testing.assert_allclose(back[:10], back[10:20], atol=1e-4)
    np.testing.assert_allclose(back[:10], back[20:], atol=1e-4)


def test_a_speaker_with_one_utterance_becomes_0():
    out = speaker_normalize(np.array([[1.0, 2], [3, 4], [5, 9]]), ["a", "a", "b"])
    np.testing.assert_allclose(out, [[-1, -1], [1, 1], [0, 0]])


def test_unknown_speakers_are_refused_in_mode_speaker_only(rows):
    speakers = ["a"] * 39 + [None]
    with pytest.raises(UserError, match="1 of 40 utterances have no known speaker"):
        normalize("speaker", rows, speakers, np.ones(40, bool))
    normalize("global", rows, speakers, np.ones(40, bool))


@pytest.mark.parametrize("mode", ["global", "speaker", "none"])
def test_one_by_one_gives_the_same_as_the_matrix(rows, mode):
    speakers = ["a", "b"] * 20
    train = np.arange(40) < 30
    expected, _ = normalize(mode, rows, speakers, train, clip=2.0)
    learned = Normalization.fit(mode, list(zip(rows, speakers, train, strict=True)), clip=2.0)
    found = np.stack([learned.apply(row, speaker) for row, speaker in zip(rows, speakers, strict=True)])
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_frames_of_a_speaker_are_pooled():
    generator = np.random.default_rng(2)
    frames = [generator.standard_normal((n, 3)).astype(np.float32) * 4 + 9 for n in (5, 50, 500)]
    learned = Normalization.fit("speaker", [(block, "a", True) for block in frames])
    out = np.concatenate([learned.apply(block, "a") for block in frames])
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-5)


def test_what_is_refused(rows):
    with pytest.raises(UsageError, match="accepted: global, speaker, none"):
        normalize("local", rows, [], np.ones(40, bool))
    with pytest.raises(UserError, match="nothing to learn"):
        normalize("global", rows, [None] * 40, np.zeros(40, bool))
    with pytest.raises(UserError, match="5 columns"):
        Normalizer.fit(rows).apply(rows[:, :4])
    rows[3, 2] = np.inf
    with pytest.raises(UserError, match="column 2"), np.errstate(invalid="ignore"):
        Normalizer.fit(rows)
    with pytest.raises(ValueError, match="no rows"):
        _ = Moments().std
