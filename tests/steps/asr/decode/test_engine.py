"""The CTC loss of every engine against the forward algorithm in plain numpy and the sum over all paths."""

import itertools
import sys

import numpy as np
import pytest
import torch

from steps.asr.decode.engine import engine
from steps.asr.decode.engine.base import frames_needed
from steps.asr.decode.engine.torch_engine import DeterministicCtc
from utils.errors import UserError


class Own:
    """The loss that the torch engine takes on a GPU; it needs targets that fit."""

    def ctc_loss(self, log_probs, lengths, targets):
        return DeterministicCtc.apply(log_probs, lengths, targets)


@pytest.fixture
def chosen(engine_name):
    return engine(engine_name)


def log_softmax(scores):
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def forward(logp, target):
    """Graves et al. 2006, equations 5 to 8, in the linear domain with float64."""
    states = [0]
    for unit in target:
        states += [unit, 0]
    probability = np.exp(logp.astype(np.float64))
    alpha = np.zeros(len(states))
    alpha[:2] = probability[0, states[:2]]
    for row in probability[1:]:
        after = np.zeros_like(alpha)
        for place, unit in enumerate(states):
            after[place] = alpha[place] + (alpha[place - 1] if place else 0)
            if place > 1 and unit != 0 and unit != states[place - 2]:
                after[place] += alpha[place - 2]
            after[place] *= row[unit]
        alpha = after
    total = alpha[-2:].sum() if len(states) > 1 else alpha[-1]
    return -np.log(total) if total > 0 else np.inf


def batch(seed, frames, units, targets, scale=2.0):
    scores = np.random.default_rng(seed).normal(size=(len(targets), max(frames), units)) * scale
    return torch.tensor(scores, dtype=torch.float32), torch.tensor(frames)


CASES = [
    ([7, 12, 4, 9], [[1, 2], [3, 3, 1], [2], []]),
    ([5, 5, 5], [[1, 2, 3, 1, 2], [1, 1, 1], [4]]),   # the target fills every frame
    ([1, 2, 3], [[1], [2, 1], [1, 1]]),
    ([40, 60], [[1, 2, 3, 4] * 4, [4] * 12]),
    ([6], [[]]),
]


def test_the_oracle_is_the_sum_over_all_paths():
    logp = log_softmax(np.random.default_rng(3).normal(size=(5, 3)))
    for target in ([], [1], [1, 1], [2, 1], [1, 2, 1]):
        paths = [path for path in itertools.product(range(3), repeat=5)
                 if [unit for unit, _ in itertools.groupby(path) if unit] == target]
        total = sum(np.exp(sum(logp[t, unit] for t, unit in enumerate(path))) for path in paths)
        assert forward(logp, target) == pytest.approx(-np.log(total), rel=1e-12)


@pytest.mark.parametrize(("frames", "targets"), CASES)
def test_loss_is_that_of_the_forward_algorithm(chosen, frames, targets):
    scores, lengths = batch(len(frames), frames, 5, targets)
    loss = chosen.ctc_loss(scores.log_softmax(-1), lengths, targets)
    logp = log_softmax(scores.double().numpy())
    expected = [forward(rows[:length], target) for rows, length, target in zip(logp, frames, targets, strict=True)]
    assert loss.shape == (len(targets),) and loss.dtype == torch.float32
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("which", ["engine", "own"])
def test_gradient_is_that_of_finite_differences(chosen, which):
    targets, frames = [[1, 2, 2], [3]], [6, 4]
    scores, lengths = batch(11, frames, 4, targets)
    weights = torch.tensor([1.0, -0.5])
    scores.requires_grad_()
    taken = chosen if which == "engine" else Own()
    (taken.ctc_loss(scores.log_softmax(-1), lengths, targets) * weights).sum().backward()
    plain = scores.detach().double().numpy()

    def value(array):
        logp = log_softmax(array)
        return sum(float(weight) * forward(rows[:length], target)
                   for weight, rows, length, target in zip(weights, logp, frames, targets, strict=True))

    expected = np.zeros_like(plain)
    for place in np.ndindex(*plain.shape):
        step = np.zeros_like(plain)
        step[place] = 1e-5
        expected[place] = (value(plain + step) - value(plain - step)) / 2e-5
    np.testing.assert_allclose(scores.grad.numpy(), expected, rtol=1e-3, atol=1e-5)
    assert (scores.grad[1, 4:] == 0).all()  # frames past the end


