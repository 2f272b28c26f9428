"""VGG: published numbers of parameters, shapes, the pool that leaves no frame over."""

import numpy as np
import pytest
import torch

from steps.models.vgg import HalfPool, Vgg


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("depth", "published"), [(11, 132_868_840), (16, 138_365_992)])
def test_as_many_parameters_as_published(depth, published):
    """torchvision's vgg11_bn and vgg16_bn of 1000 classes, without the classifier, with one channel of input."""
    classifier = 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    with torch.device("meta"):
        model = Vgg(depth)
    assert parameters(model) == published - classifier - 2 * 64 * 9
    assert sum(isinstance(m, torch.nn.Conv2d) for m in model.modules()) == depth - 3


@pytest.mark.parametrize(("frames", "left"), [(1, 1), (2, 1), (3, 1), (31, 1), (33, 2), (115, 4)])
def test_four_bins_of_frequency_are_left_and_at_least_one_frame(frames, left):
    model = Vgg(11, 0.05).eval()
    with torch.no_grad():
        x, lengths = model(torch.randn(2, 1, 128, frames), torch.tensor([frames, 1]))
    assert x.shape == (2, round(0.05 * 512), 4, left) and lengths.tolist() == [left, 1]


def test_the_pool_takes_the_largest_and_leaves_no_frame_over():
    x = np.random.default_rng(0).random((2, 3, 5, 7), dtype=np.float32)
    expected = np.array([[[[x[n, c, 2 * f:2 * f + 2, 2 * t:2 * t + 2].max() for t in range(4)] for f in range(2)]
                          for c in range(3)] for n in range(2)])
    np.testing.assert_array_equal(HalfPool()(torch.from_numpy(x)), expected)


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    model = Vgg(11, 0.1)
    x, _ = model(torch.randn(2, 1, 64, 64), None)
    (x * torch.randn_like(x)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        # Batch norm takes a convolution's bias away again.
        assert parameter.grad.abs().sum() > 0 or name.endswith("0.bias"), name
