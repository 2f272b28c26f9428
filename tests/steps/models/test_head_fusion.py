"""Attention CNN with head fusion: number of parameters, the fused heads against their definition, shapes."""

import numpy as np
import pytest
import torch

from steps.models.head_fusion import HeadFusion


def test_as_many_parameters_as_the_layers_of_the_publication():
    first = (10 * 2 + 1) * 8 + (2 * 8 + 1) * 8
    convolutions = sum((9 * a + 1) * b for a, b in ((16, 32), (32, 48), (48, 64), (64, 80)))
    norms = 2 * (8 + 8 + 32 + 48 + 64 + 80)
    attention = 8 * 3 * (80 + 1) * 256
    with torch.device("meta"):
        model = HeadFusion()
    assert sum(p.numel() for p in model.parameters()) == first + convolutions + norms + attention == 590_832


def test_fused_heads_average_to_what_they_do_side_by_side():
    torch.manual_seed(0)
    model = HeadFusion(0.1).eval()
    seen = []
    model.layers[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        fused, _ = model(torch.randn(1, 1, 40, 13), None)
    x = seen[0][0].double().numpy()  # (C, F, T)
    heads = []
    for head in model.heads:
        weight, bias = head.weight.detach().double().numpy()[:, :, 0, 0], head.bias.detach().double().numpy()
        query, key, value = np.split(np.einsum("dc,cft->dft", weight, x) + bias[:, None, None], 3)
        score = np.exp(query * key)
        heads.append(np.maximum(score / score.mean(axis=0) * value, 0))
    beside = np.concatenate(heads, axis=1)
    np.testing.assert_allclose(fused[0].mean(dim=(1, 2)), beside.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("frames", "left"), [(1, 1), (2, 1), (3, 1), (31, 8), (33, 9), (115, 29)])
def test_time_is_divided_by_four_and_at_least_one_frame_is_left(frames, left):
    model = HeadFusion(0.1).eval()
    with torch.no_grad():
        x, lengths = model(torch.randn(2, 1, 128, frames), torch.tensor([frames, 1]))
    assert x.shape == (2, round(0.1 * 256), 31, left) and lengths.tolist() == [left, 1]


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    model = HeadFusion(0.25)
    x, _ = model(torch.randn(2, 1, 40, 16), None)
    (x * torch.randn_like(x)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        # Batch norm takes a convolution's bias away again.
        assert parameter.grad.abs().sum() > 0 or name.endswith(".bias"), name
