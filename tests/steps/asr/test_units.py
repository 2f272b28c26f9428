"""Units: spelling, reading back, and the tokens.txt of foreign models."""

import pytest

from steps.asr.train.learn_units import learn_units
from steps.asr.units import Units, UnitsConfig, read_tokens
from steps.text.normal_form import normalize, words
from utils.errors import UserError

ENGLISH = ["the cat sat on the mat", "the dog's dinner is on the mat", "a cat and a dog sat down", "it's the other one"]
CHINESE = ["今天天气很好", "我们今天去北京", "天气不好我们不去", "我用 iphone 打电话", "北京的天气"]


def train(texts, **options):
    return learn_units(texts, UnitsConfig(**options))


@pytest.mark.parametrize("options", [{"vocabulary": 40}, {"kind": "char"}, {"kind": "mixed", "vocabulary": 30},
                                     {"kind": "bpe", "vocabulary": 80, "fallback": "bytes"}])
def test_text_comes_back_and_the_blank_is_never_used(options, capsys):
    texts = ENGLISH if options.get("kind") == "bpe" else ENGLISH + CHINESE
    if "kind" not in options:
        texts = ENGLISH
    units = train(texts, **options)
    assert units.tokens[:2] == ["<blk>", "<unk>"] and (units.blank, units.unknown) == (0, 1)
    for text in texts:
        ids = units.encode(text.upper() + "!")
        assert units.decode(ids) == normalize(text)
        assert ids and 0 not in ids and 1 not in ids
        assert units.unknown_characters(text) == set()


def test_saved_units_are_the_same_units(tmp_path, capsys):
    for kind in ("bpe", "char", "mixed"):
        units = train(ENGLISH + CHINESE, kind=kind, vocabulary=60)
        units.save(tmp_path / kind)
        loaded = Units.load(tmp_path / kind)
        assert loaded == units and len(loaded) == len(units)
        for text in ENGLISH + CHINESE + ["不在 zebra 里面 quiz"]:
            assert loaded.encode(text) == units.encode(text)
        lines = (tmp_path / kind / "tokens.txt").read_text(encoding="utf-8").splitlines()
        assert lines[0] == "<blk> 0" and [int(line.split()[1]) for line in lines] == list(range(len(units)))


def test_characters_outside_the_set_are_unknown_one_by_one():
    units = train(ENGLISH, vocabulary=40)
    assert units.unknown_characters("the zoo quiz") == {"z", "q", "u"}
    ids = units.encode("zzz")
    assert ids.count(units.unknown) == 3
    assert units.decode(units.encode("the z mat")) == "the mat"


def test_rare_characters_are_spelled_by_bytes_so_that_nothing_is_lost():
    units = train(CHINESE, kind="mixed", vocabulary=20, minimum_count=2)
    assert "天" in units.tokens and "打" not in units.tokens
    ids = units.encode("天打")
    assert [units.tokens[number] for number in ids] == ["天", "<0xE6>", "<0x89>", "<0x93>"]
    for text in ("我打电话", "打 zebra 話 café", "é", "𠀀"):
        assert units.decode(units.encode(text)) == text
        assert units.unknown_characters(text) == set()
    without = train(CHINESE, kind="mixed", vocabulary=20, minimum_count=2, fallback="unknown")
    assert without.encode("天打")[1:] == [without.unknown]
    assert without.unknown_characters("天打") == {"打"}


def test_broken_bytes_are_dropped_not_raised():
    units = train(CHINESE, kind="char", minimum_count=2)
    whole = units.encode("打天")
    assert units.decode([whole[0], whole[1], whole[3]]) == "天"
    assert units.decode(whole[:2]) == ""


def test_word_spans_say_which_ids_spell_a_word():
    units = train(ENGLISH + CHINESE, kind="mixed", vocabulary=40, minimum_count=2)
    text = "天打 the dog's 气"
    ids = units.encode(text)
    spans = units.word_spans(ids)
    assert [word for word, _, _ in spans] == words(text) == ["天", "打", "the", "dog's", "气"]
    assert [(first, last) for _, first, last in spans][0] == (0, 1)
    assert spans[1][1:] == (1, 4) and spans[-1][2] == len(ids)
    assert all(before[2] == after[1] for before, after in zip(spans, spans[1:], strict=False))
    for word, first, last in spans:
        assert units.decode(ids[first:last]) == word


def test_a_foreign_models_tokens_decode_and_encode_by_longest_match(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text("<blk> 0\n<sos/eos> 1\n<unk> 2\n▁THE 3\n▁T 4\nH 5\nE 6\n▁ 7\nM 8\nY 9\n我 10\n'S 11\n#0 12\n",
                    encoding="utf-8")
    units = Units.from_tokens(path)
    assert (units.blank, units.unknown, len(units)) == (0, 2, 13)
    assert units.encode("the them, he's") == [3, 3, 8, 7, 5, 6, 11]
    assert units.decode([1, 3, 0, 3, 8, 12, 7, 5, 6, 11]) == "the them he's"
    assert units.encode("我 the z") == [10, 3, 7, 2]
    assert units.unknown_characters("zebra them") == {"z", "b", "r", "a"}


def test_a_foreign_model_may_have_its_blank_last_no_unknown_and_a_space_for_a_token(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text("  0\na 1\nb 2\n<blk> 3\n", encoding="utf-8")
    units = Units.from_tokens(path)
    assert units.tokens[0] == "▁" and (units.blank, units.unknown) == (3, None)
    assert units.encode("ab ba") == [0, 1, 2, 0, 2, 1]
    assert units.decode([1, 2, 3, 0, 2, 1]) == "ab ba"
    assert units.unknown_characters("abc") == {"c"}
    with pytest.raises(UserError, match="'c' has no token"):
        units.encode("abc")


@pytest.mark.parametrize("content, message", [("a 0\nb x\n", "line 2: expected `token id`"),
                                              ("a 0\nb 0\n", "line 2: expected `token id` with an id of its own"),
                                              ("a 0\nb 2\n", "no token has the id 1"), ("", "no token has the id 0")])
def test_a_damaged_tokens_file_is_named(tmp_path, content, message):
    path = tmp_path / "tokens.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_tokens(path)


def test_units_that_are_not_there_or_damaged(tmp_path):
    with pytest.raises(UserError, match="has no units.json"):
        Units.load(tmp_path)
    train(ENGLISH, vocabulary=40).save(tmp_path)
    (tmp_path / "tokens.txt").write_text("<blk> 0\n", encoding="utf-8")
    with pytest.raises(UserError, match="is damaged"):
        Units.load(tmp_path)
