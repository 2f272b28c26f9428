"""tf-idf against scikit-learn, n-grams of Mandarin, expected counts against a loop."""

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from steps.text.ngrams import character_ngrams, expected_counts, word_ngrams
from steps.text.normal_form import normalize, words
from steps.text.vectorizer import Block, Vectorizer
from utils.errors import UserError

TEXTS = [normalize(text) for text in (
    "I can't believe it, I can't!", "What do you believe?", "a", "You know what? You know.", "我们用 iPhone 14 手机",
    "你好，我们走吧 oh no", "oh no no no", "it's the end, you know the end")]
NEW = [normalize(text) for text in ("you believe me", "我们 know 你", "zzzz", "i i i i")]


def alone(texts):
    return [[(text, 1.0)] for text in texts]


@pytest.mark.parametrize("sublinear", [True, False])
@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize(("kind", "ranges", "theirs"), [
    ("words", (1, 2), {"analyzer": "word", "tokenizer": words, "token_pattern": None}),
    ("words", (2, 3), {"analyzer": "word", "tokenizer": words, "token_pattern": None}),
    ("characters", (1, 5), {"analyzer": "char_wb"}),
    ("characters", (4, 6), {"analyzer": "char_wb"}),
])
def test_a_block_is_scikit_learns_tf_idf(kind, ranges, theirs, least, sublinear):
    oracle = TfidfVectorizer(ngram_range=ranges, lowercase=False, min_df=least, sublinear_tf=sublinear, **theirs)
    wanted = oracle.fit_transform(TEXTS)
    block = Block.fit(alone(TEXTS), kind, ranges, sublinear, least)
    assert list(block.vocabulary) == list(oracle.get_feature_names_out())
    np.testing.assert_allclose(block.idf, oracle.idf_, atol=1e-12)
    np.testing.assert_allclose(block.transform(alone(TEXTS)).toarray(), wanted.toarray(), atol=1e-12)
    np.testing.assert_allclose(block.transform(alone(NEW)).toarray(), oracle.transform(NEW).toarray(), atol=1e-12)


def test_characters_stay_within_words_and_cross_those_of_chinese():
    assert sorted(character_ngrams("no 我们走", 2, 3)) == sorted([
        " n", "no", "o ", " no", "no ", " 我", "我们", "们走", "走 ", " 我们", "我们走", "们走 "])
    assert list(word_ngrams("no 我们", 1, 2)) == ["no", "我", "们", "no 我", "我 们"]


def test_expected_counts_are_the_posterior_weighted_counts():
    nbest = [("no no way", 0.5), ("no way", 0.3), ("nowhere", 0.2)]
    looped = Counter()
    for text, weight in nbest:
        tokens = text.split()
        for first in range(len(tokens)):
            looped[tokens[first]] += weight
            if first + 1 < len(tokens):
                looped[f"{tokens[first]} {tokens[first + 1]}"] += weight
    assert expected_counts(nbest, word_ngrams, 1, 2) == pytest.approx(looped)
    assert looped["no"] == pytest.approx(1.3)


def test_expected_counts_make_tf_and_document_frequency():
    documents = [[("no no no", 0.5), ("know", 0.5)], [("know", 1.0)]]
    block = Block.fit(documents, "words", (1, 1), True, 1)
    assert block.vocabulary == ("know", "no")
    # df: know 0.5 + 1; no min(1, 1.5)
    np.testing.assert_allclose(block.idf, [math.log(3 / 2.5) + 1, math.log(3 / 2) + 1])
    tf = np.array([0.5, 1 + math.log(1.5)]) * block.idf  # a count below 1 stays
    np.testing.assert_allclose(block.transform(documents).toarray()[0], tf / np.linalg.norm(tf))


def test_blocks_stand_side_by_side_and_come_back_from_what_is_stored():
    made = Vectorizer.fit(alone(TEXTS), {"words": [1, 2], "characters": [1, 3]}, True, 2)
    again = Vectorizer.from_parts(made.to_json(), made.to_arrays())
    rows = made.transform(alone(NEW))
    assert rows.shape == (len(NEW), made.dim)
    np.testing.assert_array_equal(rows.toarray(), again.transform(alone(NEW)).toarray())
    np.testing.assert_allclose(rows.power(2).sum(), 2 + 2 + 0 + 2)  # "zzzz" holds nothing known
    only = Vectorizer.fit(alone(TEXTS), {"words": [], "characters": [1, 3]}, True, 2)
    np.testing.assert_array_equal(only.transform(alone(NEW)).toarray(), rows.toarray()[:, -only.dim:])


def test_texts_without_a_frequent_ngram_are_one_clear_line():
    with pytest.raises(UserError, match="no n-gram occurs in 3 of the 2 texts .* min_documents"):
        Vectorizer.fit(alone(["ab", "cd"]), {"words": [1, 1], "characters": [2, 2]}, True, 3)
