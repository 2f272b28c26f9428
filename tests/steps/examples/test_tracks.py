"""Tracks: which frames belong to which value, lengths, the exchange of labels."""

import numpy as np
import pytest

from steps.data.dataset import Item
from steps.data.dataset import Sequence as MovingLabel
from steps.examples import tracks
from utils.corpus import Target
from utils.errors import UserError

AROUSAL, VALENCE = Target("arousal", "track"), Target("valence", "track")


def item(key, duration=1.0, **values):
    return Item(
        key,
        duration=duration,
        fields={name: MovingLabel(step, tuple(track)) for name, (step, track) in values.items()},
    )


@pytest.mark.parametrize(
    ("shift", "step", "frames", "values"),
    [
        (0.01, 0.1, 98, 10),
        (0.01, 0.1, 123, 12),
        (0.01, 0.04, 50, 12),
        (0.016, 0.1, 60, 10),
        (0.04, 0.04, 7, 7),
        (0.01, 1 / 3, 300, 9),
    ],
)
def test_a_value_has_the_mean_of_the_frames_whose_middle_lies_in_it(shift, step, frames, values):
    x = np.random.default_rng(0).normal(size=(frames, 3)).astype(np.float32)
    found = tracks.pooled(x, shift, step, values)
    for k in range(values):  # one frame at a time, in whole microseconds
        mine = [
            x[t]
            for t in range(frames)
            if round(k * step * 1e6) <= round((t + 0.5) * shift * 1e6) < round((k + 1) * step * 1e6)
        ]
        np.testing.assert_allclose(found[k], np.mean(mine, axis=0), rtol=1e-4, atol=1e-5)


def test_values_behind_the_last_frame_have_the_last_frame_and_frames_behind_the_last_value_none():
    x = np.arange(10, dtype=np.float32)[:, None]
    assert tracks.pooled(x, 0.1, 0.2, 7)[:, 0].tolist() == [0.5, 2.5, 4.5, 6.5, 8.5, 9, 9]
    assert tracks.pooled(x, 0.1, 0.2, 2)[:, 0].tolist() == [0.5, 2.5]
    with pytest.raises(ValueError, match="no frame"):
        tracks.pooled(x[:0], 0.1, 0.2, 2)


def test_where_frames_come_less_often_than_values_a_frame_is_repeated():
    x = np.arange(3, dtype=np.float32)[:, None]
    assert tracks.pooled(x, 0.2, 0.1, 6)[:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_an_item_has_as_many_values_as_its_labels_or_as_its_duration_has_room_for():
    assert tracks.length(item("a", 1.0, arousal=(0.1, [1] * 9)), 0.1, [AROUSAL, VALENCE]) == 9
    assert (
        tracks.length(item("a", 1.04), 0.1, [AROUSAL]) == 10
        and tracks.length(item("a", 0.01), 0.1, [AROUSAL]) == 1
    )
    with pytest.raises(UserError, match="a has tracks of different lengths: arousal 2, valence 3"):
        tracks.length(
            item("a", arousal=(0.1, [1, 2]), valence=(0.1, [1, 2, 3])), 0.1, [AROUSAL, VALENCE]
        )


def test_targets_that_are_learned_together_have_one_step():
    items = [item("a", arousal=(0.1, [1]), valence=(0.1, [1])), item("b")]
    assert tracks.step_of(items, [AROUSAL, VALENCE]) == 0.1
    with pytest.raises(UserError, match=r"0\.1 s .arousal of a., 0\.04 s .arousal of c."):
        tracks.step_of([*items, item("c", arousal=(0.04, [1]))], [AROUSAL])
    with pytest.raises(UserError, match="no label says it"):
        tracks.step_of([item("b")], [AROUSAL])


def test_permuted_labels_are_whole_tracks_cut_or_repeated_and_unlabelled_items_stay_so():
    own = [np.arange(3.0), np.full(4, np.nan), 10 + np.arange(5.0), 20 + np.arange(2.0)]
    found = tracks.exchanged(own, 5, "fold 1 train")
    assert [len(track) for track in found] == [3, 4, 5, 2] and np.isnan(found[1]).all()
    sources = []
    for track in (found[0], found[2], found[3]):
        source = next(s for s in (0, 2, 3) if own[s][0] == track[0])
        sources.append(source)
        assert track.tolist() == [own[source][k % len(own[source])] for k in range(len(track))]
    assert sorted(sources) == [0, 2, 3]
    assert any(tracks.exchanged(own, seed, "fold 1 train")[0][0] != 0 for seed in range(5))
    again = tracks.exchanged(own, 5, "fold 1 train")  # the same for a seed
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, again, strict=True))


def test_the_tracks_of_all_targets_of_an_item_go_to_the_same_other_item():
    items = [
        item(str(n), arousal=(0.1, [n] * 3), valence=(0.1, [10 * n] * (3 + n))) for n in range(5)
    ]
    found = tracks.with_exchanged(items, [AROUSAL, VALENCE], 1, "train")
    sources = [one.value(AROUSAL).values[0] for one in found]
    assert sources != [0, 1, 2, 3, 4] and sorted(sources) == [0, 1, 2, 3, 4]
    assert [one.value(VALENCE).values[0] for one in found] == [10 * source for source in sources]
    assert [len(one.value(VALENCE).values) for one in found] == [3, 4, 5, 6, 7]
    assert [one.id for one in found] == [one.id for one in items]
