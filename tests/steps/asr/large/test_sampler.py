"""Planned epochs over lazily read sets: nothing lost, nothing doubled but what is counted, a resume is exact."""

import itertools
from collections import Counter

import numpy as np
import pytest
from lhotse import CutSet

from steps.asr.large.lazy_cuts import SpeechSet, SpeechSets
from steps.asr.train.epoch_plan import EpochPlan
from tests.bench.simulate_manifest import MANDARIN, simulate
from utils.errors import UserError

HOURS = 40.0  # about 30 000 utterances


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    directory = tmp_path_factory.mktemp("simulated")
    simulate(directory, HOURS, per_shard=500, seed=0)
    return SpeechSets(sorted(directory.iterdir()))


def plan_of(sets, **options):
    settings = {"max_duration": 300.0, "buckets": 12, "window": 4000, "world": 8, **options}
    return EpochPlan(sets.seconds, sets.shards, **settings)


def test_eight_ranks_lose_and_double_nothing(simulated):
    plan = plan_of(simulated, shortest=1.0, longest=15.0)
    steps = list(plan.groups(1))
    seen = Counter(number for group in steps for batch in group for number in batch.tolist())
    usable = {number for number, seconds in enumerate(simulated.seconds) if 1.0 <= seconds <= 15.0}
    assert len(simulated) > 25_000 and 0 < plan.left_out == len(simulated) - len(usable)
    assert set(seen) == usable
    assert sum(count - 1 for count in seen.values()) == plan.doubled == 0
    assert all(len(group) == 8 for group in steps)
    assert [batch.tolist() for batch in plan.batches(1, rank=5)] == [group[5].tolist() for group in steps]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 100])
@pytest.mark.parametrize("world", [1, 3, 8])
def test_a_tail_too_small_for_all_ranks_is_doubled_and_counted(count, world):
    plan = EpochPlan(np.full(count, 2.0, np.float32), [(0, count)], max_duration=5.0, world=world, buckets=3)
    steps = list(plan.groups(1))
    seen = Counter(number for group in steps for batch in group for number in batch.tolist())
    assert all(len(group) == world and all(len(batch) for batch in group) for group in steps)
    assert set(seen) == set(range(count))
    assert sum(seen.values()) - count == plan.doubled <= world - 1


def test_padded_batches_keep_the_limit_and_are_nearly_full(simulated):
    plan = plan_of(simulated)
    padded = [simulated.seconds[batch].max() * len(batch) for group in plan.groups(1) for batch in group]
    assert max(padded) <= 300.0 * (1 + 1e-5)
    assert np.mean(padded) > 0.85 * 300.0


def test_batches_of_one_step_are_of_like_length(simulated):
    """Ranks wait for the slowest one; without buckets a step's longest and shortest utterances differ tenfold."""
    longest = [[simulated.seconds[batch].max() for batch in group] for group in plan_of(simulated).groups(1)]
    assert np.median([max(group) / min(group) for group in longest]) < 1.3


def test_a_resume_gives_the_batches_that_were_left(simulated):
    plan = plan_of(simulated)
    whole = [batch.tolist() for batch in plan.batches(2, rank=3)]
    for start in (1, 17, len(whole) - 1):
        assert [batch.tolist() for batch in plan_of(simulated).batches(2, rank=3, start=start)] == whole[start:]


def test_epochs_and_seeds_differ_and_repeat(simulated):
    def first(epoch, seed=0):
        return [batch.tolist() for batch in itertools.islice(plan_of(simulated, seed=seed).batches(epoch, 0), 5)]

    assert first(1) == first(1) and first(1) != first(2) and first(1) != first(1, seed=1)


def test_a_batch_mixes_corpora_and_speakers(simulated):
    corpora = [{simulated[number].id.split("-")[0] for number in batch.tolist()}
               for batch in itertools.islice(plan_of(simulated, window=20_000).batches(1, 0), 5)]
    assert all(len(found) >= 2 for found in corpora)


def test_an_utterance_is_what_lhotse_reads(simulated):
    found = simulated.sets[0]
    cuts = list(CutSet.from_shar(in_dir=found.directory / "shar"))
    assert len(cuts) == len(found)
    for number in (0, 499, 500, len(found) - 1):
        cut = found[number]
        assert (cut.id, cut.duration, cut.sampling_rate) == (cuts[number].id, cuts[number].duration, 16000)
        assert cut.supervisions[0].text == cuts[number].supervisions[0].text
        assert cut.supervisions[0].speaker == cuts[number].supervisions[0].speaker


def test_durations_are_those_of_the_corpora(simulated):
    for mix in MANDARIN:
        seconds = SpeechSet(simulated.sets[0].directory.parent / mix.name).seconds
        assert seconds.mean() == pytest.approx(mix.mean, rel=0.1)


def test_a_directory_that_is_no_set_is_named(tmp_path):
    with pytest.raises(UserError, match=r"export_shar\.sh"):
        SpeechSet(tmp_path)
