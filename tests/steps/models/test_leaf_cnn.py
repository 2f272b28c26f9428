"""LEAF-CNN: published sizes, padding, short clips, gradients."""

import pytest
import torch

from steps.models.config import FrontEndConfig, LeafCnnConfig
from steps.models.leaf_cnn import LeafCnn


def network(**options):
    torch.manual_seed(0)
    return LeafCnn({"emotion": 4}, LeafCnnConfig(**options))


def small(kind="leaf"):
    return network(front_end=FrontEndConfig(kind=kind, stride=10.0), channels=[4, 4, 6, 6, 8],
                   embedding=5)


def test_as_many_parameters_as_published():
    """Six convolutions with bias and batch norm, one linear layer; seven parameters a band."""
    channels = [1, 32, 32, 64, 64, 128, 100]
    convolutions = sum(9 * before * after + 3 * after
                       for before, after in zip(channels[:-1], channels[1:], strict=True))
    count = sum(parameter.numel() for parameter in network().parameters())
    assert count == convolutions + 100 * 4 + 4 + 7 * 40


@pytest.mark.parametrize("width", [50, 200])
def test_the_embedding_has_the_width_that_is_asked_for(width):
    with torch.no_grad():
        model = network(embedding=width).eval()
        found = model.shared(torch.randn(2, 20000), torch.tensor([20000, 1600]))
    assert found.shape == (2, width)


def test_what_an_utterance_gives_does_not_depend_on_its_batch():
    """Clips of one sample and of a tenth of a second among them: silence is put behind these."""
    model, lengths = small().eval(), torch.tensor([1, 1600, 12345, 16000])
    x = torch.randn(4, 16000)
    padded = torch.where(torch.arange(16000) < lengths[:, None], x, torch.nan)
    with torch.no_grad():
        found = model(padded, lengths)["emotion"]
        for row, length in enumerate(lengths.tolist()):
            alone = model(x[row:row + 1, :length], lengths[row:row + 1])["emotion"]
            torch.testing.assert_close(found[row], alone[0], rtol=1e-4, atol=1e-5)


def test_the_embedding_is_the_mean_over_time():
    """60 frames leave 4 values."""
    model = small().eval()
    x, lengths = torch.randn(1, 160 * 60), torch.tensor([160 * 60])
    with torch.no_grad():
        y = model.front_end(x, lengths)[0][:, None]
        for first in range(0, 6, 2):
            y = torch.nn.functional.avg_pool2d(model.layers[first + 1](model.layers[first](y)), 2)
        assert y.shape == (1, 5, 1, 4)  # 60 -> 56 -> 28 -> 24 -> 12 -> 8 -> 4
        torch.testing.assert_close(model.shared(x, lengths), y[:, :, 0].mean(dim=2))


@pytest.mark.parametrize("kind", ["leaf", "mel_pcen", "log_mel"])
def test_every_parameter_learns(kind):
    model = small(kind)
    batch = {"x": torch.randn(4, 8000), "lengths": torch.full((4,), 8000),
             "targets": {"emotion": torch.tensor([0, 1, 2, 3])}}
    model.loss(batch)["loss"].backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        # Batch norm takes a convolution's bias away again.
        assert parameter.grad.abs().sum() > 0 or name.endswith("0.bias"), name
