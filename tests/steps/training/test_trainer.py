"""The trainer: selection, early stopping, schedules, resuming; with a model and batches of the test's own."""

import io
import itertools
import json
from pathlib import Path

import pytest
import torch

from steps.training import checkpoint
from steps.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from steps.training.objective import Supervised
from steps.training.progress import Progress
from steps.training.random_state import shuffled
from steps.training.trainer import Trainer
from utils.errors import UsageError, UserError

TRUTH = torch.tensor([[1.0], [-2.0], [0.5]])


class Regression(torch.nn.Module):
    """A model that is no classifier: the trainer must not care. Dropout makes it random."""

    def __init__(self, dropout=0.3):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Dropout(dropout),
                                          torch.nn.Linear(16, 1))

    def forward(self, x):
        return self.layers(x)

    def loss(self, batch):
        return {"loss": (self(batch["x"]) - batch["y"]).square().mean(), "items": len(batch["x"])}


class Stream:
    """40 items in batches of 8; remembers which batches were asked for."""

    def __init__(self, fail_at=None):
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(40, 3, generator=generator)
        self.asked, self.fail_at = [], fail_at

    def count(self, epoch):
        return 5

    def epoch(self, epoch, start):
        order = [int(key) for key in shuffled(map(str, range(40)), 0, epoch)]
        for number, batch in enumerate(itertools.batched(order, 8) if hasattr(itertools, "batched")
                                       else zip(*[iter(order)] * 8, strict=True)):
            if number < start:
                continue
            if (epoch, number) == self.fail_at:
                raise KeyboardInterrupt
            self.asked.append((epoch, number))
            yield {"x": self.x[list(batch)], "y": self.x[list(batch)] @ TRUTH}


def evaluate(model):
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(9))
    loss = (model(x) - x @ TRUTH).square().mean().item()
    return {"loss": loss, "UA": -loss}


def config(**options):
    return TrainingConfig(**{"epochs": 4, "metric": "loss", "tensorboard": False, "checkpoint_every_seconds": 0.0,
                             "optimizer": OptimizerConfig(learning_rate=0.01), **options})