@pytest.mark.parametrize(("frames", "targets"), CASES)
def test_the_loss_of_gpus_is_that_of_the_forward_algorithm(frames, targets):
    scores, lengths = batch(len(frames), frames, 5, targets)
    scores = scores.double().requires_grad_()
    loss = Own().ctc_loss(scores.log_softmax(-1), lengths, targets)
    logp = log_softmax(scores.detach().numpy())
    expected = [forward(rows[:length], target) for rows, length, target in zip(logp, frames, targets, strict=True)]
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-10)
    if max(frames) < 20:
        assert torch.autograd.gradcheck(lambda x: Own().ctc_loss(x.log_softmax(-1), lengths, targets), (scores,))


def test_a_target_that_does_not_fit_has_no_loss_and_no_gradient(chosen):
    targets, frames = [[1, 1], [1, 2, 3], [1], [], [2, 1]], [2, 2, 0, 0, 3]
    scores, lengths = batch(5, frames, 4, targets)
    scores.requires_grad_()
    loss = chosen.ctc_loss(scores.log_softmax(-1), lengths, targets)
    loss.sum().backward()
    assert loss[:4].tolist() == [0, 0, 0, 0] and loss[4] > 0
    assert (scores.grad[:4] == 0).all() and scores.grad[4].abs().sum() > 0
    alone = chosen.ctc_loss(scores.log_softmax(-1)[:2], lengths[:2], targets[:2])
    alone.sum().backward()  # a batch of nothing else
    assert alone.tolist() == [0, 0]


def test_both_engines_agree_on_long_peaky_utterances(chosen):
    rng = np.random.default_rng(0)
    targets = [[int(unit) for unit in rng.integers(1, 100, size=size)] for size in (30, 1, 55, 17)]
    frames = [200, 150, 180, 40]
    scores, lengths = batch(1, frames, 100, targets)
    for row, target in enumerate(targets):  # a path is made likely, as training makes it
        for place, unit in enumerate(target):
            scores[row, place * frames[row] // len(target), unit] += 12
    results = []
    for taken in (chosen, Own()):
        leaf = scores.clone().requires_grad_()
        loss = taken.ctc_loss(leaf.log_softmax(-1), lengths, targets)
        loss.sum().backward()
        results.append((loss.detach().numpy(), leaf.grad.numpy()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4)
    assert np.abs(results[0][1] - results[1][1]).max() < 1e-3 * np.abs(results[1][1]).max()


def test_the_same_call_gives_the_same_bits(chosen):
    targets, frames = [[1, 2, 2], [3], [1, 4]], [20, 14, 9]
    scores, lengths = batch(2, frames, 5, targets)

    def once():
        leaf = scores.clone().requires_grad_()
        loss = chosen.ctc_loss(leaf.log_softmax(-1), lengths, targets)
        loss.sum().backward()
        return loss.detach(), leaf.grad

    for first, second in zip(once(), once(), strict=True):
        assert torch.equal(first, second)


def test_frames_needed():
    assert [frames_needed(target) for target in ([], [1], [1, 2], [1, 1], [2, 2, 2, 1])] == [0, 1, 2, 3, 6]


def test_an_engine_that_is_not_there_says_so(monkeypatch, capsys):
    with pytest.raises(UserError, match="accepted: auto, k2, torch"):
        engine("kaldi")
    monkeypatch.setitem(sys.modules, "steps.asr.decode.engine.k2_engine", None)  # as if k2 did not import
    engine.cache_clear()
    with pytest.raises(UserError, match="setup.sh --k2"):
        engine("k2")
    assert engine("auto").name == "torch"
    assert capsys.readouterr().err == "engine: torch\n"
    engine.cache_clear()
