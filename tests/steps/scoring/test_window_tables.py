"""The window study: a line a window, from the shortest, with a paired test against it."""

import itertools
import json
import re

import numpy as np
import pytest
from sklearn.metrics import recall_score

from steps.report import make_report
from steps.scoring import score
from steps.scoring.scores import read_scores
from steps.scoring.window_tables import studies, window_tables
from tests.steps.scored_recipe import folds_by_speaker, recipe, utterances, write_system

WINDOWS = {100: 1.2, 25: 0.4, 65: 1.6}


@pytest.fixture
def scored(tmp_path):
    """12 speakers; PyResNet on three windows, written in no order, beside other systems."""
    data, exp = recipe(tmp_path, per_class=6)
    rows = utterances(12, 6)
    for length, strength in WINDOWS.items():
        write_system(exp, f"pyresnet_{length}ms", "folds", "norm-global", rows, folds_by_speaker(rows), strength)
    assert score.main(["--protocol", "folds", "--results", str(tmp_path / "RESULTS"), str(data), str(exp)]) == 0
    return tmp_path, data, exp


def speaker_recalls(exp, length):
    """{speaker: mean recall over classes} from the score tables alone."""
    decided: dict[str, list[tuple[str, str]]] = {}
    for fold in (1, 2, 3):
        found = read_scores(exp / f"pyresnet_{length}ms/folds/norm-global/fold{fold}/seed0/scores/emotion/test.tsv")
        for key, label, choice in zip(found.ids, found.labels, found.logp.argmax(axis=1), strict=True):
            decided.setdefault(key[:3], []).append((label, found.classes[choice]))
    return {speaker: recall_score(*zip(*pairs, strict=True), average="macro") for speaker, pairs in decided.items()}


def test_a_line_a_window_with_interval_and_a_test_against_the_shortest(scored):
    directory, _, exp = scored
    rows = {row["subsystem"]: row for row in json.loads((directory / "RESULTS.json").read_text())["rows"]
            if row["part"] == "test"}
    text = (directory / "RESULTS.md").read_text()
    block = text[text.index("by the length of the window"):].split("\n\n")[1]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]
    assert [line[0] for line in lines] == ["25 ms", "65 ms", "100 ms"]
    shortest = speaker_recalls(exp, 25)
    for length, line in zip(sorted(WINDOWS), lines, strict=True):
        row = rows[f"pyresnet_{length}ms"]
        found = [float(number) for number in re.findall(r"[0-9.]+", line[1])]
        assert found == [pytest.approx(100 * value, abs=0.051) for value in (row["metrics"]["UA"],
                                                                             *row["intervals"]["UA"])]
        if length == 25:
            assert line[3] == ""
            continue
        mine = speaker_recalls(exp, length)
        differences = np.array([mine[name] - shortest[name] for name in shortest])
        flipped = np.array(list(itertools.product([1, -1], repeat=12))) @ differences
        p = (np.abs(flipped) >= abs(differences.sum()) - 1e-9).mean()
        assert line[3] == ("< 0.001" if p < 0.001 else f"{p:.3f}")
    assert text.count("by the length of the window") == 1  # dev has none


def test_the_report_has_the_table(scored):
    directory, data, exp = scored
    make_report.main(["--protocol", "folds", "--results", str(directory / "RESULTS"), str(data), str(exp)])
    page = (exp / "report/index.html").read_text()
    section = page[page.index("<h2>Windows</h2>"):]
    assert section.index("25 ms") < section.index("65 ms") < section.index("100 ms")


def test_one_window_is_no_study():
    row = {"corpus": "c", "protocol": "p", "target": "emotion", "subsystem": "pyresnet_25ms", "variant": "v",
           "metrics": {"UA": 0.5}}
    assert studies([row, {**row, "subsystem": "pyresnet"}, {**row, "subsystem": "x_65ms"}]) == {}
    assert window_tables([row]) == []
