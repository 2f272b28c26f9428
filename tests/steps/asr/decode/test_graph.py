"""Graphs against enumeration: on a toy every path of every word sequence is written down by hand of the definitions."""

import functools
import itertools
import math

import numpy as np
import pytest

from steps.asr.decode import graph_parts
from steps.asr.decode.config import DecodeConfig
from steps.asr.decode.engine import engine
from steps.asr.decode.fst import Fst
from steps.asr.decode.graph import Graph
from steps.asr.decode.make_graph import build
from steps.asr.units import Units
from utils.errors import UserError

ARPA = """\\data\\
ngram 1=6
ngram 2=5

\\1-grams:
-99\t<s>\t-0.30
-0.60\t</s>
-1.20\t<unk>
-0.50\ta\t-0.20
-0.70\tab\t-0.40
-0.90\tb\t-0.10

\\2-grams:
-0.25\t<s> a
-0.40\ta b
-0.35\tab a
-0.15\tb </s>
-0.80\tb b

\\end\\
"""
UNITS = Units(["<blk>", "<unk>", "▁a", "b", "▁b"])
SPELLINGS = {"a": [(2,)], "ab": [(2, 3)], "b": [(4,), (3,)]}
LOG10 = math.log(10)


@pytest.fixture
def graph(tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA)
    build(tmp_path / "graph", SPELLINGS, UNITS, tmp_path / "lm.arpa")
    return Graph.open(tmp_path / "graph", UNITS)


def posteriors(frames, seed=0, units=5):
    scores = np.random.default_rng(seed).normal(size=(frames, units)).astype(np.float32) * 1.5
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


@functools.lru_cache
def grams():
    found, weights = {}, {}
    for line in ARPA.splitlines():
        cells = line.split("\t")
        if len(cells) > 1:
            found[tuple(cells[1].split())] = float(cells[0])
            weights[tuple(cells[1].split())] = float(cells[2]) if len(cells) > 2 else 0.0
    return found, weights


def grammar_paths(words):
    """Natural-log weights of all paths of G for a sentence: explicit bigram or backoff, wherever there is a choice."""
    found, weights = grams()
    total = [0.0]
    history = "<s>"
    for word in [*words, "</s>"]:
        ways = [weights[(history,)] + found[(word,)]]
        if (history, word) in found:
            ways.append(found[(history, word)])
        total = [before + way * LOG10 for before in total for way in ways]
        history = word
    # A state of G that only backs off: after a word without bigrams of its own there is nothing but the backoff.
    return total


@functools.lru_cache
def collapsed(frames, units=5):
    return [(path, tuple(unit for unit, _ in itertools.groupby(path) if unit))
            for path in itertools.product(range(units), repeat=frames)]


def enumerate_words(logp, most=3):
    """{words: (best path, log sum over paths)} by brute force over alignments, spellings and paths of G."""
    by_units = {}
    for path, units in collapsed(len(logp)):
        by_units.setdefault(units, []).append(sum(float(logp[t, unit]) for t, unit in enumerate(path)))
    found = {}
    for count in range(most + 1):
        for words in itertools.product(SPELLINGS, repeat=count):
            scores = [alignment + weight
                      for spelling in itertools.product(*(SPELLINGS[word] for word in words))
                      for alignment in by_units.get(sum(spelling, ()), [])
                      for weight in grammar_paths(words)]
            if scores:
                found[words] = max(scores), float(np.logaddexp.reduce(scores))
    return found


CONFIG = dict(method="graph", beam=1000.0, lattice_beam=1000.0, lm_scale=1.0, nbest=100, max_active=100000)


