"""PCEN: the formula frame by frame, gradients, long inputs."""

import numpy as np
import pytest
import torch

from steps.models.pcen import Pcen, moving_average


def plain(energies, alpha, delta, root, smooth):
    """(C, F) and (C,) parameters -> (C, F) in numpy, frame by frame."""
    found, average = np.empty_like(energies), energies[:, 0]
    for frame in range(energies.shape[1]):
        average = (1 - smooth) * average + smooth * energies[:, frame]
        scaled = energies[:, frame] / (1e-12 + average) ** alpha
        found[:, frame] = (scaled + delta) ** (1 / root) - delta ** (1 / root)
    return found


def with_parameters(**values):
    """In float64."""
    pcen = Pcen(len(next(iter(values.values())))).double()
    with torch.no_grad():
        for name, value in values.items():
            getattr(pcen, f"log_{name}").copy_(torch.tensor(value).log())
    return pcen


@pytest.mark.parametrize("frames", [1, 2, 3, 50])
def test_as_the_formula_frame_by_frame(frames):
    values = {"alpha": [0.96, 0.5], "delta": [2.0, 0.3], "root": [2.0, 3.5], "smooth": [0.04, 0.7]}
    energies = np.random.default_rng(0).random((2, frames)) * np.array([[1e-4], [10.0]])
    found = with_parameters(**values)(torch.from_numpy(energies)[None])[0].detach()
    np.testing.assert_allclose(found, plain(energies, *map(np.array, values.values())), rtol=1e-6)


def test_parameters_beyond_their_limits_count_as_the_limits():
    x = torch.rand(1, 1, 5, dtype=torch.float64)
    found = with_parameters(alpha=[3.0], delta=[2.0], root=[0.2], smooth=[9.0])(x)
    limits = with_parameters(alpha=[1.0], delta=[2.0], root=[1.0], smooth=[1.0])
    torch.testing.assert_close(found, limits(x))


def test_gradients_are_those_of_differences():
    torch.manual_seed(0)
    pcen = with_parameters(alpha=[0.9, 0.5], delta=[2.0, 1.0], root=[2.0, 1.5], smooth=[0.04, 0.5])
    names = [name for name, _ in pcen.named_parameters()]
    x = torch.rand(2, 2, 6, dtype=torch.float64, requires_grad=True)

    def compute(x, *values):
        return torch.func.functional_call(pcen, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(compute, (x, *pcen.parameters()))


def test_the_average_of_a_step_is_a_decaying_exponential():
    x = torch.cat([torch.zeros(100), torch.ones(900)]).expand(1, 2, -1)
    found = moving_average(x, torch.tensor([0.1, 1.0]))
    expected = np.concatenate([np.zeros(100), 1 - 0.9 ** np.arange(1, 901)])
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(found[0, 1], x[0, 1])


def test_a_minute_of_silence_and_noise_in_float32_gives_numbers_and_gradients():
    """Parameters far from where they start, as a high learning rate leaves them."""
    pcen = Pcen(2)
    with torch.no_grad():
        pcen.log_delta.copy_(torch.tensor([-9.0, 4.0]))
        pcen.log_root.copy_(torch.tensor([3.0, -3.0]))
    x = torch.cat([torch.full((1, 2, 3000), 1e-5), 100 * torch.rand(1, 2, 3000)], dim=2)
    found = pcen(x)
    found.square().mean().backward()
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in pcen.parameters())
