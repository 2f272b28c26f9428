"""Folds for corpora that publish none, on random corpora: nobody and nothing is on two sides of a fold."""

import dataclasses
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from utils.corpus import PARTS, Row, safe_ids
from utils.folds import carve_dev, class_parts, default_protocols, linked, speaker_parts

SETTINGS = settings(max_examples=25, deadline=None)


def corpus(picks: list[tuple[int, int, int]]) -> list[Row]:
    return [Row(f"u{n:03}", fields={"speaker": f"s{speaker}", "dialogue": f"d{dialogue}", "emotion": f"e{emotion}"})
            for n, (speaker, dialogue, emotion) in enumerate(picks)]


picks = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9), st.integers(0, 3)), min_size=12, max_size=60)


@SETTINGS
@given(picks)
def test_default_folds_test_everything_once_and_keep_speakers_apart(picks):
    rows = corpus(picks)
    speakers = {row.speaker for row in rows}
    [protocol] = default_protocols(rows)
    tested = Counter(key for fold in protocol.folds for key, part in fold.items() if part == "test")
    assert tested == Counter(row.id for row in rows)
    assert protocol.speaker_overlap == (len(speakers) < 3)
    for fold in protocol.folds:
        sides = {part: {row.speaker for row in rows if fold[row.id] == part} for part in PARTS}
        if len(speakers) >= 3:
            assert all(sides.values())
            assert sum(map(len, sides.values())) == len(speakers)
        elif len(speakers) == 2:
            assert not sides["test"] & (sides["train"] | sides["dev"])


@SETTINGS
@given(picks)
def test_linked_groups_are_the_connected_components(picks):
    rows = corpus(picks)
    group = linked(rows, ("speaker", "dialogue"))
    wanted = {row.id: {row.id} for row in rows}  # by growing sets until nothing grows: slow, and plainly right
    for _ in rows:
        for row in rows:
            near = {other.id for other in rows
                    if any(other.fields[key] == row.fields[key] for key in ("speaker", "dialogue"))}
            wanted[row.id] = set().union(*(wanted[key] for key in near), near)
    assert all(group[a.id] == min(wanted[a.id]) for a in rows)


def test_folds_do_not_depend_on_the_order_of_the_rows():
    rows = corpus([(n % 5, n % 20, n % 3) for n in range(40)])
    assert default_protocols(rows)[0].folds == [
        {key: fold[key] for key in (row.id for row in rows)} for fold in default_protocols(rows[::-1])[0].folds]


def test_dev_is_a_fifth_and_of_whole_speakers():
    rows = corpus([(n % 10, n, n % 3) for n in range(100)])
    parts = carve_dev({row.id: "test" if row.speaker in ("s0", "s1") else "train" for row in rows}, rows)
    speakers = {part: {row.speaker for row in rows if parts[row.id] == part} for part in PARTS}
    assert speakers["test"] == {"s0", "s1"} and len(speakers["dev"]) == 2
    assert not speakers["dev"] & (speakers["train"] | speakers["test"])


@SETTINGS
@given(st.lists(st.text(max_size=12), unique=True, max_size=20))
def test_ids_from_any_names_are_safe_and_unique(names):
    ids = safe_ids(names)
    assert len(set(ids)) == len(names) == len(ids)
    assert not any(set(key) & set("\t\n\r /'\"$") or not key for key in ids)


@SETTINGS
@given(picks)
def test_parts_by_speaker_share_none_and_are_never_empty(picks):
    rows = corpus(picks)
    [fold] = speaker_parts("speakers", rows).folds
    sides = {part: {row.speaker for row in rows if fold[row.id] == part} for part in PARTS}
    assert set(fold) == {row.id for row in rows}
    assert sum(map(len, sides.values())) == len({row.speaker for row in rows})
    assert all(sides.values()) or len({row.speaker for row in rows}) < 3
    assert speaker_parts("speakers", rows[::-1]).folds == [fold]


@SETTINGS
@given(picks)
def test_parts_by_class_have_a_fifth_and_a_tenth_of_each(picks):
    rows = corpus(picks)
    [fold] = class_parts("class", rows).folds
    whole = Counter(row.fields["emotion"] for row in rows)
    for part, share in (("test", 0.2), ("dev", 0.1)):
        found = Counter(row.fields["emotion"] for row in rows if fold[row.id] == part)
        assert all(found[name] in (max(1, round(share * count)), count - max(1, round(0.2 * count)))
                   for name, count in whole.items())
    assert class_parts("class", rows[::-1]).folds == [fold]


def test_the_same_sound_and_segments_of_one_recording_stay_in_one_fold():
    rows = [Row(f"{s}_{n}", Path(f"/{s}_{n}.wav"), fields={"speaker": f"s{s}", "emotion": "ab"[n % 2]},
                group="x" if (s, n) in ((0, 0), (4, 1)) else "") for s in range(8) for n in range(4)]
    rows += [Row(f"long_{s}", Path("/long.wav"), start=float(s), fields={"speaker": f"s{s}", "emotion": "a"})
             for s in (1, 2)]
    for known in (True, False):
        fields = ("speaker", "emotion") if known else ("emotion",)
        [protocol] = default_protocols([dataclasses.replace(row, fields={name: row.fields[name] for name in fields})
                                        for row in rows])
        assert protocol.automatic and len(protocol.folds) >= 3 and protocol.random is not known
        for fold in protocol.folds:
            assert fold["0_0"] == fold["4_1"] and fold["long_1"] == fold["long_2"]


def test_one_recording_of_all_is_divided_where_nothing_else_is_left():
    rows = [Row(f"r{n}", Path("/long.wav"), start=float(n), fields={"emotion": "ab"[n % 2]}) for n in range(20)]
    [protocol] = default_protocols(rows)
    assert len(protocol.folds) == 5


def test_two_of_three_speakers_with_the_same_sound_are_one():
    rows = [Row(f"{s}_{n}", Path(f"/{s}_{n}.wav"), fields={"speaker": f"s{s}", "emotion": "ab"[n % 2]},
                group="x" if n == 0 and s < 2 else "") for s in range(3) for n in range(10)]
    [protocol] = default_protocols(rows)
    assert protocol.name == "one_speaker_out" and len(protocol.folds) == 2
    assert all(fold["0_0"] == fold["1_0"] for fold in protocol.folds)
