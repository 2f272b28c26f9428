"""The network on dialogues: order, padding, and what the loss counts."""

import torch

from steps.models.config import ContextBigruConfig
from steps.models.context_bigru import ContextBigru


def network():
    torch.manual_seed(0)
    return ContextBigru(3, {"emotion": 2}, ContextBigruConfig(projection=[4], hidden=5)).eval()


def test_a_dialogue_gives_the_same_alone_and_beside_a_longer_one():
    model, short, long = network(), torch.randn(1, 2, 3), torch.randn(1, 5, 3)
    padded = torch.full((2, 5, 3), 9.0)
    padded[0, :2], padded[1] = short[0], long[0]
    alone = model(short, torch.tensor([2]))["emotion"]
    both = model(padded, torch.tensor([2, 5]))["emotion"]
    assert both.shape == (7, 2)
    torch.testing.assert_close(both[:2], alone)
    torch.testing.assert_close(both[2:], model(long, torch.tensor([5]))["emotion"])


def test_an_utterance_is_judged_with_those_before_and_after_it():
    model, x = network(), torch.randn(1, 3, 3)
    before = model(x, torch.tensor([3]))["emotion"][1]
    for place in (0, 2):
        changed = x.clone()
        changed[0, place] += 1
        assert not torch.allclose(model(changed, torch.tensor([3]))["emotion"][1], before)


def test_the_loss_is_the_mean_over_utterances_and_one_without_label_adds_nothing():
    model, x = network(), torch.randn(1, 3, 3)
    logits = model(x, torch.tensor([3]))["emotion"]
    found = model.loss({"x": x, "lengths": torch.tensor([3]), "targets": {"emotion": torch.tensor([1, -1, 0])}})
    own = -torch.log_softmax(logits, dim=1)
    torch.testing.assert_close(found["loss"], (own[0, 1] + own[2, 0]) / 3)
    assert found["items"] == 3
