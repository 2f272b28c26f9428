"""Transcripts to rows of results: every utterance, every subset, whatever the order of the files."""

import json
import random

import pytest

from steps.asr.decode.hypothesis import Hypothesis, write_hypotheses
from steps.asr.transcripts import score_transcripts
from steps.asr.transcripts.score_transcripts import SEEN, UNSEEN
from steps.scoring import results
from tests.steps.scored_recipe import write_data
from utils.errors import UsageError, UserError

WORDS = ["the", "cat", "dog", "sat", "ran", "down", "up", "here", "there", "now"]


@pytest.fixture
def recipe(tmp_path):
    """(directory, data, {id: reference words}): 12 speakers in test, of whom each says one sentence of train."""
    rng = random.Random(0)
    rows, split = [], []
    for part, speakers in (("train", 4), ("dev", 9), ("test", 12)):
        for s in range(speakers):
            for i in range(4):
                text = f"train sentence {i}" if i == 0 else " ".join(rng.choices(WORDS, k=6)) + f" {part} {s} {i}"
                rows.append({"id": f"{part}-{s:02d}-{i}", "speaker": f"{part}{s:02d}", "text": text.upper() + "!"})
                split.append((rows[-1]["id"], 1, part))
    data = write_data(tmp_path / "data", rows, {"official": split}, targets=[],
                      name="made-up")
    return tmp_path, data, {row["id"]: row["text"].lower().rstrip("!").split() for row in rows}


def decode(path, references, rate, seed, parts=("dev", "test"), order=None):
    """Hypotheses files with words replaced at `rate`; sure words are more often right. Returns the errors of test."""
    rng, errors = random.Random(seed), 0
    for part in parts:
        found = {}
        for key in sorted(key for key in references if key.startswith(part)):
            words, confidences = [], []
            for word in references[key]:
                wrong = rng.random() < rate
                errors += wrong and part == "test"
                words.append("xx" if wrong else word)
                confidences.append(rng.uniform(0.1, 0.7) if wrong else rng.uniform(0.4, 1.0))
            times = tuple((float(i), i + 1.0) for i in range(len(words)))
            found[key] = [Hypothesis(tuple(words), -0.1, times, tuple(confidences))]
        write_hypotheses(str(path).replace("{part}", part), found)
    return errors


def run(at, data, *words):
    return score_transcripts.main([*words, "--results", str(at / "RESULTS"), "--command", "egs/x/asr/run.sh", str(data),
                                   str(at / "exp")])


def rows_of(at):
    return results.load(at / "RESULTS.json")


def test_systems_are_ranked_by_wer_with_intervals_and_recomputed_alike(recipe, capsys):
    at, data, references = recipe
    worse = decode(at / "greedy.{part}.tsv", references, 0.3, 1)
    better = decode(at / "graph.{part}.tsv", references, 0.1, 2)
    run(at, data, "--part", "dev", "--part", "test", "--system", f"greedy={at}/greedy.{{part}}.tsv", "--system",
        f"graph/lm3={at}/graph.{{part}}.tsv", "--by-sentence")
    rows = {(row["subsystem"], row["part"], row.get("subset")): row for row in rows_of(at)}
    assert len(rows) == 2 * 2 * 3
    total = sum(len(words) for key, words in references.items() if key.startswith("test"))
    for name, errors in (("greedy", worse), ("graph", better)):
        row = rows[name, "test", None]
        assert row["metrics"]["WER"] == pytest.approx(errors / total, abs=1e-6)
        assert row["metrics"]["substitutions"] == row["metrics"]["WER"] and row["metrics"]["deletions"] == 0
        low, high = row["intervals"]["WER"]
        assert low < row["metrics"]["WER"] < high
        assert 0 < row["metrics"]["ECE"] < 1 and 0.5 < row["metrics"]["AUC"] <= 1
        assert row["items"] == 48 and row["speakers"] == 12
        assert rows[name, "test", SEEN]["items"] == 12 and rows[name, "test", UNSEEN]["items"] == 36
        assert results.recompute(row) == {key: value for key, value in row.items() if key != "paired"}
    assert rows["graph", "test", None]["best_on_dev"] and not rows["greedy", "test", None]["best_on_dev"]
    paired = rows["greedy", "test", None]["paired"]
    assert paired["reference"] == "graph/lm3" and paired["WER"]["difference"] > 0 and paired["WER"]["p"] < 0.05
    text = (at / "RESULTS.md").read_text()
    assert text.index("| **graph** | lm3 |") < text.index("| greedy | - |")
    assert f"made-up, official, text, {UNSEEN}: 36 utterances of 12 speakers" in text


def test_the_counts_of_a_subset_and_its_rest_add_up(recipe):
    at, data, references = recipe
    decode(at / "greedy.{part}.tsv", references, 0.3, 1)
    (at / "ids").write_text("\n".join(key for key in references if key.endswith("-1")) + "\n")
    run(at, data, "--system", f"greedy={at}/greedy.test.tsv", "--by-sentence", "--subset", f"ones={at}/ids")
    rows = {row.get("subset"): row for row in rows_of(at)}
    assert rows["ones"]["items"] == 12

    def counts(subset):
        return results.summary_of(rows[subset]).pooled()[0]

    assert (counts(SEEN) + counts(UNSEEN)).tolist() == counts(None).tolist()