@pytest.mark.parametrize(("frames", "seed"), [(1, 0), (2, 1), (3, 2), (4, 3)])
def test_every_word_sequence_scores_as_by_enumeration(graph, engine_name, frames, seed):
    logp = posteriors(frames, seed)
    decoder = engine(engine_name).graph_decoder(graph, DecodeConfig(**CONFIG), 0.04)
    expected = enumerate_words(logp, most=frames)
    lattice = decoder.lattice(logp)
    assert lattice.best() == pytest.approx(max(best for best, _ in expected.values()), abs=1e-4)
    total = float(np.logaddexp.reduce([mass for _, mass in expected.values()]))
    if engine_name == "torch":  # k2 keeps one of two paths that become parallel when empty arcs go
        assert lattice.total() == pytest.approx(total, abs=1e-4)
    found = {tuple(hypothesis.words): hypothesis.log_posterior for hypothesis in decoder.decode(logp)}
    assert set(found) == set(expected)
    tolerance = 1e-4 if engine_name == "torch" else 0.5
    for words, (_, mass) in expected.items():
        assert found[words] == pytest.approx(mass - total, abs=tolerance), words
    assert sum(math.exp(value) for value in found.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("lm_scale", "acoustic_scale", "penalty"), [(0.5, 1.0, 0.0), (2.0, 0.7, 1.5)])
def test_scales_and_blank_penalty(graph, engine_name, lm_scale, acoustic_scale, penalty):
    logp = posteriors(3, 9)
    config = DecodeConfig(**{**CONFIG, "lm_scale": lm_scale}, acoustic_scale=acoustic_scale, blank_penalty=penalty)
    scaled = logp * acoustic_scale
    scaled[:, 0] -= penalty
    best = -np.inf
    for count in range(4):
        for words in itertools.product(SPELLINGS, repeat=count):
            spellings = {sum(spelling, ()) for spelling in itertools.product(*(SPELLINGS[word] for word in words))}
            for path, units in collapsed(3):
                if units in spellings:
                    score = sum(float(scaled[t, unit]) for t, unit in enumerate(path))
                    best = max(best, score + lm_scale * max(grammar_paths(words)))
    assert engine(engine_name).graph_decoder(graph, config, 0.04).lattice(logp).best() == pytest.approx(best, abs=1e-4)


def test_more_words_share_the_unknown_words_probability(tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA)
    spellings = {**SPELLINGS, "bb": [(4, 3)], "aa": [(2, 2)]}
    about = build(tmp_path / "graph", spellings, UNITS, tmp_path / "lm.arpa", ["bb", "aa", "a"])
    assert about["added"] == 2 and about["words"] == 5
    logp = np.full((3, 5), -50.0, dtype=np.float32)
    logp[[0, 1, 2], [2, 0, 2]] = 0.0  # aa; or a a
    decoder = engine("torch").graph_decoder(Graph.open(tmp_path / "graph"), DecodeConfig(**CONFIG), 0.04)
    found = {hypothesis.text: hypothesis.log_posterior for hypothesis in decoder.decode(logp)}
    alone = (-0.30 + -1.20 - math.log10(2)) + -0.60
    two = [way + -0.20 + -0.50 + -0.20 + -0.60 for way in (-0.25, -0.30 - 0.50)]
    two = np.logaddexp.reduce(np.array(two) * LOG10)
    assert found["aa"] - found["a a"] == pytest.approx(alone * LOG10 - two, abs=1e-3)
    with pytest.raises(UserError, match="no probability"):
        (tmp_path / "closed.arpa").write_text(ARPA.replace("-1.20\t<unk>\n", "").replace("1=6", "1=5"))
        build(tmp_path / "closed", spellings, UNITS, tmp_path / "closed.arpa", ["bb"])


def test_words_without_a_spelling_are_left_out_and_counted(tmp_path, engine_name):
    (tmp_path / "lm.arpa").write_text(ARPA)
    about = build(tmp_path / "graph", {"a": [(2,)], "b": [(4,)]}, UNITS, tmp_path / "lm.arpa")
    assert (about["words"], about["left_out"]) == (2, 1)
    decoder = engine(engine_name).graph_decoder(Graph.open(tmp_path / "graph"), DecodeConfig(**CONFIG), 0.04)
    assert {word for hypothesis in decoder.decode(posteriors(3)) for word in hypothesis.words} == {"a", "b"}


