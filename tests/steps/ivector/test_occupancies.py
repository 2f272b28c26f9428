"""Four ways to tell the components of a frame, each against its definition a frame at a time."""

from __future__ import annotations

import numpy as np
import pytest

from steps.ivector.gmm import Gmm
from steps.ivector.occupancies import (
    ClusterOccupier,
    GmmOccupier,
    PhoneStateOccupier,
    TokenOccupier,
    Utterance,
    at_frames,
    open_occupier,
)
from tests.steps.ivector.fake_recognizer import FakeHead, FakeRecognizer
from utils.errors import UserError

FRAMES = 41


def utterance(frames: int = FRAMES) -> Utterance:
    generator = np.random.default_rng(frames)
    return Utterance("u", generator.standard_normal((frames, 3)).astype(np.float32), generator.random(frames) < 0.7,
                     generator.standard_normal((frames, 80)).astype(np.float32))


def pruned(row: np.ndarray, threshold: float) -> np.ndarray:
    row = row / row.sum()
    row = np.where(row >= threshold, row, 0)
    return row / row.sum()


@pytest.mark.parametrize(("frames", "available"), [(9, 1), (41, 9), (100, 24), (12, 2)])
def test_a_frame_takes_the_output_frame_whose_center_is_nearest(frames, available):
    centers = 4 * np.arange(available) + 3
    for frame, chosen in enumerate(at_frames(frames, available, 4)):
        assert abs(centers[chosen] - frame) == np.abs(centers - frame).min()


def test_tokens_are_the_posteriors_without_blank():
    recognizer, spoken = FakeRecognizer(), utterance()
    found = TokenOccupier(recognizer, 0.02).of(spoken)
    posteriors = np.exp(recognizer.log_posteriors([spoken.fbank])[0].astype(np.float64))
    assert (len(found), found.count) == (FRAMES, 12)
    dense, nearest = found.dense(), at_frames(FRAMES, len(posteriors), 4)
    for frame in range(FRAMES):
        wanted = pruned(posteriors[nearest[frame], 1:], 0.02) if spoken.voiced[frame] else np.zeros(12)
        np.testing.assert_allclose(dense[frame], wanted, atol=1e-6)


def test_tokens_of_a_model_that_is_certain_of_blank_are_still_told():
    class Certain(FakeRecognizer):
        def log_posteriors(self, features):
            return [np.array([[0.0, -900.0, -901.0]] * 9, np.float32)]

    recognizer = Certain(dim=3)
    dense = TokenOccupier(recognizer, 0.02).of(utterance()).dense()[utterance().voiced]
    np.testing.assert_allclose(dense, [[1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))]] * len(dense), atol=1e-6)


def test_clusters_are_posteriors_of_equal_gaussians():
    recognizer, spoken = FakeRecognizer(), utterance()
    means, variance = np.random.default_rng(1).standard_normal((5, 8)), 0.3
    dense = ClusterOccupier(recognizer, means, variance, 0.02).of(spoken).dense()
    states = recognizer.hidden([spoken.fbank])[0]
    for frame, place in enumerate(at_frames(FRAMES, len(states), 4)):
        density = np.exp([-((states[place] - mean) ** 2).sum() / (2 * variance) for mean in means])
        wanted = pruned(density, 0.02) if spoken.voiced[frame] else np.zeros(5)
        np.testing.assert_allclose(dense[frame], wanted, atol=1e-5)


def test_phone_states_leave_out_silence_and_frames_that_are_mostly_silence():
    posteriors = np.array([[0.1, 0.1, 0.6, 0.2], [0.3, 0.3, 0.3, 0.1], [0.0, 0.0, 0.99, 0.01], [0.0, 0.4, 0.3, 0.3]])
    spoken = Utterance("u", np.zeros((4, 3), np.float32), np.array([True, True, True, False]), np.zeros((4, 80)))
    occupier = PhoneStateOccupier(FakeRecognizer(), FakeHead(posteriors), 0.02)
    found = occupier.of(spoken)
    assert occupier.count == found.count == 2 and occupier.fingerprint == "fake0 head"
    np.testing.assert_allclose(found.dense(), [[0.75, 0.25], [0, 0], [1, 0], [0, 0]], atol=1e-6)


def test_a_head_of_another_recognizer_is_refused():
    with pytest.raises(UserError, match="trained on the recognizer other, this is fake0"):
        PhoneStateOccupier(FakeRecognizer(), FakeHead(np.ones((4, 4)), "other"), 0.02)


def test_a_mixture_looks_at_voiced_frames_only():
    mixture = Gmm(np.array([0.5, 0.5]), np.array([[-1.0, 0, 0], [1.0, 0, 0]]), np.ones((2, 3)))
    spoken = utterance()
    dense = GmmOccupier(mixture, 2, 0.02).of(spoken).dense()
    for frame in range(FRAMES):
        first = 1 / (1 + np.exp(2 * spoken.features[frame, 0]))
        wanted = pruned(np.array([first, 1 - first]), 0.02) if spoken.voiced[frame] else np.zeros(2)
        np.testing.assert_allclose(dense[frame], wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["tokens", "clusters"])
def test_an_utterance_shorter_than_the_subsampling_has_no_component(kind, tmp_path):
    spoken = utterance(6)
    arrays = {"means": np.zeros((3, 8)), "variance": np.ones(1)}
    found = open_occupier(kind, FakeRecognizer(), tmp_path, arrays, 0.02)
    assert len(found.of(spoken)) == 6 and not found.of(spoken).totals().any()


def test_without_a_recognizer_or_a_head_it_is_said(tmp_path):
    with pytest.raises(UserError, match="occupancy tokens takes a recognizer: give --asr DIR"):
        open_occupier("tokens", None, None, {}, 0.02)
    with pytest.raises(UserError, match="has no phone_states/: train the head"):
        open_occupier("phone_states", FakeRecognizer(), tmp_path, {}, 0.02)


def test_a_head_that_takes_no_hidden_states_needs_no_recognizer(tmp_path, monkeypatch):
    from steps.asr.phones import phone_states
    from steps.features.registry import create
    from steps.ivector.extractor import open_asr
    from utils.files import write_json

    write_json(tmp_path / "phone_states.json", {"features": "fbank", "options": create("fbank").options})
    alone = open_asr(tmp_path, "phone_states")
    posteriors = np.array([[0.1, 0.1, 0.6, 0.2]] * 41)
    monkeypatch.setattr(phone_states.PhoneStateHead, "load", lambda directory: FakeHead(posteriors, None))
    found = open_occupier("phone_states", alone, tmp_path, {}, 0.02).of(utterance())
    np.testing.assert_allclose(found.dense()[utterance().voiced], [[0.75, 0.25]] * int(utterance().voiced.sum()),
                               atol=1e-6)
    assert alone.extractor.dim == 80


def test_what_stands_behind_an_extractor_is_told(tmp_path):
    from steps.ivector.extractor import records_behind
    from utils.files import write_json

    assert records_behind(tmp_path)[0]["speakers"] is None
    record = {"component": "recognizer", "corpus": "c", "speakers": ["s"]}
    write_json(tmp_path / "recognizer.json", {"trained_on": [record]})
    assert records_behind(tmp_path) == [record]