def test_neither_the_order_of_a_file_nor_foreign_utterances_change_a_figure(recipe):
    at, data, references = recipe
    decode(at / "greedy.{part}.tsv", references, 0.3, 1)
    run(at, data, "--system", f"greedy={at}/greedy.test.tsv")
    before = rows_of(at)
    path = at / "greedy.test.tsv"
    head, *lines = path.read_text().splitlines()
    random.Random(1).shuffle(lines)
    path.write_text("\n".join([head, *lines, "another\tx\t1\t[]\t[]"]) + "\n")
    run(at, data, "--system", f"greedy={path}")
    assert rows_of(at) == before


def test_an_utterance_without_hypothesis_is_an_error_and_an_empty_one_is_deleted_words(recipe):
    at, data, references = recipe
    decode(at / "greedy.{part}.tsv", references, 0.0, 1)
    path = at / "greedy.test.tsv"
    head, first, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *lines]) + "\n")
    with pytest.raises(UserError, match="test-00-0 has no hypothesis .1 of the 48 utterances of test"):
        run(at, data, "--system", f"greedy={path}")
    path.write_text("\n".join([head, "test-00-0\t\t0\t[]\t[]", *lines]) + "\n")
    run(at, data, "--system", f"greedy={path}")
    (row,) = rows_of(at)
    total = sum(len(words) for key, words in references.items() if key.startswith("test"))
    assert row["metrics"]["deletions"] == pytest.approx(len(references["test-00-0"]) / total, abs=1e-6)
    assert row["metrics"]["WER"] == row["metrics"]["deletions"]


def test_few_speakers_have_no_interval_and_say_why(recipe):
    at, data, references = recipe
    decode(at / "greedy.{part}.tsv", references, 0.3, 1)
    (at / "ids").write_text("\n".join(key for key in references if key[:7] < "test-07"))
    run(at, data, "--system", f"greedy={at}/greedy.test.tsv", "--subset", f"seven={at}/ids")
    row = next(row for row in rows_of(at) if row.get("subset"))
    assert row["intervals"] == {} and row["no_intervals"] == "only 7 speakers, fewer than 8"


def test_calibration_is_learned_on_dev_and_the_report_shows_alignments(recipe):
    at, data, references = recipe
    decode(at / "greedy.{part}.tsv", references, 0.3, 1)
    words = ["--part", "dev", "--part", "test", "--system", f"greedy={at}/greedy.{{part}}.tsv"]
    run(at, data, *words)
    before = {row["part"]: row["metrics"] for row in rows_of(at)}
    run(at, data, *words, "--calibrate", "--report", str(at / "report.html"))
    after = {row["part"]: row["metrics"] for row in rows_of(at)}
    assert after["test"]["WER"] == before["test"]["WER"] and after["test"]["ECE"] < before["test"]["ECE"] / 1.5
    assert len(json.loads((at / "exp/confidence/greedy.json").read_text())["calibration"]) == 2
    page = (at / "report.html").read_text()
    for shown in ("greedy", "test-00-1", "<svg", "xx", f"{100 * after['test']['WER']:.1f}"):
        assert shown in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_a_recognizer_that_hears_nothing_is_scored_and_has_nothing_to_calibrate(recipe, capsys):
    at, data, references = recipe
    for part in ("dev", "test"):
        write_hypotheses(at / f"mute.{part}.tsv", {key: [] for key in references if key.startswith(part)})
    run(at, data, "--part", "dev", "--part", "test", "--system", f"mute={at}/mute.{{part}}.tsv", "--calibrate")
    assert "mute: no word was recognized on dev" in capsys.readouterr().err
    assert [row["metrics"]["deletions"] for row in rows_of(at)] == [1.0, 1.0]
    assert json.loads((at / "exp/confidence/mute.json").read_text())["calibration"] == [1.0, 0.0]


@pytest.mark.parametrize("words, message", [
    (["--system", "greedy"], "accepted: NAME=FILE"), (["--system", "a=x", "--system", "a=y"], "--system: two have"),
    (["--system", "a=x", "--part", "dev", "--part", "test"], "every FILE needs {part}"),
    (["--system", "a={part}", "--calibrate"], "add --part dev"),
    (["--system", "a=x", "--subset", "nothing"], "expected NAME=FILE"),
])
def test_a_wrong_option_is_one_clear_line(recipe, words, message):
    at, data, _ = recipe
    with pytest.raises(UsageError, match=message):
        run(at, data, *words)


def test_a_subset_of_foreign_ids_is_named(recipe):
    at, data, _ = recipe
    (at / "ids").write_text("nobody\n")
    with pytest.raises(UserError, match="nobody is no utterance"):
        run(at, data, "--system", "a=x", "--subset", f"s={at}/ids")
