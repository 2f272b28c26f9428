"""Masks over frames: what they hold, and what they leave."""

import numpy as np

from steps.asr.config import AugmentationConfig
from steps.features.masking import spec_augment


def random():
    return np.random.default_rng(0)


def test_masks_hold_the_mean_and_leave_the_rest():
    options = AugmentationConfig(frequency_masks=1, max_frequency_mask_bins=5, time_masks=1, max_time_mask_fraction=0.2)
    features = random().normal(size=(100, 30)).astype(np.float32)
    before = features.copy()
    masked = spec_augment(features, options, np.random.default_rng(4))
    np.testing.assert_array_equal(features, before)
    changed = masked != features
    mean = np.broadcast_to(features.mean(axis=0), features.shape)
    np.testing.assert_allclose(masked[changed], mean[changed])
    rows, columns = changed.all(axis=1), changed.all(axis=0)
    assert 0 < rows.sum() <= 20 and 0 < columns.sum() <= 5
    assert not changed[np.ix_(~rows, ~columns)].any()


def test_without_masks_nothing_changes():
    features = random().normal(size=(9, 4)).astype(np.float32)
    options = AugmentationConfig(frequency_masks=0, time_masks=0)
    np.testing.assert_array_equal(spec_augment(features, options, random()), features)
