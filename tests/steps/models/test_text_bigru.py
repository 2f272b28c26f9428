"""The text network against torch's own packed bidirectional GRU, and under padding."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from steps.models.config import TextBigruConfig
from steps.models.text_bigru import TextBigru

CONFIG = {"unit_embedding": 5, "hidden": 4, "embedding": 3, "tasks": {"emotion": 1.0}}


def network(**options):
    torch.manual_seed(1)
    return TextBigru(11, {"emotion": 2}, TextBigruConfig(**{**CONFIG, **options})).eval()


def by_torch(model, x, lengths):
    """The states of the last layer, by nn.GRU with the same weights."""
    states = model.units(x)
    for layer in model.recurrent:
        gru = nn.GRU(layer.ahead.input_size, 4, batch_first=True, bidirectional=True)
        for name, _ in layer.ahead.named_parameters():
            getattr(gru, name).data = getattr(layer.ahead, name).data
            getattr(gru, f"{name}_reverse").data = getattr(layer.back, name).data
        packed = pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
        packed, last = gru(packed)
        states, _ = pad_packed_sequence(packed, batch_first=True)
    return states, torch.cat([last[0], last[1]], dim=-1)


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_the_embedding_equals_packed_recurrence(pooling):
    model, lengths = network(pooling=pooling), torch.tensor([6, 1, 3])
    x = torch.randint(0, 11, (3, 6), generator=torch.Generator().manual_seed(2))
    states, last = by_torch(model, x, lengths)
    pooled = last if pooling == "last" else torch.stack(
        [states[n, :length].mean(dim=0) for n, length in enumerate(lengths)])
    expected = model.embedding(pooled).relu()
    torch.testing.assert_close(model.shared(x, lengths), expected, atol=1e-6, rtol=0)


def test_what_a_text_gives_does_not_depend_on_its_batch():
    model = network()
    alone = model(torch.tensor([[3, 7]]), torch.tensor([2]))["emotion"]
    padded = model(torch.tensor([[3, 7, 9, 9], [1, 2, 3, 4]]), torch.tensor([2, 4]))["emotion"]
    torch.testing.assert_close(padded[:1], alone, atol=1e-6, rtol=0)
