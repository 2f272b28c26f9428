"""The fusion of numbers: weights of sum 1 that are fitted on dev, one value an item, no classes."""

import json

import numpy as np
import pytest

from steps.fusion import fuse
from steps.scoring.scores import read_predictions, write_regression
from tests.steps.scored_recipe import write_data

NOISE = {"good": 0.3, "poor": 2.0}


@pytest.fixture
def made(tmp_path):
    """(data, exp): 24 speakers of a made-up valence, a third of them in each part, and two systems
    that predict it."""
    rng = np.random.default_rng(0)
    rows = [
        {"id": f"u{n:02d}", "speaker": f"s{n:02d}", "valence": round(float(rng.normal()), 3)}
        for n in range(24)
    ]
    split = [(row["id"], 1, ("train", "dev", "test")[n % 3]) for n, row in enumerate(rows)]
    data = write_data(
        tmp_path / "data", rows, {"folds": split}, targets=[{"field": "valence", "kind": "number"}]
    )
    for name, noise in NOISE.items():
        place = tmp_path / "exp" / name / "folds"
        for part in ("dev", "test"):
            mine = [row for row, line in zip(rows, split, strict=True) if line[2] == part]
            values = [row["valence"] + noise * rng.normal() for row in mine]
            path = place / f"norm-global/fold1/seed0/scores/valence/{part}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_regression(
                path, [row["id"] for row in mine], [row["valence"] for row in mine], values
            )
        (place / "subsystem.json").write_text(
            json.dumps({"subsystem": name, "variants": ["norm-global"]})
        )
    return data, tmp_path / "exp"


def test_numbers_are_averaged_with_weights_for_the_better_system(made):
    data, exp = made
    assert fuse.main(["--protocol", "folds", "--subsystems", "good poor", str(data), str(exp)]) == 0
    content = json.loads((exp / "fusion/folds.json").read_text())
    weights = content["weights"]["simplex"]["norm-global"]["mean"]
    assert sum(weights) == pytest.approx(1) and weights[0] > 0.5 and content["metric"] == "CCC"
    assert {entry["how"] for entry in content["candidates"]} == {"equal", "simplex"}
    tables = {
        name: read_predictions(exp / name / "folds/norm-global/fold1/seed0/scores/valence/test.tsv")
        for name in ("good", "poor", "fusion_simplex")
    }
    mean = weights[0] * tables["good"].predictions + weights[1] * tables["poor"].predictions
    np.testing.assert_allclose(tables["fusion_simplex"].predictions, mean, atol=2e-6)
    assert (
        tables["fusion_simplex"].frames is None
        and tables["fusion_simplex"].ids == tables["good"].ids
    )
