"""The names of variants: what each word means, and that writing gives the name again."""

import pytest

from steps.data.variant import Variant


@pytest.mark.parametrize(("name", "variant"), [
    ("norm-speaker", Variant(norm="speaker")),
    ("norm-global+aug", Variant(norm="global", augmented=True)),
    ("norm-global+permuted+aug", Variant(norm="global", permuted=True, augmented=True)),
    ("norm-none+target-phq8", Variant(norm="none", targets=("phq8",))),
    ("norm-none+target-arousal-valence", Variant(norm="none", targets=("arousal", "valence"))),
    ("norm-global+labels-0.1+unlabelled-mini-plain-train+unlabelled-permuted_speech",
     Variant(norm="global", labels="0.1", unlabelled=("mini-plain-train", "permuted_speech"))),
    ("asr-text", Variant(text="asr")), ("nbest-text+permuted", Variant(text="nbest", permuted=True)),
    ("ref-text", Variant(text="reference")), ("norm-global+extended", Variant(norm="global", extended=True)),
    ("-", Variant(base="-")), ("beam-8+lm-big", Variant(base="beam-8", further=("lm-big",)))])
def test_a_name_is_read_and_written(name, variant):
    assert Variant.parse(name) == variant and str(variant) == name


def test_plain_is_what_names_the_normalization_alone():
    assert Variant.parse("norm-global").plain and Variant.parse("ref-text").plain
    assert not any(Variant.parse(name).plain for name in ("norm-global+aug", "norm-global+target-phq8"))
    assert Variant.parse("norm-global+aug").short() == "global + aug"
