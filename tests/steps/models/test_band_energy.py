"""Energies of filters: a plain sum in numpy, gradients, every step, padding."""

import numpy as np
import pytest
import torch

from steps.models import band_energy
from steps.models.band_energy import band_energies, by_step, full_rate, with_ends

TAPS = 401
TIME = torch.arange(TAPS).double() - TAPS // 2
# Deviation of a Gabor filter: the step that it takes. The last is cut off by its 401 taps.
WIDTHS = {40.0: 16, 20.0: 8, 10.0: 4, 5.0: 2, 2.0: 1, 130.0: 1}


def gabor(centers, widths):
    envelope = torch.exp(-0.5 * (TIME / widths[:, None]).square()) / widths[:, None]
    return torch.polar(envelope, centers[:, None] * TIME)


def bank():
    widths = torch.tensor(list(WIDTHS), dtype=torch.float64)
    windows = torch.exp(-0.5 * (TIME / torch.full((len(widths), 1), 80.0)).square())
    return gabor(torch.linspace(0.1, 3.0, len(widths)).double(), widths), windows


def plain(x, filters, windows, stride):
    """(T,), (C, K), (C, K) -> (C, F) in numpy."""
    half = filters.shape[1] // 2
    padded = np.pad(x, half)
    power = np.array([[abs(np.dot(taps, padded[n:n + len(taps)])) ** 2 for n in range(len(x))]
                      for taps in filters])
    power = np.pad(power, ((0, 0), (half, half)))
    return np.array([[np.dot(window, power[c, n:n + len(window)]) for n in range(0, len(x), stride)]
                     for c, window in enumerate(windows)])


@pytest.mark.parametrize("stride", [160, 480])
def test_as_a_plain_sum(stride):
    filters, windows = bank()
    found = {step: bands.tolist() for step, bands in by_step(filters, windows, stride).items()}
    assert found == {16: [0], 8: [1], 4: [2], 2: [3], 1: [4, 5]}
    x = np.random.default_rng(0).standard_normal((3, 2100))
    lengths = [2100, 1, 1283]
    found = band_energies(torch.from_numpy(x), torch.tensor(lengths), filters, windows, stride)
    for row, length in enumerate(lengths):
        expected = plain(x[row, :length], filters.numpy(), windows.numpy(), stride)
        np.testing.assert_allclose(found[row, :, :expected.shape[1]], expected, rtol=1e-5)
        assert (found[row, :, expected.shape[1]:] == 0).all()


@pytest.mark.parametrize(("taps", "stride"), [(5, 2), (5, 7), (33, 16)])
def test_filters_of_other_lengths(taps, stride):
    random = np.random.default_rng(1)
    filters = random.standard_normal((2, taps)) + 1j * random.standard_normal((2, taps))
    windows, x = random.random((2, taps)), random.standard_normal(40)
    found = band_energies(torch.from_numpy(x)[None], torch.tensor([40]), torch.from_numpy(filters),
                          torch.from_numpy(windows), stride)
    np.testing.assert_allclose(found[0], plain(x, filters, windows, stride), rtol=1e-10)


def test_the_gradient_of_numerical_differences():
    torch.manual_seed(0)
    x = torch.randn(2, 9, dtype=torch.float64)
    filters = torch.randn(2, 5, dtype=torch.complex128, requires_grad=True)
    windows = torch.rand(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, w: full_rate(x, [9, 4], f, w, 2), (filters, windows))


@pytest.mark.parametrize(("width", "step"), list(WIDTHS.items())[:4])
def test_a_longer_step_changes_nothing(width, step):
    """Energies and gradients of a signal of levels 60 dB apart, over several blocks of the FFT."""
    torch.manual_seed(0)
    x = torch.randn(2, 9000).double() * 10 ** (-3 * torch.rand(1, 9)).repeat_interleave(1000, dim=1)
    width = torch.tensor([width], dtype=torch.float64, requires_grad=True)
    spread = torch.tensor([[80.0]], dtype=torch.float64, requires_grad=True)

    def gradients(compute, *more):
        windows = torch.exp(-0.5 * (TIME / spread).square())
        filters = gabor(torch.tensor([1.0]).double(), width)
        found = compute(x, [9000, 7777], filters, windows, 160, *more)
        loss = found.clamp(min=1e-5).log().square().sum()
        return found.detach(), *torch.autograd.grad(loss, (width, spread))

    steps = {step: torch.tensor([0])}
    for found, expected in zip(gradients(with_ends, steps), gradients(full_rate), strict=True):
        torch.testing.assert_close(found, expected, rtol=3e-5, atol=5e-7)


def test_bands_of_short_windows_take_shorter_steps():
    filters, windows = gabor(torch.tensor([1.0]).double(), torch.tensor([40.0]).double()), bank()[1]
    steps = [max(by_step(filters, torch.exp(-0.5 * (TIME / spread).square())[None], 160))
             for spread in (80.0, 15.0, 5.0, 1.0)]
    assert steps[0] == 16 and steps == sorted(steps, reverse=True) and steps[-1] < 4
    assert list(by_step(filters, windows[:1], 100)) == [4]  # 8 does not divide the stride


def test_what_stands_behind_the_end_counts_for_nothing():
    filters, windows = bank()
    x = torch.randn(1, 3000, dtype=torch.float64)
    alone = band_energies(x, torch.tensor([3000]), filters, windows, 160)
    padded = torch.full((2, 9000), torch.nan, dtype=torch.float64)
    padded[0, :3000], padded[1] = x, 1.0
    found = band_energies(padded, torch.tensor([3000, 9000]), filters, windows, 160)
    torch.testing.assert_close(found[:1, :, :19], alone, rtol=1e-6, atol=0)
    assert (found[0, :, 19:] == 0).all()


def test_chunks_of_any_size_give_the_same(monkeypatch):
    filters, windows = bank()
    x, lengths = torch.randn(1, 5000, dtype=torch.float64), torch.tensor([5000])
    expected = band_energies(x, lengths, filters, windows, 160)
    monkeypatch.setitem(band_energy.CHUNK, "cpu", 1)
    torch.testing.assert_close(band_energies(x, lengths, filters, windows, 160), expected)


def test_a_gradient_of_waveforms_is_refused():
    filters, windows = bank()
    with pytest.raises(ValueError, match="no gradient"):
        band_energies(torch.ones(1, 500, dtype=torch.float64, requires_grad=True),
                      torch.tensor([500]), filters, windows, 160)
