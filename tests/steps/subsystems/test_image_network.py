"""How a network sees the images of an utterance in training."""

import numpy as np

from steps.examples.part import Frames
from steps.subsystems.image_network import Images
from steps.subsystems.network_config import ImagesConfig


def seen(**options):
    rows = np.arange(10 * 2 * 3).reshape(10, 2, 3, 1).astype(np.uint8)
    images = Images(Frames(lambda item: rows, ("only",)), ImagesConfig(**options))
    return rows, lambda seed: images.batch(np.array([0]), {0: np.random.default_rng(seed)})["x"][0].numpy()


def test_at_most_so_many_images_are_seen_evenly_spaced():
    rows, draw = seen(flip=False, most=5)
    for seed in range(20):
        chosen = draw(seed)[:, 0, 0, 0] // 6
        assert len(chosen) == 5 and (np.diff(chosen) == 2).all()


def test_half_of_the_utterances_are_mirrored():
    rows, draw = seen(flip=True)
    mirrored = [np.array_equal(draw(seed), rows[:, :, ::-1]) for seed in range(60)]
    assert 15 < sum(mirrored) < 45
    assert all(np.array_equal(draw(seed), rows) for seed, other in enumerate(mirrored) if not other)
