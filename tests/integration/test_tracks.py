"""Two tracks from a table to the report: prepared, learned at once, fused, audited, scored, shown,
recomputed."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from steps.audit import audit_leaks
from steps.data import prepare, validate
from steps.data.dataset import Dataset
from steps.examples.fold import load_examples
from steps.examples.hidden import Kept
from steps.experiments import plan, run_task
from steps.experiments.apply import TrainedExperiment
from steps.features import extract
from steps.fusion import fuse
from steps.inference import export
from steps.inference.track_model import TrackModel
from steps.inputs.opening import open_source
from steps.report import make_report
from steps.scoring import recompute, score
from steps.scoring.scores import read_predictions
from tests.integration.box import command, write_table
from tests.lab import run
from utils.errors import UserError
from utils.files import read_json

pytestmark = pytest.mark.slow
RATE, STEP, VALUES = 16000, 0.1, 40
HEAD = "# target: arousal kind=track step=0.1\n# target: valence kind=track step=0.1\n"
BOTH = "norm-global+target-arousal-valence"
SMALL = (
    "model.projection=[8] model.hidden=8 model.dropout=0 training.epochs=8 training.batch_size=3 "
    "training.tensorboard=false training.optimizer.learning_rate=0.02 keep_model=true"
)


def sound(path: Path, seed: int) -> dict[str, str]:
    """Noise that gets louder with arousal and brighter with valence; the tracks as cells of the
    table."""
    rng = np.random.default_rng(seed)
    tracks = np.sin(
        np.cumsum(rng.normal(0, 0.5, (2, VALUES)), axis=1) / 2 + rng.uniform(0, 6, (2, 1))
    )
    loud, bright = np.repeat(tracks, int(RATE * STEP), axis=1)
    noise = rng.normal(size=loud.size)
    wave = 0.02 * 4**loud * (noise + (1 + bright) * np.diff(noise, prepend=0.0))
    soundfile.write(path, np.clip(wave, -1, 1).astype("float32"), RATE)
    return {
        name: json.dumps({"step": STEP, "values": track.round(4).tolist()})
        for name, track in zip(("arousal", "valence"), tracks, strict=True)
    }


def train(where, name, settings=SMALL, *options):
    out = where.exp / name / "official"
    words = [
        "--config",
        "track_gru",
        "--inputs",
        "fbank",
        "--protocol",
        "official",
        "--targets",
        "arousal valence",
        "--set",
        settings,
        "--data",
        where.data,
        "--out",
        out,
        *options,
    ]
    assert run(plan.main, *words) == 0
    log = out / "log" / "arousal-valence"
    for task in sorted(log.glob("task.*.json")):
        assert run(run_task.main, "--device", "cpu", "--data", where.data, "--out", out, task) == 0
    assert run(plan.main, *words, "--finish") == 0


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """Data and exp: 12 speakers with one recording of 4 s each, two networks, and one on permuted
    labels."""
    root = tmp_path_factory.mktemp("tracks")
    rows = [
        {
            "path": f"s{s:02d}.wav",
            "speaker": f"s{s:02d}",
            "part": ("train", "dev", "test")[s % 3],
            **sound(root / f"s{s:02d}.wav", s),
        }
        for s in range(18)
    ]
    rows[0]["valence"] = "-"  # unlabelled
    where = SimpleNamespace(root=root, data=root / "data" / "lab", exp=root / "exp")
    assert (
        run(
            prepare.main,
            "--table",
            write_table(root / "table.tsv", rows, HEAD),
            "--corpus",
            "lab",
            where.data,
        )
        == 0
    )
    assert run(validate.main, where.data) == 0
    for words in (["--prepare"], ["--task", "1"], ["--finish"]):
        assert run(extract.main, "--features", "fbank", where.data, *words) == 0
    train(where, "track_gru")
    train(where, "track_gru_ccc", SMALL + " training.loss=ccc model.hidden=6")
    train(where, "permuted", SMALL, "--permute-labels")
    return where


def test_both_targets_have_a_table_of_scores_and_dev_chose_by_the_mean_of_their_ccc(where):
    place = where.exp / "track_gru/official" / BOTH / "fold1/seed0"
    about = read_json(place / "metrics.json")
    for target in ("arousal", "valence"):
        table = read_predictions(place / "scores" / target / "test.tsv")
        assert table.frames is not None and table.frames.tolist() == list(range(VALUES)) * 6
        assert about["targets"][target]["test"]["CCC"] > 0.5
    columns, *lines = (place / "log/curve.tsv").read_text().splitlines()
    curve = [
        dict(zip(columns.split("\t"), map(float, line.split("\t")), strict=True)) for line in lines
    ]
    means = [(row["dev_CCC_arousal"] + row["dev_CCC_valence"]) / 2 for row in curve]
    assert about["best_epoch"] == int(np.argmax(means)) + 1


def test_an_item_with_hidden_labels_has_no_track_of_any_target(where):
    data = Dataset.open(where.data)
    targets = [data.target("arousal"), data.target("valence")]
    found = load_examples(
        data,
        {"fbank": open_source("fbank", data)},
        data.split("official"),
        1,
        "global",
        kept=Kept(2),
        targets=targets,
    )
    labelled = [
        [item.value(target) is not None for target in targets] for item in found.train.items
    ]
    assert sum(map(any, labelled)) == 2 and len(found.train.unlabelled()) == 4
    assert all(item.value(targets[0]) is not None for item in found.dev.items)


def test_what_applies_classes_refuses_a_model_of_tracks_in_one_line(where):
    with pytest.raises(UserError, match=r"predicts tracks \(arousal, valence\), no classes"):
        TrainedExperiment.open(where.exp / "track_gru/official" / BOTH / "fold1/seed0")


def test_permuted_tracks_are_those_of_other_items_and_test_keeps_its_own(where):
    data = Dataset.open(where.data)
    tables = {
        part: read_predictions(
            where.exp
            / "permuted/official"
            / f"{BOTH}+permuted"
            / "fold1/seed0/scores/arousal"
            / f"{part}.tsv"
        )
        for part in ("dev", "test")
    }
    own = {
        key: np.array(item.value(data.target("arousal")).values) for key, item in data.items.items()
    }
    for part, table in tables.items():
        tracks = table.labels.reshape(-1, VALUES)
        names = table.ids[::VALUES]
        same = [
            np.allclose(track, own[name], atol=1e-5)
            for name, track in zip(names, tracks, strict=True)
        ]
        assert all(same) == (part == "test")
        assert sorted(track.sum().round(3) for track in tracks) == sorted(
            own[name].sum().round(3) for name in names
        )


@pytest.fixture(scope="module")
def fused(where):
    """{target: what the fusion of the two networks tells}."""
    assert (
        run(
            fuse.main,
            "--subsystems",
            "track_gru track_gru_ccc",
            "--variants",
            BOTH,
            "--targets",
            "arousal valence",
            "--protocol",
            "official",
            where.data,
            where.exp,
        )
        == 0
    )
    return {
        "arousal": read_json(where.exp / "fusion/official.json"),
        "valence": read_json(where.exp / "fusion/official.valence.json"),
    }


def test_fused_audited_scored_shown_and_recomputed(where, fused, tmp_path):
    data, exp, accounts = where.data, where.exp, fused
    words = ["--protocol", "official", data, exp]
    for target, account in accounts.items():
        weights = account["weights"]["simplex"][BOTH]["mean"]
        assert sum(weights) == pytest.approx(1) and account["metric"] == "CCC"
        members = [
            read_predictions(
                exp / name / "official" / BOTH / "fold1/seed0/scores" / target / "test.tsv"
            )
            for name in ("track_gru", "track_gru_ccc")
        ]
        mean = read_predictions(
            exp / "fusion_simplex/official" / BOTH / "fold1/seed0/scores" / target / "test.tsv"
        )
        np.testing.assert_allclose(
            mean.predictions,
            sum(weight * one.predictions for weight, one in zip(weights, members, strict=True)),
            atol=2e-6,
        )
    assert run(audit_leaks.main, "--permuted", exp / "permuted/official", *words) == 0
    audit = read_json(exp / "audit/official.json")
    assert [(entry["target"], entry["metric"]) for entry in audit["permuted"]] == [
        ("arousal", "CCC"),
        ("valence", "CCC"),
    ]
    assert all(entry["passed"] for entry in audit["permuted"])
    stem = tmp_path / "egs/lab/tracks/RESULTS"
    stem.parent.mkdir(parents=True)
    assert run(score.main, "--results", stem, *words) == 0
    rows = [row for row in read_json(stem.with_suffix(".json"))["rows"] if row["part"] == "test"]
    assert {(row["target"], row["subsystem"]) for row in rows} == {
        (target, name)
        for target in accounts
        for name in ("track_gru", "track_gru_ccc", "fusion_equal", "fusion_simplex")
    }
    for row in rows:
        table = read_predictions(
            exp
            / row["subsystem"]
            / "official"
            / BOTH
            / "fold1/seed0/scores"
            / row["target"]
            / "test.tsv"
        )
        y, p = table.labels, table.predictions
        own = [
            concordance(a, b)
            for a, b in zip(y.reshape(-1, VALUES), p.reshape(-1, VALUES), strict=True)
            if not np.isnan(a).any()
        ]
        assert row["metrics"]["CCC"] == pytest.approx(concordance(y, p), abs=1e-4)
        assert row["metrics"]["CCC_items"] == pytest.approx(np.mean(own), abs=1e-4)
    assert [
        sum(row["primary"] for row in rows if row["target"] == target) for target in accounts
    ] == [1, 1]
    assert run(make_report.main, *words) == 0
    page = (exp / "report/index.html").read_text()
    for target in accounts:
        assert all(f"{target}, {which}: s" in page for which in ("best", "median", "worst"))
    assert "Trained on permuted labels" in page and "Primary of valence" in page
    before = stem.with_suffix(".json").read_text()
    assert run(recompute.main, "--root", tmp_path) == 0
    assert stem.with_suffix(".json").read_text() == before


def concordance(y, p):
    """Lin's, by numpy's covariance matrix."""
    (vy, c), (_, vp) = np.cov(y, p, ddof=0)
    return 2 * c / (vy + vp + (y.mean() - p.mean()) ** 2)


@pytest.mark.parametrize("name", ["track_gru", "fusion_simplex"])
def test_an_exported_model_predicts_the_scores_of_test_and_its_timeline_draws_them(
    where, fused, tmp_path, name
):
    assert run(export.main, where.exp / name / "official" / BOTH, tmp_path / "model") == 0
    names = Dataset.open(where.data).split("official").ids(1, "test")
    files = [where.root / f"{key}.wav" for key in names]
    done = command(
        "utils/emotion.sh", "--timeline", tmp_path / "pictures", tmp_path / "model", *files
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    for target in ("arousal", "valence"):
        table = read_predictions(
            where.exp / name / "official" / BOTH / "fold1/seed0/scores" / target / "test.tsv"
        )
        for record, (key, _, wanted) in zip(records, table.by_item(), strict=True):
            assert Path(record["file"]).stem == key and record["tracks"][target]["step"] == STEP
            np.testing.assert_allclose(record["tracks"][target]["values"], wanted, atol=2e-5)
            assert target in Path(record["picture"]).read_text()
    long, model = tmp_path / "long.wav", TrackModel.open(tmp_path / "model")
    soundfile.write(long, np.concatenate([soundfile.read(files[0])[0]] * 76), RATE)  # 304 s
    tracks = model.predict(long)["tracks"]
    assert len(tracks["arousal"]["values"]) == 76 * VALUES
    np.testing.assert_allclose(
        tracks["arousal"]["values"][: VALUES // 2],
        records[0]["tracks"]["arousal"]["values"][: VALUES // 2],
        atol=0.05,
    )
