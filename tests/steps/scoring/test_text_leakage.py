"""The report on recognized against reference text, with few sentences."""

import numpy as np
import pytest

from steps.scoring import text_leakage
from steps.scoring.score import about_text
from steps.scoring.statistics import sign_flip
from steps.scoring.summary import Summary, figures
from steps.scoring.tables import tables
from tests.steps.scored_recipe import CLASSES


def row(source, right, speakers=8, sentences=2, part="test"):
    """A system whose share of right decisions on class c is right[c], 20 utterances a speaker and class."""
    summary = Summary(4)
    labels = np.repeat(np.arange(4), 20)
    for speaker in range(speakers):
        hits = np.concatenate([np.arange(20) < round(20 * share) + speaker % 2 for share in right])
        summary.add_decisions((speaker + 1, 0), [f"s{speaker}"] * 80, labels, np.where(hits, labels, (labels + 1) % 4))
    return {"corpus": "acted", "protocol": "folds", "target": "emotion", "subsystem": "text",
            "variant": f"{source}-text",
            "part": part,
            "text_source": source, "sentences": sentences, "of": "utterance",
            "classes": CLASSES, "seeds": [0], "items": 640, "speakers": speakers, "marks": [], "primary": False,
            "commit": "", **figures(summary), "summary": summary.to_json()}


def test_the_excess_is_a_difference_of_ua_with_a_paired_test():
    rows = [row("asr", (0.5, 0.4, 0.3, 0.4)), row("reference", (0.25, 0.25, 0.25, 0.25))]
    [found] = text_leakage.excesses(rows)
    assert found["excess"] == pytest.approx(0.15) and found["chance"] == 0.25 and found["sentences"] == 2
    assert found["p"] == pytest.approx(sign_flip(np.full(8, 0.15)).p) == pytest.approx(2 / 2 ** 8)
    [line] = text_leakage.sentences(rows)
    assert "UA 42.5 on what was heard of 2 sentences and 27.5 [" in line and "chance is 25.0" in line
    assert "Excess +15.0 (p = 0.008, sign-flip test over 8 speakers): acoustic leakage" in line
    assert line in tables(rows, "test") and line not in tables(rows, "dev")


def test_no_excess_is_no_leakage_and_unknown_speakers_are_not_tested():
    same = [row("nbest", (0.25,) * 4), row("reference", (0.25,) * 4)]
    assert "Excess +0.0 (p = 1.000, sign-flip test over 8 speakers): no leakage that" in text_leakage.sentences(same)[0]
    unknown = [row("asr", (0.5,) * 4), row("reference", (0.25,) * 4)]
    for one in unknown:
        one["summary"]["counts"] = {key: {"?": next(iter(group.values()))}
                                    for key, group in one["summary"]["counts"].items()}
    assert "(no test, speakers unknown): no leakage" in text_leakage.sentences(unknown)[0]


@pytest.mark.parametrize("rows", [
    [row("asr", (0.5,) * 4)], [row("reference", (0.5,) * 4)],
    [row("asr", (0.5,) * 4, sentences=900), row("reference", (0.25,) * 4, sentences=900)],
    [row("asr", (0.5,) * 4), row("reference", (0.25,) * 4, part="dev")]])
def test_without_a_sibling_or_with_many_sentences_nothing_is_told(rows):
    assert text_leakage.sentences(rows) == []


def test_a_system_knows_its_source_and_its_sentences():
    class Data:
        items = {key: type("Item", (), {"text": text, "language": "en"})
                 for key, text in enumerate(("Kids talk.", "kids talk", "Dogs sit", None))}

    class System:
        variant, about = "asr-text+permuted", {"text_source": {"asr-text+permuted": "asr"}}

    assert about_text(Data, System) == {"text_source": "asr", "sentences": 2}
    System.variant, System.about = "norm-global", {"text_source": "asr"}  # a fusion
    assert about_text(Data, System)["text_source"] == "asr"
    System.about = {}
    assert about_text(Data, System) == {"text_source": None}
