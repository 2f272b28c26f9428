"""What the plan of the synthetic corpus promises: classes, speakers, words, and nothing shared between parts."""

import re
from collections import Counter, defaultdict
from random import Random

import pytest

from local import mini
from local.synthesis.sentences import make_sentence, tables
from local.synthesis.speakers import ASR_SPEAKERS, EMOTION_SPEAKERS


@pytest.fixture(scope="module", params=[0, 7])
def full(request):
    return mini.plan("emotion", "full", request.param)


@pytest.fixture(scope="module")
def asr():
    return mini.plan("asr", "full", 0)


def by_part(plan, what):
    """part -> set of what(utterance)."""
    found = defaultdict(set)
    for utterance in plan:
        found[utterance.speaker.part].add(what(utterance))
    return found


def test_classes_are_unbalanced_as_in_films(full):
    assert 780 <= len(full) <= 820
    counts = [name for name, _ in Counter(u.emotion for u in full).most_common()]
    assert set(counts) == set(mini.CORPUS.targets[0].classes) and len(counts) == 8
    assert counts[0] == "neutral" and set(counts[-2:]) == {"disgust", "surprise"}
    for emotions in by_part(full, lambda u: u.emotion).values():
        assert emotions == set(mini.CORPUS.targets[0].classes)


def test_six_women_and_six_men_each_in_one_part(full):
    genders = {u.speaker.name: u.speaker.gender for u in full}
    assert Counter(genders.values()) == {"female": 6, "male": 6}
    names = by_part(full, lambda u: u.speaker.name)
    assert {part: len(members) for part, members in names.items()} == {"train": 8, "dev": 2, "test": 2}
    assert len(set().union(*names.values())) == 12
    voices = {(s.variant, s.warp) for s in EMOTION_SPEAKERS}
    assert len(voices) == 12


@pytest.mark.parametrize("what", [lambda u: u.sentence.text, lambda u: u.sentence.template],
                         ids=["sentence", "template"])
def test_nothing_said_in_one_part_is_said_in_another(full, what):
    train, dev, test = (by_part(full, what)[part] for part in ("train", "dev", "test"))
    assert not train & dev and not train & test and not dev & test


def test_patterns_of_parts_differ_as_text_too():
    for language in tables().values():
        kinds = language["templates"]
        shape = lambda pattern: re.sub(r"\{\w+\}", "{}", pattern).strip("? ")  # noqa: E731
        parts = [{shape(p) for kind in ("plain", "own", "reported") for p in kinds[kind][part]}
                 for part in ("train", "dev", "test")]
        parts.append({shape(p) for p in kinds["asr"]})
        assert sum(map(len, parts)) == len(set().union(*parts))


def test_words_and_characters_suffice(full):
    english = {word for u in full if u.language == "en" for word in u.sentence.text.split()}
    chinese = {char for u in full if u.language == "zh" for char in u.sentence.text}
    assert len(english) >= 300 and all(re.fullmatch(r"[a-z']+", word) for word in english)
    assert len(chinese) >= 200 and all("\u4e00" <= char <= "\u9fff" for char in chinese)


def test_some_sentences_carry_the_emotion_and_some_do_not(full):
    cues = Counter(u.cue for u in full if u.emotion != "neutral")
    assert set(cues) == {"voice", "words", "both"} and min(cues.values()) > 0.1 * sum(cues.values())
    for u in full:
        kind = u.sentence.template.split("-")[1]
        assert (kind == "own") == (u.cue in ("words", "both"))
        assert (u.intensity > 0.5) == (u.cue in ("voice", "both"))


def test_noise_of_every_kind_at_5_to_25_db(full):
    assert {u.noise for u in full} == {"hum", "babble", "chords", "impulses"}
    assert all(5 <= u.snr <= 25 for u in full)
    assert {u.delivery.burst for u in full} == {"", "laugh", "sob"}


def test_babble_is_of_other_speakers_of_the_same_part(full):
    planned = {u.id: u for u in full}
    for u in full:
        assert len(u.babblers) == (3 if u.noise == "babble" else 0)
        for other in (planned[name].speaker for name in u.babblers):
            assert other.part == u.speaker.part and other != u.speaker


def test_the_seed_decides():
    assert mini.plan("emotion", "tiny", 3) == mini.plan("emotion", "tiny", 3)
    one, two = (mini.plan("emotion", "tiny", seed) for seed in (3, 4))
    assert {u.sentence.text for u in one} != {u.sentence.text for u in two}


def test_the_tiny_set_has_every_class_in_every_part():
    plan = mini.plan("emotion", "tiny", 0)
    assert 50 <= len(plan) <= 60 and len({u.speaker.name for u in plan}) >= 6
    assert all(len(emotions) == 8 for emotions in by_part(plan, lambda u: u.emotion).values())


def test_the_set_for_recognizers_shares_nothing_with_the_emotional_one(full, asr):
    assert 1400 <= len(asr) <= 1600 and all(u.emotion is None for u in asr)
    assert Counter(u.language for u in asr)["en"] > 500 < Counter(u.language for u in asr)["zh"]
    settings = lambda s: (s.variant, s.accent, s.rate, s.pitch, s.warp)  # noqa: E731
    assert len({settings(s) for s in ASR_SPEAKERS}) >= 20
    assert not {settings(s) for s in ASR_SPEAKERS} & {settings(s) for s in EMOTION_SPEAKERS}
    unseen = {s.variant for s in EMOTION_SPEAKERS if s.part != "train"}
    assert not unseen & {s.variant for s in ASR_SPEAKERS}
    for what in (lambda u: u.sentence.text, lambda u: u.sentence.template, lambda u: u.speaker.name):
        assert not set(map(what, full)) & set(map(what, asr))


def test_a_sentence_does_not_use_a_word_twice():
    for seed in range(200):
        sentence = make_sentence("en", "t", "{thing} {thing} {thing}?", None, Random(seed))
        words = sentence.text.split()
        assert len(set(words)) == 3 and sentence.question


def test_transcripts_have_no_punctuation():
    sentence = make_sentence("zh", "t", "{cry}, {person}来了", "happy", Random(0))
    assert "," in sentence.spoken and "," not in sentence.text and " " not in sentence.text