def train(directory, settings, stream=None, judge=evaluate, **options):
    model = Regression()
    trainer = Trainer(Supervised(model), stream or Stream(), judge, settings, directory / "checkpoint", **options)
    return model, trainer.fit()


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_training_lowers_the_loss_and_says_so(tmp_path, capsys):
    _, outcome = train(tmp_path, config(epochs=30), log_dir=tmp_path / "log", name="toy")
    assert outcome.curve[-1]["train_loss"] < 0.3 * outcome.curve[0]["train_loss"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 30 and lines[0].startswith("toy: epoch 1: train_loss ")
    table = (tmp_path / "log" / "curve.tsv").read_text().splitlines()
    assert table[0].split("\t")[:3] == ["epoch", "train_loss", "dev_loss"] and len(table) == 31


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("at", [(1, 1), (1, 4), (2, 0), (3, 2)])
@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_a_stopped_training_ends_as_if_it_had_not_been_stopped(tmp_path, every, at, kind):
    settings = config(checkpoint_every_batches=every, checkpoint_every_epochs=1, schedule=ScheduleConfig(kind="cosine"),
                      optimizer=OptimizerConfig(kind=kind, learning_rate=0.01))
    whole, expected = train(tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", settings, Stream(fail_at=at))
    stream = Stream()
    again, outcome = train(tmp_path / "cut", settings, stream)
    assert torch.equal(weights(whole), weights(again))
    strip = [{key: value for key, value in row.items() if key != "seconds"} for row in outcome.curve]
    assert strip == [{key: value for key, value in row.items() if key != "seconds"} for row in expected.curve]
    assert outcome.best_epoch == expected.best_epoch
    done = (at[0] - 1) * 5 + at[1] // every * every
    assert len(stream.asked) == 20 - done  # what had been saved was not done again


def test_the_best_epoch_is_kept_and_equal_is_not_better(tmp_path):
    given = iter([0.3, 0.5, 0.5, 0.4])
    seen = []

    def judge(model):
        seen.append(weights(model))
        return {"UA": next(given)}

    model, outcome = train(tmp_path, config(metric="UA"), judge=judge)
    assert outcome.best_epoch == 2 and outcome.metrics == {"UA": 0.5}
    assert torch.equal(weights(model), seen[1])


def test_less_is_better_for_a_loss(tmp_path):
    given = iter([0.3, 0.2, 0.5, 0.4])
    _, outcome = train(tmp_path, config(metric="loss"), judge=lambda model: {"loss": next(given)})
    assert outcome.best_epoch == 2


def test_patience_stops_and_a_finished_training_is_not_trained_again(tmp_path):
    given = iter([0.5, 0.4, 0.3, 0.9])
    settings = config(metric="UA", patience=2)
    model, outcome = train(tmp_path, settings, judge=lambda model: {"UA": next(given)})
    assert len(outcome.curve) == 3 and outcome.best_epoch == 1
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["best.safetensors", "state.json"]
    stream = Stream()
    again, second = train(tmp_path, settings, stream)
    assert stream.asked == [] and second.best_epoch == 1
    assert torch.equal(weights(model), weights(again))


def test_without_dev_it_runs_the_given_epochs_of_the_same_schedule(tmp_path):
    settings = config(epochs=10, schedule=ScheduleConfig(kind="cosine"))
    model, outcome = train(tmp_path, settings, judge=None, stop_after=3)
    assert outcome.best_epoch == 3 and len(outcome.curve) == 3
    rates = []
    train(tmp_path / "long", settings, judge=lambda model: rates.append(weights(model)) or {"loss": 1.0})
    assert torch.equal(weights(model), rates[2])


def test_another_configuration_is_refused_by_name(tmp_path):
    train(tmp_path, config(), identity={"config": {"dropout": 0.5}})
    with pytest.raises(UsageError, match=r"config\.dropout = 0\.5, now config\.dropout = 0\.4"):
        train(tmp_path, config(), identity={"config": {"dropout": 0.4}})
    with pytest.raises(UsageError, match=r"seed = 0, now seed = 1"):
        train(tmp_path, config(), identity={"config": {"dropout": 0.5}}, seed=1)


def test_another_number_of_threads_warns(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, config(checkpoint_every_batches=1), Stream(fail_at=(2, 1)))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        train(tmp_path, config())
    finally:
        torch.set_num_threads(before)
    assert f"warning: the checkpoint was made with threads {before}, now {before + 1}" in capsys.readouterr().out


def test_a_loss_that_is_no_number_ends_with_a_hint(tmp_path):
    with pytest.raises(UserError, match=r"loss is (nan|inf).*learning_rate"):
        train(tmp_path, config(clip_norm=0.0, optimizer=OptimizerConfig(kind="sgd", learning_rate=1e6)))


def test_a_metric_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"training\.metric is CCC; the dev metrics are loss, UA"):
        train(tmp_path, config(metric="CCC"))


def test_the_gradient_is_clipped(tmp_path):
    start = weights(Regression())
    settings = config(epochs=1, clip_norm=1e-3, optimizer=OptimizerConfig(kind="sgd", learning_rate=1.0, momentum=0.0))
    model, _ = train(tmp_path, settings, judge=None)
    assert (weights(model) - start).norm() <= 5 * 1e-3 * 1.001


def test_time_based_checkpoints(tmp_path, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("steps.training.trainer.time.monotonic", lambda: float(next(clock)))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, config(checkpoint_every_seconds=3.0), Stream(fail_at=(2, 3)))
    stream = Stream()
    train(tmp_path, config(), stream)
    assert stream.asked[0] > (1, 2)


def test_a_bar_on_a_terminal_and_none_in_a_file(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, bars in ((Terminal(), True), (io.StringIO(), False)):
        progress = Progress("toy", None, stream=stream)
        progress.batch(1, 3, 6)
        progress.epoch([{"epoch": 1, "train_loss": 0.5, "dev_UA": 0.25}], best=True)
        assert ("3/6" in stream.getvalue()) is bars
        assert "toy: epoch 1: train_loss 0.5, dev_UA 25.0 *" in stream.getvalue()


def test_tensorboard_files_are_written(tmp_path):
    train(tmp_path, config(epochs=1, tensorboard=True), log_dir=tmp_path / "log")
    assert list((tmp_path / "log" / "tensorboard").glob("events.out.tfevents.*"))


class Halves(Stream):
    """Stream's batches cut in two, of 5 and 3 items."""

    def count(self, epoch):
        return 10

    def epoch(self, epoch, start):
        pieces = (piece for batch in super().epoch(epoch, 0) for piece in (
            {key: value[:5] for key, value in batch.items()}, {key: value[5:] for key, value in batch.items()}))
        yield from itertools.islice(pieces, start, None)


def test_accumulated_batches_make_the_step_of_the_whole_one(tmp_path):
    models = []
    for name, stream, accumulate in (("whole", Stream(), 1), ("halves", Halves(), 2)):
        model = Regression(dropout=0.0)
        trainer = Trainer(Supervised(model), stream, evaluate, config(accumulate=accumulate), tmp_path / name)
        outcome = trainer.fit()
        models.append((weights(model), trainer.step, outcome.curve[-1]["train_loss"]))
    (one, steps_one, loss_one), (two, steps_two, loss_two) = models
    assert steps_one == steps_two == 20
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)
    assert loss_two == pytest.approx(loss_one, rel=1e-4)


def test_the_last_group_of_an_epoch_may_be_smaller(tmp_path):
    model = Regression(dropout=0.0)
    trainer = Trainer(Supervised(model), Stream(), evaluate, config(accumulate=2, epochs=2), tmp_path)
    trainer.fit()
    assert trainer.step == 6  # 5 batches an epoch: 2 + 2 + 1


def test_what_follows_an_epoch_sees_its_weights(tmp_path):
    seen = []
    model, _ = train(tmp_path, config(epochs=3), judge=None,
                     after_epoch=lambda epoch, network: seen.append((epoch, weights(network).clone())))
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert torch.equal(seen[-1][1], weights(model)) and not torch.equal(seen[0][1], seen[1][1])


def test_a_checkpoint_of_the_first_version_made_in_mid_epoch_is_taken_up(tmp_path):
    """earlier_checkpoint.json: this training, stopped in epoch 3 before its third batch; tensors as nested lists."""
    stored = json.loads((Path(__file__).parent / "earlier_checkpoint.json").read_text())
    tensors = {name: {key: torch.tensor(value) for key, value in content.items()}
               for name, content in stored["tensors"].items()}
    checkpoint.save(tmp_path / "earlier" / "checkpoint", stored["state"], tensors)
    settings = config(checkpoint_every_batches=1, schedule=ScheduleConfig(kind="cosine"))
    stream = Stream()
    model, outcome = train(tmp_path / "earlier", settings, stream)
    assert stream.asked[0] == (3, 2) and len(stream.asked) == 8
    whole, expected = train(tmp_path / "whole", settings)
    # Not bit by bit: the checkpoint was made on another machine.
    torch.testing.assert_close(weights(model), weights(whole), atol=1e-5, rtol=1e-4)
    assert outcome.best_epoch == expected.best_epoch == 4
