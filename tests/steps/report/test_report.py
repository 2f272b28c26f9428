"""The page is whole, self-contained, escaped and the same each time."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest

from steps.report import make_report, pictures
from steps.scoring import score
from tests.patience import processor_seconds
from tests.steps.scored_recipe import CLASSES, folds_by_speaker, recipe, utterances, write_data, write_system
from utils.errors import UserError

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that elements are balanced, and keeps what was seen."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)

    def find(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def made(path, data, exp, *options, protocol="folds"):
    stem = str(path / "RESULTS")
    score.main(["--protocol", protocol, "--results", stem, str(data), str(exp)])
    make_report.main(["--protocol", protocol, "--results", stem, *options, str(data), str(exp)])
    return (exp / "report" / "index.html").read_text()


def test_the_page_has_every_section_and_needs_no_network(tmp_path):
    data, exp = recipe(tmp_path)
    (exp / "audit").mkdir()
    (exp / "audit" / "folds.json").write_text(json.dumps({
        "corpus": "made-up", "protocol": "folds", "passed": True, "components": [], "leaks": [], "of": {}, "overlaps": [
            {"kind": "speaker", "with": "train", "verdict": "partly", "affected": 0, "tested": 9, "shared": 0,
             "unknown": {"test": [3, 9]}, "examples": []}],
        "permuted": [{"system": "p", "UA": 0.2, "chance": 0.25, "low": 0.1, "high": 0.4, "rule": "r",
                      "passed": True}]}))
    (data / "validation.json").write_text(json.dumps({
        "utterances": 96, "hours": 0.04, "classes": dict.fromkeys(CLASSES, 24), "genders": {"female": 48, "male": 48},
        "durations": {"min": 1, "median": 1.5, "max": 2},
        "duration_histogram": {"edges": [1, 1.5, 2], "counts": [40, 56]},
        "class_by_speaker": {f"s{i:02d}": dict.fromkeys(CLASSES, 2) for i in range(12)}, "warnings": ["look <here>"],
        "confounds": [{"field": "speaker", "values": 29, "pure": 26, "accuracy": 0.95, "chance": 0.3, "highest": 0.4,
                       "strength": 0.93, "tells": True}]}))
    text = made(tmp_path, data, exp)
    page = Page(text)
    assert [entry["id"] for entry in page.find("section")] == [
        "results", "differences", "confusions", "curves", "errors", "data", "audit", "configuration"]
    assert "3 of 9 test utterances unknown" in text
    assert "What else tells the label" in text and 'Speaker <span class="tag warn">determines' in text
    assert not re.search(r"(src|href|url)\s*[=(]\s*['\"]?(https?:)?//", text)
    assert "default-src 'none'" in text and "Synthetic speech." in text and "multitask_is10" in text
    row = next(row for row in json.loads((tmp_path / "RESULTS.json").read_text())["rows"]
               if row["best_on_dev"] and row["part"] == "test")
    assert f"{100 * row['metrics']['MAF']:.1f}" in page.texts and f"UA {100 * row['metrics']['UA']:.1f}" in page.texts


def test_the_same_files_give_the_same_page_in_seconds(tmp_path):
    data, exp = recipe(tmp_path)
    first = made(tmp_path, data, exp)
    _, seconds = processor_seconds(lambda: make_report.main(["--protocol", "folds", str(data), str(exp)]))
    assert seconds < 10
    assert (exp / "report" / "index.html").read_text().replace("RESULTS", "") == first.replace("RESULTS", "")


@pytest.mark.parametrize("speaker_known", [True, False])
def test_hostile_names_are_shown_and_never_run(tmp_path, speaker_known):
    evil = "<script>alert(1)</script>\"'&"
    rows = [{**row, "text": evil, "path": tmp_path / f"{evil} {i}.wav"} for i, row in enumerate(utterances(9))]
    for row in rows:
        row["speaker"] += evil
        if not speaker_known:
            del row["speaker"]
    split = folds_by_speaker(rows if speaker_known else utterances(9), 3)
    data = write_data(tmp_path / "data", rows, {"folds": split}, name=evil, language=evil, speakers_known=speaker_known,
                      source=evil, missing=[evil])
    write_system(tmp_path / "exp", "sys" + evil.replace("/", ""), "folds", "norm-global", rows, split, 0.5, curve=True)
    page = Page(made(tmp_path, data, tmp_path / "exp"))
    assert len(page.find("script")) == 1
    assert any(evil in text for text in page.texts)
    source = page.find("audio")[0]["src"]
    assert "<" not in source and evil.split("/")[0] in unquote(source)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_players_point_from_the_page_to_the_recordings_and_may_be_embedded(tmp_path):
    rows = utterances(9)
    split = folds_by_speaker(rows, 3)
    (tmp_path / "with space").mkdir()
    for row in rows:
        row["path"] = tmp_path / "with space" / f"{row['id']}.wav"
        row["path"].write_bytes(b"RIFF" + row["id"].encode())
    data = write_data(tmp_path / "data", rows, {"folds": split})
    write_system(tmp_path / "exp", "svm", "folds", "norm-global", rows, split, 0.3)
    text = made(tmp_path, data, tmp_path / "exp")
    players = [entry["src"] for entry in Page(text).find("audio")]
    assert len(players) == 15 and "data:audio" not in text
    for source in players:
        assert source.startswith("../../with%20space/")
        assert (tmp_path / "exp" / "report" / unquote(source)).is_file()
    text = made(tmp_path, data, tmp_path / "exp", "--embed-audio", "2")
    players = [entry["src"] for entry in Page(text).find("audio")]
    assert [source.startswith("data:audio/wav;base64,UklGR") for source in players] == [True] * 2 + [False] * 13


def test_worst_errors_are_the_most_confident_wrong_decisions(tmp_path):
    from steps.data.dataset import Dataset
    from steps.scoring.collect import errors, find_systems
    from steps.scoring.scores import read_scores

    data, exp = recipe(tmp_path)
    dataset = Dataset.open(data)
    system = next(s for s in find_systems(exp, "folds") if s.subsystem == "svm_is10")
    found = errors(dataset, dataset.split("folds"), system, dataset.target(), 5)
    wrong = []
    for path in exp.glob("svm_is10/folds/*/fold*/seed0/scores/emotion/test.tsv"):
        scores = read_scores(path)
        wrong += [float(np.exp(row.max())) for row, d, y in zip(scores.logp, scores.decisions, scores.references,
                                                               strict=True) if d != y]
    assert [error["posterior"] for error in found] == pytest.approx(sorted(wrong, reverse=True)[:5])


def test_a_page_of_sessions_has_its_table(tmp_path):
    from steps.scoring.scores import write_regression

    rows = [{"id": f"p{i}", "session": f"p{i}", "phq8": float(i), "speaker": f"p{i}"} for i in range(30)]
    split = [(row["id"], 1, ("train", "dev", "test")[i % 3]) for i, row in enumerate(rows)]
    data = write_data(tmp_path / "data", rows, {"folds": split}, targets=[
        {"field": "phq8", "kind": "number", "of": "session"}])
    for part in ("dev", "test"):
        mine = [row for row, line in zip(rows, split, strict=True) if line[2] == part]
        table = tmp_path / f"exp/net/folds/norm-none/fold1/seed0/scores/phq8/{part}.tsv"
        write_regression(table, [r["id"] for r in mine], [r["phq8"] for r in mine], [r["phq8"] + 1 for r in mine])
    (tmp_path / "exp/net/folds/subsystem.json").write_text("{}")
    page = Page(made(tmp_path, data, tmp_path / "exp"))
    assert "CCC" in page.texts and "1.000" in page.texts
    assert "confusions" not in [entry["id"] for entry in page.find("section")]


def test_a_protocol_that_is_not_scored_is_one_clear_line(tmp_path):
    data, exp = recipe(tmp_path)
    with pytest.raises(UserError, match="run steps/score.sh first"):
        make_report.main(["--protocol", "folds", str(data), str(exp)])


def test_pictures_survive_constant_and_single_values():
    assert "NaN" not in pictures.forest_plot([("a", "b", 0.5, None, True)], "x")
    assert "nan" not in pictures.curves([("l", "#000", np.array([1.0]), np.array([[0.5]]))], "x")
    assert "nan" not in pictures.histogram([1.0, 1.0], [3], "s")
    assert "nan" not in pictures.confusion_matrix(np.zeros((2, 2)), ["a", "b"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_draws_it_and_its_policy_blocks_nothing_of_its_own(tmp_path):
    data, exp = recipe(tmp_path)
    made(tmp_path, data, exp)
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}", "--window-size=1200,2000",
         (exp / "report" / "index.html").resolve().as_uri()], capture_output=True, text=True, timeout=120, check=False)
    assert (tmp_path / "page.png").stat().st_size > 50_000, done.stderr[-2000:]
    assert "Content Security Policy" not in done.stderr


def test_noise_has_a_line_a_system_and_a_table(tmp_path):
    from steps.report.noise_section import robustness_html

    def row(variant, value, snr=None):
        subset = {} if snr is None else {"subset": f"{snr} dB", "condition": {"snr": snr, "kinds": ["music"],
                                                                              "noises": "synthetic"}}
        values = dict.fromkeys(("MAF", "UA", "WA"), value)
        return {"corpus": "toy", "protocol": "folds", "target": "emotion", "subsystem": "svm<b>",
                "variant": variant, "summary": {"kind": "confusion"}, "metrics": values, "sd": {},
                "intervals": {"UA": [value - 0.1, value + 0.1]}, **subset}

    scored = {"clean": [row("norm-global", 0.8), row("norm-global+aug", 0.75), row("other", 0.9)],
              "rows": [row("norm-global", 0.4, 0), row("norm-global+aug", 0.6, 0), row("norm-global", 0.7, 20)]}
    text = robustness_html(scored)
    page = Page(text)
    assert [line.get("stroke-dasharray") for line in page.find("polyline")] == [None, None, "6 4", "6 4"] or \
        [line.get("stroke-dasharray") for line in page.find("polyline")] == ["6 4", "6 4", None, None]
    heads = [content for content in page.texts if content in ("clean", "20 dB", "0 dB")]
    assert heads == ["clean", "20 dB", "0 dB"] * 4  # of the picture and of three tables
    assert "svm<b>" in page.texts and "other" not in page.texts and "30.0–50.0" in page.texts
    assert robustness_html({}) == ""
