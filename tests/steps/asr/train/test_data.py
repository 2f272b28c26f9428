"""Batches of speech: what stands in them, and that a resume finds the same."""

import numpy as np
import pytest
import torch

from steps.asr.config import AugmentationConfig, SamplingConfig
from steps.asr.model import batch_of
from steps.asr.phones.state_alignment import StateAlignment
from steps.asr.train.data import SpeechBatches, needed_frames
from steps.training.distributed import World
from tests.steps.asr.toy_speech import BINS, ToySource, toy_cuts, toy_units

PLAIN = AugmentationConfig(speeds=[1.0], noise_probability=0, frequency_masks=0, time_masks=0)


def batches(world=None, augmentation=PLAIN, workers=0, cuts=None, max_duration=4.0):
    cuts = list(cuts or toy_cuts(60))
    sampling = SamplingConfig(max_duration=max_duration, buckets=4, workers=workers)
    return SpeechBatches(cuts, np.array([cut.duration for cut in cuts]), [(0, len(cuts))], ToySource(), toy_units(),
                         sampling, augmentation, 7, world)


def same(one, two):
    return all(torch.equal(one[key], two[key]) for key in one)


def test_a_batch_is_padded_and_its_targets_stand_one_after_the_other():
    batch = batch_of([np.ones((3, 2)), np.full((5, 2), 2.0)], [[4, 5], [6]])
    assert batch["features"].shape == (2, 5, 2) and batch["lengths"].tolist() == [3, 5]
    assert batch["features"][0, 3:].abs().sum() == 0
    assert batch["targets"].tolist() == [4, 5, 6] and batch["target_lengths"].tolist() == [2, 1]


def test_an_epoch_has_every_utterance_once_in_another_order_than_the_next():
    units, made = toy_units(), batches()
    texts = sorted(tuple(units.encode(cut.supervisions[0].text)) for cut in toy_cuts(60))
    orders = []
    for epoch in (1, 2):
        found = [tuple(target.tolist()) for batch in made.epoch(epoch, 0)
                 for target in batch["targets"].split(batch["target_lengths"].tolist())]
        assert sorted(found) == texts
        orders.append(found)
    assert orders[0] != orders[1]


def test_no_batch_is_longer_than_asked():
    for batch in batches().epoch(1, 0):
        assert int(batch["lengths"].sum()) * 0.01 <= 4.0 + 1e-6


@pytest.mark.parametrize("size", [1, 3])
def test_the_number_of_batches_is_told_before(size):
    made = batches(World(0, size))
    assert [made.count(epoch) for epoch in (1, 2)] == [len(list(made.epoch(epoch, 0))) for epoch in (1, 2)]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_rest_of_an_epoch_is_that_of_the_whole_one(workers):
    options = AugmentationConfig(speeds=[0.9, 1.0, 1.1], noise_probability=1.0)
    whole = list(batches(augmentation=options).epoch(3, 0))
    rest = list(batches(augmentation=options, workers=workers).epoch(3, 5))
    assert len(rest) == len(whole) - 5
    assert all(same(one, two) for one, two in zip(whole[5:], rest, strict=True))


def test_augmentation_changes_from_epoch_to_epoch_and_speed_shortens():
    cuts = toy_cuts(1)
    options = AugmentationConfig(speeds=[0.9, 1.1], noise_probability=0, frequency_masks=0, time_masks=0)
    lengths = {int(next(batches(cuts=cuts, augmentation=options).epoch(epoch, 0))["lengths"]) for epoch in range(1, 12)}
    source = ToySource()
    assert lengths == {len(source.features(next(iter(cuts)), speed)) for speed in (0.9, 1.1)}


def test_processes_share_the_utterances_and_double_only_the_counted_tail():
    shares = [list(batches(World(rank, 3)).epoch(1, 0)) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    seen = [tuple(target.tolist()) for share in shares for batch in share
            for target in batch["targets"].split(batch["target_lengths"].tolist())]
    units = toy_units()
    wanted = [tuple(units.encode(cut.supervisions[0].text)) for cut in toy_cuts(60)]
    missing, extra = list(wanted), []
    for text in seen:
        (missing if text in missing else extra).remove(text) if text in missing else extra.append(text)
    assert not missing
    assert len(extra) <= 2 * max(len(batch["lengths"]) for share in shares for batch in share)


def test_accumulated_batches_of_one_process_are_those_of_two():
    alone = list(batches().epoch(1, 0))
    shares = [list(batches(World(rank, 2)).epoch(1, 0)) for rank in range(2)]
    together = [batch for pair in zip(*shares, strict=True) for batch in pair]
    texts = [{tuple(target.tolist()) for batch in found for target in
              batch["targets"].split(batch["target_lengths"].tolist())} for found in (alone, together)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("target, frames", [([], 0), ([3], 1), ([3, 4], 2), ([3, 3], 3), ([3, 3, 3, 4], 6)])
def test_frames_that_a_target_needs(target, frames):
    assert needed_frames(target) == frames


def test_bins_of_the_toy():
    assert next(batches().epoch(1, 0))["features"].shape[2] == BINS


def test_states_of_an_alignment_are_those_in_the_middle_of_an_output_frame():
    alignment = StateAlignment({"0": np.arange(100)}, 100)
    # An output frame sees 7 input frames, 4 further each time.
    assert alignment.at_output("0", 21, 1.0).tolist() == [3, 7, 11, 15]
    # Twice as fast: input frame t of what is heard was frame 2 t of the utterance.
    assert alignment.at_output("0", 21, 2.0).tolist() == [6, 14, 22, 30]
    assert alignment.at_output("other", 21, 1.0).tolist() == [-1] * 4
    assert alignment.at_output("0", 3, 1.0).tolist() == []


def test_the_fingerprint_of_an_alignment_changes_with_a_frame_a_name_or_a_length():
    def of(**states):
        return StateAlignment({key: np.array(rows) for key, rows in states.items()}, 9).fingerprint()

    assert of(a=[1, 2], b=[3]) == of(b=[3], a=[1, 2])
    assert len({of(a=[1, 2], b=[3]), of(a=[1, 1], b=[3]), of(a=[1, 2], c=[3]), of(a=[1], b=[2, 3])}) == 4


def test_a_batch_carries_its_alignment_padded():
    cuts = list(toy_cuts(8))
    alignment = StateAlignment({cut.id: np.full(1000, int(cut.id)) for cut in cuts[1:]}, 8)
    made = SpeechBatches(cuts, np.array([cut.duration for cut in cuts]), [(0, 8)], ToySource(), toy_units(),
                         SamplingConfig(max_duration=100), PLAIN, 0, alignment=alignment)
    batch = next(made.epoch(1, 0))
    for states, frames in zip(batch["states"], batch["lengths"].tolist(), strict=True):
        count = ((frames - 1) // 2 - 1) // 2
        assert set(states[count:].tolist()) <= {-1} and len(set(states[:count].tolist())) == 1
    assert sorted(batch["states"][:, 0].tolist()) == [-1, 1, 2, 3, 4, 5, 6, 7]