def test_bad_parts_are_one_line_each(tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA)

    def made(spellings, arpa="lm.arpa"):
        build(tmp_path / "graph", spellings, UNITS, tmp_path / arpa)

    with pytest.raises(UserError, match="over other symbols"):
        made({"hello": [(2,)], "world": [(3,)]})
    with pytest.raises(UserError, match="spells 'a'"):
        made({"a": [()]})
    with pytest.raises(UserError, match="spells 'a'"):
        made({"a": [(0,)]})
    with pytest.raises(UserError, match="does not exist"):
        made(SPELLINGS, "none.arpa")
    (tmp_path / "text").write_text("a b\n")
    with pytest.raises(UserError, match="no ARPA model"):
        made(SPELLINGS, "text")
    with pytest.raises(UserError, match="holds no decoding graph"):
        Graph.open(tmp_path / "graph")


def test_a_graph_of_other_units_is_refused(graph):
    with pytest.raises(UserError, match="other units"):
        Graph.open(graph.directory, Units(["<blk>", "<unk>", "▁a", "c", "▁b"]))
    with pytest.raises(UserError, match="posteriors have 4"):
        engine("torch").graph_decoder(graph, DecodeConfig(**CONFIG), 0.04).decode(posteriors(3, units=4))


def test_the_same_parts_make_the_same_graph(graph, tmp_path):
    build(tmp_path / "again", dict(reversed(SPELLINGS.items())), UNITS, tmp_path / "lm.arpa")
    assert (tmp_path / "again" / "TLG.fst").read_bytes() == (graph.directory / "TLG.fst").read_bytes()
    assert Graph.open(tmp_path / "again").fingerprint == graph.fingerprint


def test_another_blank_than_unit_0(tmp_path):
    """A foreign model whose blank comes last: the same posteriors, columns moved, give the same."""
    (tmp_path / "lm.arpa").write_text(ARPA)
    build(tmp_path / "first", SPELLINGS, UNITS, tmp_path / "lm.arpa")
    moved = Units(["<unk>", "▁a", "b", "▁b", "<blk>"])
    spellings = {word: [tuple(unit - 1 for unit in spelling) for spelling in value]
                 for word, value in SPELLINGS.items()}
    build(tmp_path / "last", spellings, moved, tmp_path / "lm.arpa")
    logp = posteriors(4, 5)
    results = [engine("torch").graph_decoder(Graph.open(tmp_path / name), DecodeConfig(**CONFIG), 0.04).decode(scores)
               for name, scores in (("first", logp), ("last", np.roll(logp, -1, axis=1)))]
    assert [h.words for h in results[0]] == [h.words for h in results[1]]
    np.testing.assert_allclose(*([h.log_posterior for h in found] for found in results), atol=1e-4)


def test_files_are_openfst_s(tmp_path):
    import kaldifst

    rng = np.random.default_rng(0)
    fst = Fst.of(2, np.where(rng.random(6) < 0.5, rng.random(6), np.inf), rng.integers(0, 6, 30),
                 rng.integers(0, 9, 30), rng.integers(0, 9, 30), rng.integers(0, 6, 30), rng.random(30))
    fst.write(tmp_path / "a.fst")
    theirs = kaldifst.StdVectorFst.read(str(tmp_path / "a.fst"))
    lines = sorted(tuple(float(cell) for cell in line.split()) for line in theirs.to_str().strip().splitlines()
                   if len(line.split()) == 5)
    mine = sorted(tuple(float(cell) for cell in row) for row in
                  zip(fst.sources, fst.targets, fst.inputs, fst.outputs, fst.costs[:, 0], strict=True))
    np.testing.assert_allclose(lines, mine, rtol=1e-5)
    theirs.write(str(tmp_path / "b.fst"))
    again = Fst.read(tmp_path / "b.fst")
    assert again.start == 2
    for name in ("finals", "sources", "inputs", "outputs", "targets", "costs"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fst, name))
    (tmp_path / "cut.fst").write_bytes((tmp_path / "a.fst").read_bytes()[:-8])
    with pytest.raises(UserError, match="damaged"):
        Fst.read(tmp_path / "cut.fst")
    assert graph_parts.lexicon({}, ["<eps>", "#0"], 3).inputs.tolist() == [4]
