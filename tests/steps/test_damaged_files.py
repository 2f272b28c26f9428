"""Files of an experiment that hold something else: each front end that reads them ends in one line that names them."""

import json
import shutil

import pytest

from steps.audit import audit_leaks
from steps.fusion import fuse
from steps.report import make_report
from steps.scoring import score, write_submission
from tests.steps.scored_recipe import recipe
from utils.errors import run_main

SVM = "exp/svm_is10/folds/"
RUN = SVM + "norm-global/fold1/seed0/"
FUSION = "exp/fusion_simplex/folds/"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """data and exp below one directory, fused and scored."""
    root = tmp_path_factory.mktemp("whole")
    recipe(root, speakers=6, per_class=1)
    for front_end in (fused, scored):
        assert run_main(*front_end(root)) == 0
    return root


def fused(root):
    return fuse.main, ["--protocol", "folds", "--subsystems", "svm_is10 forest_is10", str(root / "data"),
                       str(root / "exp")]


def scored(root):
    return score.main, ["--protocol", "folds", "--results", str(root / "RESULTS"), str(root / "data"),
                        str(root / "exp")]


def reported(root):
    return make_report.main, ["--protocol", "folds", "--results", str(root / "RESULTS"), str(root / "data"),
                              str(root / "exp")]


def audited(root):
    return audit_leaks.main, ["--protocol", "folds", "--permuted", str(root / "exp/permuted/folds"),
                              str(root / "data"), str(root / "exp")]


def submitted(root):
    return write_submission.main, ["--protocol", "folds", str(root / "data"), str(root / "exp"),
                                   str(root / "submission.tsv")]


def put(*keys, value):
    """JSON with one value changed; without the key where the value is `...`."""
    def change(raw):
        content = inner = json.loads(raw)
        for key in keys[:-1]:
            inner = inner[key]
        if value is ...:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
        return json.dumps(content).encode()

    return change


def cells(line, column, value):
    """A table with one cell changed."""
    def change(raw):
        lines = [text.split("\t") for text in raw.decode().split("\n")]
        lines[line][column] = value
        return "\n".join("\t".join(row) for row in lines).encode()

    return change


CASES = [
    (SVM + "subsystem.json", b"", (scored, reported, fused)),
    (SVM + "subsystem.json", b"[" * 100_000, (scored,)),
    (SVM + "subsystem.json", b"[]", (scored, audited)),
    (SVM + "subsystem.json", put("folds", value="1 2"), (scored,)),
    (SVM + "subsystem.json", put("seeds", value=[None]), (scored,)),
    (SVM + "subsystem.json", put("init", value=3), (audited,)),
    ("exp/permuted/folds/subsystem.json", put("variants", value=[1]), (audited,)),
    (FUSION + "subsystem.json", put("fuses", value=["a"]), (scored, submitted)),
    (RUN + "metrics.json", b"\xff", (scored, reported)),
    (RUN + "metrics.json", put("targets", "emotion", "prior_scored", value=3), (scored, fused)),
    (RUN + "metrics.json", put("chosen", value="x"), (reported,)),
    (RUN + "scores/emotion/test.tsv", b"", (scored, fused)),
    (RUN + "scores/emotion/test.tsv", b"\xe4\n", (scored,)),
    (RUN + "scores/emotion/test.tsv", cells(1, 2, "nan"), (scored, fused)),
    (RUN + "scores/emotion/test.tsv", cells(1, 2, "x"), (scored,)),
    (RUN + "scores/emotion/dev.tsv", cells(2, 1, "x\x1b[2J"), (fused,)),
    ("exp/scored/folds.json", put("rows", value=[3]), (reported,)),
    ("exp/scored/folds.json", put("rows", 0, "summary", value=None), (reported,)),
    ("exp/fusion/folds.json", put("primary", value=None), (reported,)),
    ("exp/fusion/folds.json", put("candidates", value="x"), (reported,)),
    ("data/corpus.json", put("targets", 0, "classes", value="angry"), (scored, fused, audited)),
    ("data/corpus.json", put("targets", 0, "kind", value=["x"]), (scored,)),
    ("data/cuts.jsonl.gz", b"\x1f\x8b\x08\x00", (scored, audited)),
    ("data/splits/folds.tsv", cells(1, 1, "\u00b2"), (scored,)),
    ("data/splits/folds.tsv", lambda raw: raw[:-3], (scored,)),
    ("data/splits/folds.json", put("speaker_overlap", value="no"), (scored,)),
    ("RESULTS.json", put("rows", 0, "corpus", value=...), (scored,)),
]


@pytest.mark.parametrize(("name", "content", "front_ends"), CASES,
                         ids=[f"{name}-{number}" for number, (name, _, _) in enumerate(CASES)])
def test_a_damaged_file_is_one_line_that_names_it(whole, tmp_path, capsys, name, content, front_ends):
    root = shutil.copytree(whole, tmp_path / "root")
    path = root / name
    damaged = content(path.read_bytes()) if callable(content) else content
    for front_end in front_ends:
        path.write_bytes(damaged)
        capsys.readouterr()
        assert run_main(*front_end(root)) == 1
        *_, line = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and line.isprintable() and str(path) in line, line
