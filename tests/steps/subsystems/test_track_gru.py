"""The GRU on tracks as a subsystem: two targets at once, chosen on dev by the mean CCC, saved and
loaded."""

from dataclasses import replace

import numpy as np
import pytest

from steps.data.dataset import Item
from steps.data.dataset import Sequence as MovingLabel
from steps.examples.fold import Examples
from steps.examples.part import Frames, Part
from steps.subsystems.contract import Workspace
from steps.subsystems.track_gru import TrackGruLearner, TrackPredictor, dev_metrics
from steps.subsystems.track_gru_config import TrackGruExperimentConfig
from utils.config import from_dict
from utils.corpus import Target
from utils.errors import UserError

TARGETS = (Target("arousal", "track"), Target("valence", "track"))
SHIFT, STEP = 0.02, 0.1
FRAMES: dict[str, np.ndarray] = {}
CONFIG = from_dict(
    TrackGruExperimentConfig,
    {
        "kind": "track_gru",
        "model": {"projection": [12], "hidden": 8, "dropout": 0.0},
        "training": {
            "epochs": 15,
            "batch_size": 4,
            "tensorboard": False,
            "optimizer": {"learning_rate": 0.02},
        },
    },
)


def part(count, seed, shift=SHIFT):
    """Items of 40 to 60 values; arousal follows the first feature, valence the second; one item has
    no valence."""
    rng, items = np.random.default_rng(seed), []
    for number in range(count):
        key, values = f"{seed}-{number}", int(rng.integers(40, 60))
        slow = np.cumsum(rng.normal(size=(values, 2)), axis=0) / 3
        FRAMES[key] = (np.repeat(slow, 5, axis=0) + rng.normal(size=(5 * values, 2)) * 0.1).astype(
            np.float32
        )
        fields = {"arousal": MovingLabel(STEP, tuple((3 + slow[:, 0]).tolist()))}
        if number:
            fields["valence"] = MovingLabel(STEP, tuple((0.1 * slow[:, 1]).tolist()))
        items.append(Item(key, duration=values * STEP, fields=fields))
    return Part(
        tuple(items),
        {"toy": Frames(
            lambda item: FRAMES[item.id], tuple(items), lambda item: len(FRAMES[item.id]), shift
        )},
        {target.name: np.zeros(count) for target in TARGETS},
    )


def examples(**changed):
    parts = {"train": part(8, 1), "dev": part(4, 2), "test": part(4, 3), **changed}
    return Examples(targets=TARGETS, widths={"toy": 2}, **parts)


@pytest.mark.parametrize("loss", ["mse", "ccc"])
def test_both_targets_are_learned_at_once_and_a_saved_model_predicts_the_same(tmp_path, loss):
    CONFIG.training.loss = loss
    given = examples()
    learner = TrackGruLearner(CONFIG, given, Workspace(tmp_path, {"loss": loss}, device="cpu"))
    fitted = learner.fit()
    found = fitted.predict(given.test)
    wanted = {
        target.name: [
            np.array(item.value(target).values if item.value(target) else [np.nan] * len(track))
            for item, track in zip(given.test.items, found[target.name], strict=True)
        ]
        for target in TARGETS
    }
    measured = dev_metrics(wanted, found, {"arousal": 1.0, "valence": 1.0})
    assert measured["CCC_arousal"] > 0.8 and measured["CCC_valence"] > 0.8
    assert measured["CCC"] == pytest.approx((measured["CCC_arousal"] + measured["CCC_valence"]) / 2)
    fitted.save(tmp_path)
    again = TrackPredictor.load(CONFIG, tmp_path, ["arousal", "valence"]).predict(given.test)
    for name in found:
        for one, other in zip(found[name], again[name], strict=True):
            np.testing.assert_array_equal(one, other)
    assert 1 <= learner.refit(fitted).about["epochs_run"] == fitted.about["best_epoch"]


def test_without_a_frame_shift_or_a_label_one_line_says_so(tmp_path):
    learner = TrackGruLearner(
        CONFIG, examples(train=part(2, 1, shift=None)), Workspace(tmp_path, {}, device="cpu")
    )
    with pytest.raises(UserError, match="how many seconds lie between their frames"):
        learner.fit()
    bare = replace(part(2, 1), items=tuple(Item(f"{n}", duration=1.0) for n in range(2)))
    with pytest.raises(UserError, match="no label says it"):
        TrackGruLearner(
            CONFIG, examples(train=bare), Workspace(tmp_path, {})
        )
