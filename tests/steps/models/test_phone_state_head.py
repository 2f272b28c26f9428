"""The phone-state network: what it sees, that padding is not seen, its loss, its size."""

import math

import numpy as np
import pytest
import torch

from steps.models.phone_state_head import PhoneStateNetwork, PhoneStateNetworkConfig

SMALL = PhoneStateNetworkConfig(width=12, joined=10)


def network(hidden=6, config=SMALL, classes=5):
    torch.manual_seed(0)
    model = PhoneStateNetwork(8, hidden, classes, config).eval()
    model.mean.normal_()
    model.std.uniform_(0.5, 2)
    return model


def test_it_has_a_few_hundred_thousand_parameters():
    model = PhoneStateNetwork(80, 144, 120, PhoneStateNetworkConfig())
    assert 2e5 < sum(parameter.numel() for parameter in model.parameters()) < 5e5


def test_a_frame_sees_nine_frames_to_each_side_and_its_own_hidden_state():
    model = network()
    features = torch.randn(1, 41, 8, requires_grad=True)
    hidden = torch.randn(1, 41, 6, requires_grad=True)
    model(features, torch.tensor([41]), hidden)[0, 20].sum().backward()
    seen = np.flatnonzero(features.grad[0].abs().sum(dim=1).numpy())
    assert (seen.min(), seen.max()) == (11, 29)
    assert np.flatnonzero(hidden.grad[0].abs().sum(dim=1).numpy()).tolist() == [20]


@pytest.mark.parametrize("hidden", [0, 6])
def test_an_utterance_scores_the_same_alone_and_in_a_batch(hidden):
    model = network(hidden)
    features, states = torch.randn(3, 30, 8), torch.randn(3, 30, 6) if hidden else None
    lengths = torch.tensor([30, 4, 17])
    together = model(features, lengths, states)
    for place, length in enumerate(lengths.tolist()):
        alone = model(features[place:place + 1, :length], lengths[place:place + 1],
                      None if states is None else states[place:place + 1, :length])
        torch.testing.assert_close(together[place, :length], alone[0], rtol=1e-5, atol=1e-5)


def test_the_loss_is_the_mean_over_labelled_frames():
    model = network()
    batch = {"features": torch.randn(2, 7, 8), "lengths": torch.tensor([7, 3]), "hidden": torch.randn(2, 7, 6),
             "states": torch.full((2, 7), -1)}
    batch["states"][0, :5] = torch.tensor([0, 1, 4, 4, 2])
    batch["states"][1, :3] = torch.tensor([3, 3, 1])
    logits = model(batch["features"], batch["lengths"], batch["hidden"]).detach().double().numpy()
    expected = []
    for row in range(2):
        for frame in range(7):
            state = int(batch["states"][row, frame])
            if state >= 0:
                scores = logits[row, frame]
                expected.append(math.log(np.exp(scores).sum()) - scores[state])
    result = model.loss(batch)
    assert result["items"] == 8
    assert result["loss"].item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_every_parameter_learns():
    model = network().train()
    batch = {"features": torch.randn(2, 20, 8), "lengths": torch.tensor([20, 15]), "hidden": torch.randn(2, 20, 6),
             "states": torch.randint(0, 5, (2, 20))}
    model.loss(batch)["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
