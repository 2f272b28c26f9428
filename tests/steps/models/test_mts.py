"""Multi-time-scale network: shared weights at three scales, the largest map, AlexNet's number of parameters."""

import numpy as np
import pytest
import torch

from steps.models.mts import MultiTimeScale, TimeScaleConv


def resampled(kernel, frames):
    """(K,) -> (frames,): linear interpolation between the centers of the taps, flat beyond the outer ones."""
    places = (np.arange(frames) + 0.5) * len(kernel) / frames - 0.5
    return np.interp(places, np.arange(len(kernel)), kernel)


def test_a_layer_is_the_maximum_of_its_kernel_at_three_scales():
    torch.manual_seed(0)
    layer = TimeScaleConv(1, 1, 5).double()
    x = np.random.default_rng(0).normal(size=(6, 9))
    weight, bias = layer.weight.detach().numpy()[0, 0], layer.bias.item()
    maps = []
    for frames in (3, 5, 7):  # 0.7, 1 and 1.428 of 5
        kernel = np.stack([resampled(row, frames) for row in weight])
        padded = np.pad(x, ((2, 2), (frames // 2, frames // 2)))
        maps.append([[(padded[f:f + 5, t:t + frames] * kernel).sum() + bias for t in range(9)] for f in range(6)])
    with torch.no_grad():
        found = layer(torch.from_numpy(x)[None, None])[0, 0]
    np.testing.assert_allclose(found, np.max(maps, axis=0), rtol=1e-10)
    assert (np.argmax(maps, axis=0) == 0).any() and (np.argmax(maps, axis=0) == 2).any()


def test_branches_share_their_weights_so_that_it_has_alexnets_parameters():
    """torchvision's alexnet of 1000 classes, without the classifier, with one channel of input."""
    classifier = 9216 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    with torch.device("meta"):
        model = MultiTimeScale()
    assert sum(p.numel() for p in model.parameters()) == 61_100_840 - classifier - 2 * 121 * 64
    assert [type(conv) is TimeScaleConv for conv in model.convs] == [True, True, False, False, False]


@pytest.mark.parametrize(("frames", "left"), [(1, 1), (2, 1), (3, 1), (31, 1), (33, 2), (115, 4)])
def test_four_bins_of_frequency_are_left_and_at_least_one_frame(frames, left):
    model = MultiTimeScale(0.05).eval()
    with torch.no_grad():
        x, lengths = model(torch.randn(2, 1, 128, frames), torch.tensor([frames, 1]))
    assert x.shape == (2, round(0.05 * 256), 4, left) and lengths.tolist() == [left, 1]


def test_the_gradient_of_every_branch_reaches_the_one_kernel():
    layer = TimeScaleConv(1, 1, 5).double()
    x = torch.randn(1, 1, 5, 12, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda weight: torch.func.functional_call(layer, {"weight": weight}, (x,)),
                                    (layer.weight.detach().requires_grad_(),))


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    model = MultiTimeScale(0.1)
    x, _ = model(torch.randn(2, 1, 128, 64), None)
    x.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
