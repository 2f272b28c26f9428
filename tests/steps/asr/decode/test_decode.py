"""Greedy, prefix beam and graph decoding: against sums over all alignments, and from a data set to its table."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from steps.asr.decode import decode_task
from steps.asr.decode.config import DecodeConfig
from steps.asr.decode.decode import decode_items, greedy, make_decoder, prefix_beam
from steps.asr.decode.engine import engine
from steps.asr.decode.graph import Graph
from steps.asr.decode.hypothesis import Hypothesis, read_hypotheses
from steps.asr.decode.lattice import Lattice
from steps.asr.decode.make_graph import build
from steps.asr.decode.prefix_beam import search
from steps.asr.decode.word_times import word_times
from steps.asr.units import Units
from tests.steps.asr.decode.test_graph import ARPA, CONFIG, SPELLINGS, UNITS, posteriors
from utils.config import load_config
from utils.errors import UserError

LETTERS = Units(["<blk>", "<unk>", "▁a", "b", "▁", "a"])  # "a" has the spellings [2] and [4, 5]


def collapse(path):
    return tuple(unit for unit, _ in itertools.groupby(path) if unit)


def sums(logp):
    """{units: log of the sum over all alignments}."""
    found = {}
    for path in itertools.product(range(logp.shape[1]), repeat=len(logp)):
        value = sum(float(logp[t, unit]) for t, unit in enumerate(path))
        found[collapse(path)] = np.logaddexp(found.get(collapse(path), -np.inf), value)
    return found


def planted(path, units=5, sure=0.9):
    logp = np.full((len(path), units), (1 - sure) / (units - 1))
    logp[np.arange(len(path)), path] = sure
    return np.log(logp).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_prefix_beam_is_exact_when_it_keeps_everything(frames):
    logp = posteriors(frames, frames, units=4)
    expected = sums(logp)
    found = search(logp, beam=10**6, units_a_frame=10)
    assert {tuple(units): mass for units, mass in found} == pytest.approx(expected, abs=1e-6)
    assert [mass for _, mass in found] == sorted((mass for _, mass in found), reverse=True)


def test_a_narrow_prefix_beam_never_says_too_much():
    logp = 4 * posteriors(6, 1, units=5)  # as peaky as a trained network's
    logp -= np.logaddexp.reduce(logp, axis=1, keepdims=True)
    expected = sums(logp)
    found = search(logp, beam=6, units_a_frame=3)
    assert len(found) == 6
    for units, mass in found:
        assert mass <= expected[tuple(units)] + 1e-9
    best = max(expected, key=expected.get)
    assert tuple(found[0][0]) == best and found[0][1] > expected[best] - 0.5


def test_prefix_beam_takes_another_blank():
    logp = posteriors(4, 2, units=4)
    moved = search(np.roll(logp, -1, axis=1), 1000, 10, blank=3)
    assert {tuple(unit + 1 for unit in units): mass for units, mass in moved} == pytest.approx(
        {tuple(units): mass for units, mass in search(logp, 1000, 10)})


def test_word_sequences_are_distinct_and_their_spellings_summed():
    logp = posteriors(4, 7, units=6)
    expected = {}
    for units, mass in sums(logp).items():
        words = tuple(LETTERS.decode(units).split())
        expected[words] = np.logaddexp(expected.get(words, -np.inf), mass)
    found = prefix_beam(logp, LETTERS, prefixes=10**6, nbest=10**6)
    assert {h.words: h.log_posterior for h in found} == pytest.approx(expected, abs=1e-5)
    assert sum(math.exp(h.log_posterior) for h in found) == pytest.approx(1, abs=1e-5)
    assert all(len(h.words) == len(h.times) == len(h.confidences) for h in found)


def test_greedy_takes_the_best_unit_of_each_frame():
    logp = planted([0, 2, 2, 3, 0, 0, 4, 4])
    found = greedy(logp, UNITS, 0.04)
    assert found.words == ("ab", "b") and found.text == "ab b"
    np.testing.assert_allclose(found.times, [(0.04, 0.16), (0.24, 0.32)])
    assert found.confidences == pytest.approx((0.9, 0.9))
    assert found.log_posterior == pytest.approx(8 * math.log(0.9), rel=1e-5)


def test_times_are_those_of_the_best_alignment(tmp_path, engine_name):
    (tmp_path / "lm.arpa").write_text(ARPA)
    build(tmp_path / "graph", SPELLINGS, UNITS, tmp_path / "lm.arpa")
    graph = Graph.open(tmp_path / "graph")
    logp = planted([0, 4, 4, 0, 2, 0])
    config = DecodeConfig(method="graph", engine=engine_name)
    for decoder in (make_decoder(config, UNITS, 0.04, graph), make_decoder(DecodeConfig(method="prefix"), UNITS, 0.04)):
        best = decoder.decode(logp)[0]
        assert best.words == ("b", "a")
        np.testing.assert_allclose(best.times, [(0.04, 0.12), (0.16, 0.20)])
        assert all(0.5 < confidence <= 1 for confidence in best.confidences)


def test_of_several_spellings_the_times_are_those_of_the_spoken_one():
    logp = planted([0, 4, 5, 0, 2, 0, 3], units=6)
    spoken = word_times(logp, [[[2], [4, 5]], [[2, 3], [3]]], 0.1)
    assert spoken == (pytest.approx((0.1, 0.3)), pytest.approx((0.4, 0.7)))
    assert word_times(logp, [], 0.1) == ()
    twice = word_times(planted([2, 0, 2], units=6), [[[2]], [[2]]], 0.1)  # equal neighbors: a blank between
    assert twice == (pytest.approx((0.0, 0.1)), pytest.approx((0.2, 0.3)))


def test_no_frames_no_words(tmp_path, engine_name):
    (tmp_path / "lm.arpa").write_text(ARPA)
    build(tmp_path / "graph", SPELLINGS, UNITS, tmp_path / "lm.arpa")
    for method in ("greedy", "prefix", "graph"):
        config = DecodeConfig(method=method, engine=engine_name)
        found = make_decoder(config, UNITS, 0.04, Graph.open(tmp_path / "graph")).decode(np.zeros((0, 5), np.float32))
        assert found == [Hypothesis()] and found[0].confidence == 0


def test_the_memory_cap_names_the_option_to_lower(tmp_path, engine_name):
    (tmp_path / "lm.arpa").write_text(ARPA)
    build(tmp_path / "graph", SPELLINGS, UNITS, tmp_path / "lm.arpa")
    config = DecodeConfig(**{**CONFIG, "max_memory": 1e-5})
    decoder = engine(engine_name).graph_decoder(Graph.open(tmp_path / "graph"), config, 0.04)
    with pytest.raises(UserError, match=r"400 frames takes more than max_memory.*lower .*beam"):
        decoder.decode(posteriors(400))


def test_a_lattices_nbest_is_the_sum_over_its_paths():
    """A random acyclic lattice with empty arcs, parallel paths and several words an arc, all paths enumerated."""
    rng = np.random.default_rng(4)
    arcs = [(s, t, int(rng.integers(0, 4)), float(rng.normal())) for s in range(6) for t in range(s + 1, 7)
            if rng.random() < 0.7] + [(0, 1, 1, -0.3), (0, 1, 1, -0.9), (5, 6, 0, 0.1)]
    sequences = [(), (1,), (2,), (1, 2)]
    finals = np.full(7, -np.inf)
    finals[[4, 6]] = [-0.5, 0.2]
    masses, best = {}, -np.inf

    def walk(state, words, score):
        nonlocal best
        if finals[state] > -np.inf:
            masses[words] = np.logaddexp(masses.get(words, -np.inf), score + finals[state])
            best = max(best, score + finals[state])
        for source, target, part, weight in arcs:
            if source == state:
                walk(target, words + sequences[part], score + weight)

    walk(0, (), 0.0)
    renamed = np.array([0, 5, 3, 1, 6, 2, 4])  # states are in no order
    ends = np.empty(7)
    ends[renamed] = finals
    sources, targets, parts, scores = (np.array(column) for column in zip(*arcs, strict=True))
    lattice = Lattice(0, ends, renamed[sources], renamed[targets], parts, scores, sequences)
    total = np.logaddexp.reduce(list(masses.values()))
    assert lattice.best() == pytest.approx(best) and lattice.total() == pytest.approx(total)
    found = {entry.words: entry.log_posterior for entry in lattice.nbest(10**4)}
    assert found == pytest.approx({words: mass - total for words, mass in masses.items()})
    few = lattice.nbest(3)
    assert [entry.words for entry in few] == sorted(masses, key=lambda words: -masses[words])[:3]


class Recognizer:
    """Posteriors that the features are: every fourth row."""

    units, frame_shift, subsampling, dim, fingerprint = UNITS, 0.04, 4, 5, "abc"
    extractor = SimpleNamespace(name="fbank", kind="frames", dim=5, options={})

    def log_posteriors(self, features):
        return [np.asarray(rows)[::4] for rows in features]


def test_items_come_out_in_their_order():
    features = [(f"u{n}", np.repeat(planted([2, 3, 0] * n), 4, axis=0)) for n in (5, 0, 9, 1)]
    decoder = make_decoder(DecodeConfig(), UNITS, 0.04)
    found = list(decode_items(Recognizer(), iter(features), decoder))
    assert [(key, len(best.words)) for key, (best,) in found] == [("u5", 5), ("u0", 0), ("u9", 9), ("u1", 1)]


@pytest.fixture
def data(tmp_path, monkeypatch):
    from steps.features.store import ArchiveWriter
    from tests.steps.scored_recipe import folds_by_speaker, utterances, write_data
    from utils.files import write_json

    rows = utterances(3, 1)
    path = write_data(tmp_path / "data", rows, {"folds": folds_by_speaker(rows, 3)})
    ids = sorted(row["id"] for row in rows)
    with ArchiveWriter(path / "fbank", 1, 5) as writer:
        for number, key in enumerate(ids[1:]):
            writer.add(key, np.repeat(planted([2, 3, 0] * (number + 1)), 4, axis=0))
        writer.fail(ids[0], "too short")
        writer.commit()
    write_json(path / "fbank" / "feature.json", {"name": "fbank", "version": "1", "options": {}, "kind": "frames",
                                                 "dim": 5, "frame_shift": 0.01, "archives": 1})
    monkeypatch.setattr("steps.asr.recognizers.recognizer.open_recognizer", lambda *arguments: Recognizer())
    return path, ids


def run(data, out, *options, tasks=2):
    def step(*what):
        decode_task.main(["--asr", "asr", "--nj", str(tasks), *options, *what,
                          str(data), str(out)])

    step("--prepare")
    for task in range(1, tasks + 1):
        step("--task", str(task))
    step("--finish")
    return read_hypotheses(out / "hypotheses.tsv")


def test_a_set_is_decoded_by_tasks_each_utterance_once(data, tmp_path, capsys):
    path, ids = data
    found = run(path, tmp_path / "out")
    assert list(found) == ids and found[ids[0]] == []
    assert [found[key][0].text for key in ids[1:]] == [" ".join(["ab"] * (n + 1)) for n in range(len(ids) - 1)]
    printed = capsys.readouterr()
    assert f"{len(ids)} utterances, 0 with an empty text, 1 failed" in printed.out
    assert f"failed: {ids[0]}\n" in printed.err
    assert run(path, tmp_path / "one", tasks=1) == found
    part = run(path, tmp_path / "part", "--split", "folds", "--fold", "1", "--part", "test")
    assert 0 < len(part) < len(found) and all(found[key] == value for key, value in part.items())


def test_a_restart_keeps_whole_tasks_and_other_options_clear_them(data, tmp_path, capsys):
    out = tmp_path / "out"
    first = run(data[0], out)
    kept = (out / "hypotheses.1.tsv").stat().st_mtime_ns
    (out / "hypotheses.2.tsv").unlink()
    assert run(data[0], out) == first and (out / "hypotheses.1.tsv").stat().st_mtime_ns == kept
    assert "1 of 2 tasks to do" in capsys.readouterr().out
    (out / "hypotheses.2.tsv").unlink()
    with pytest.raises(UserError, match="task 2 of 2 has left no hypotheses"):
        decode_task.main(["--asr", "asr", "--nj", "2", "--finish", str(data[0]), str(out)])
    with pytest.raises(UserError, match="was begun with config.method"):
        decode_task.main(["--asr", "asr", "--nj", "2", "--task", "2", "--method", "prefix",
                          str(data[0]), str(out)])
    again = run(data[0], out, "--method", "prefix")
    assert [h[0].text if h else "" for h in again.values()] == [h[0].text if h else "" for h in first.values()]
    assert "config.method changed since an earlier run" in capsys.readouterr().err


def test_options_that_do_not_fit_each_other(data, tmp_path):
    for options, message in ((["--method", "graph"], "needs --graph"), (["--graph", "g"], "takes no --graph"),
                             (["--part", "dev"], "go together"), (["--task", "3"], "expected 1 to 1"),
                             (["--set", "beams=3"], "did you mean beam"),
                             (["--set", "calibration=[1]"], "two numbers")):
        arguments = ["--asr", "a", *options, str(data[0]), str(tmp_path / "o")]
        with pytest.raises(UserError, match=message):
            decode_task.main(arguments + ([] if "--task" in options else ["--prepare"]))


def test_the_defaults_of_the_file_are_those_of_the_class():
    assert load_config(DecodeConfig, "asr_decode") == DecodeConfig()
