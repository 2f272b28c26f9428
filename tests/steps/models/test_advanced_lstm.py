"""The advanced LSTM against a loop over one sequence in numpy."""

import numpy as np
import pytest
import torch

from steps.models.advanced_lstm import AdvancedLstm, reverse


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def combined(history, steps_back, score):
    """The attention-weighted sum of history[t - s]; None when there is none."""
    past = [history[len(history) - step] for step in steps_back if len(history) - step >= 0]
    if not past:
        return None
    weights = np.exp([float(score @ state) for state in past])
    return sum(weight * state for weight, state in zip(weights / weights.sum(), past, strict=True))


def one_direction(x, weights, steps_back):
    """x (T, F) -> (T, H), one step and one unit vector at a time."""
    cells, states = [], []
    hidden = len(weights["score_cell"])
    for frame in x:
        cell, state = (combined(history, steps_back, weights[name])
                       for history, name in ((cells, "score_cell"), (states, "score_state")))
        cell, state = (np.zeros(hidden) if value is None else value for value in (cell, state))
        gates = frame @ weights["weight_input"] + state @ weights["weight_state"] + weights["bias"]
        enter, forget, new, leave = np.split(gates, 4)
        cells.append(sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new))
        states.append(sigmoid(leave) * np.tanh(cells[-1]))
    return np.array(states)


@pytest.mark.parametrize("steps_back", [(1, 3, 5), (2,), (1, 2)])
def test_it_is_the_published_recurrence_in_both_directions(steps_back):
    torch.manual_seed(0)
    layer = AdvancedLstm(3, 4, steps_back).double()
    lengths = [9, 6, 1]
    x = torch.randn(3, 9, 3, dtype=torch.float64)
    found = layer(x, torch.tensor(lengths)).detach().numpy()
    for direction in (0, 1):
        weights = {name: value[direction].detach().numpy().squeeze() for name, value in layer.named_parameters()}
        for sequence, length in enumerate(lengths):
            own = x[sequence, :length].numpy()
            expected = one_direction(own[::-1] if direction else own, weights, steps_back)
            np.testing.assert_allclose(found[sequence, :length, 4 * direction:4 * direction + 4],
                                       expected[::-1] if direction else expected, atol=1e-12)


def test_with_the_last_state_alone_it_is_an_ordinary_lstm():
    torch.manual_seed(1)
    layer, ordinary = AdvancedLstm(3, 5, (1,)), torch.nn.LSTM(3, 5, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for direction, suffix in ((0, ""), (1, "_reverse")):
            getattr(ordinary, f"weight_ih_l0{suffix}").copy_(layer.weight_input[direction].T)
            getattr(ordinary, f"weight_hh_l0{suffix}").copy_(layer.weight_state[direction].T)
            getattr(ordinary, f"bias_ih_l0{suffix}").copy_(layer.bias[direction, 0])
            getattr(ordinary, f"bias_hh_l0{suffix}").zero_()
    x = torch.randn(2, 7, 3)
    torch.testing.assert_close(layer(x, torch.tensor([7, 7])), ordinary(x)[0])


def test_each_sequence_is_reversed_within_its_length():
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[:, :, None]
    assert reverse(x, torch.tensor([3, 2]))[:, :, 0].tolist() == [[3, 2, 1], [5, 4, 6]]
