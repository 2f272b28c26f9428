"""--size tiny: every class stays, also where a speaker has one emotion only."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from steps.data.tiny import choose_tiny
from utils.corpus import Corpus, Row, Target, speaker_folds
from utils.folds import default_protocols

CLASSES = ("angry", "happy", "neutral", "sad")


def row(speaker: str, label: str, number: int, **fields) -> Row:
    return Row(f"{speaker}-{label}-{number}", Path("x.wav"), fields={"speaker": speaker, "emotion": label, **fields})


def urdu() -> list[Row]:
    """As URDU is made: of 29 speakers 26 have one emotion, and "angry" has no one else."""
    one = [row(f"s{n:02}", CLASSES[(1, 2, 3)[n % 3]] if n < 22 else "angry", k) for n in range(26) for k in range(12)]
    return one + [row(f"s{n}", label, k) for n in (26, 27, 28) for label in CLASSES[1:] for k in range(9)]


def test_every_class_has_speakers_for_train_dev_and_test():
    corpus = Corpus("urdu", (Target(classes=CLASSES),))
    chosen = choose_tiny(urdu(), corpus, default_protocols)
    speakers = {name: {r.speaker for r in chosen if r.fields["emotion"] == name} for name in CLASSES}
    assert all(len(found) >= 3 for found in speakers.values()), speakers
    assert 40 <= len(chosen) <= 80
    assert chosen == choose_tiny(list(reversed(urdu())), corpus, default_protocols)


def test_a_class_of_one_speaker_stays():
    rows = [row(f"s{n}", label, k) for n in range(9) for label in CLASSES[1:] for k in range(4)]
    rows += [row("s8", "angry", k) for k in range(4)]
    chosen = choose_tiny(rows, Corpus("c", (Target(classes=CLASSES),)), default_protocols)
    assert {r.fields["emotion"] for r in chosen} == set(CLASSES)


@pytest.mark.parametrize("fixed", [False, True])
def test_where_everyone_has_every_class_few_speakers_of_either_gender_do(fixed):
    rows = [row(f"s{n:02}", label, k, gender=("female", "male")[n >= 6]) for n, label, k in product(
        range(12), CLASSES, range(5))]
    groups = [[f"s{n:02}", f"s{n + 6:02}"] for n in range(6)]
    corpus = Corpus("c", (Target(classes=CLASSES),))
    chosen = choose_tiny(rows, corpus, lambda found: [speaker_folds("f", found, groups)] if fixed
                         else default_protocols(found))
    speakers = Counter(r.fields["gender"] for r in {r.speaker: r for r in chosen}.values())
    assert abs(speakers["female"] - speakers["male"]) <= 2 and 4 <= speakers.total() <= 6 and 56 <= len(chosen) <= 64
