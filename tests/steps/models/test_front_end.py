"""Front ends on waveforms: LEAF as a plain sum, where its filters start, mel baselines, padding."""

import numpy as np
import pytest
import torch

from steps.models.config import FRONT_ENDS, FrontEndConfig
from steps.models.front_end import FrontEnd, MelEnergies, mel_filters
from tests.steps.models.test_pcen import plain as plain_pcen
from utils.errors import UsageError


def mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def plain_leaf(x):
    """(T,) -> (40, F) in numpy, every 30 ms, at the parameters that LEAF starts from."""
    front_end = FrontEnd(FrontEndConfig()).energies
    time, found = np.arange(-200, 201), []
    for center, width in zip(front_end.center.tolist(), front_end.width.tolist(), strict=True):
        taps = np.exp(1j * center * time - time ** 2 / (2 * width ** 2))
        taps /= np.sqrt(2 * np.pi) * width
        power = np.abs(np.convolve(x, taps)[200:200 + len(x)]) ** 2
        window = np.exp(-0.5 * (time / 80) ** 2)
        found.append([sum(window[n - middle + 200] * power[n]
                          for n in range(max(0, middle - 200), min(len(x), middle + 201)))
                      for middle in range(0, len(x), 480)])
    ones = np.ones(40)
    return plain_pcen(np.maximum(found, 1e-5), 0.96 * ones, 2 * ones, 2 * ones, 0.04 * ones)


def test_leaf_as_a_plain_sum():
    x = 0.1 * np.random.default_rng(0).standard_normal(1500)
    with torch.no_grad():
        found, frames = FrontEnd(FrontEndConfig())(torch.from_numpy(x)[None], torch.tensor([1500]))
    assert frames.tolist() == [4]
    np.testing.assert_allclose(found[0], plain_leaf(x), rtol=1e-5)


def test_leaf_starts_from_mel_filters():
    energies = FrontEnd(FrontEndConfig()).energies
    hertz = energies.center.detach().numpy() * 16000 / (2 * np.pi)
    expected = np.linspace(mel(60), mel(7800), 42)[1:-1]
    assert (np.abs(mel(hertz) - expected) < 30).all()  # half a bin of 31 Hz
    # At half the height of its square root a triangle is 3/4 as wide as its foot.
    edges = 700 * (10 ** (np.linspace(mel(60), mel(7800), 42) / 2595) - 1)
    wide = 0.75 * (edges[2:] - edges[:-2])
    assert (np.abs(512 / 16000 * wide - 512 * 0.3748 / energies.width.detach().numpy()) < 1.5).all()


def test_a_tone_is_loudest_in_its_band():
    x = torch.sin(2 * torch.pi * 1000 / 16000 * torch.arange(16000))[None]
    expected = np.abs(np.linspace(mel(60), mel(7800), 42)[1:-1] - mel(1000)).argmin()
    for kind in FRONT_ENDS:
        with torch.no_grad():
            energies = FrontEnd(FrontEndConfig(kind=kind)).energies(x, torch.tensor([16000]))
        assert energies[0, :, 15].argmax() == expected, kind


def test_mel_energies_as_a_plain_sum():
    x = np.random.default_rng(0).standard_normal(1000)
    energies = MelEnergies(FrontEndConfig(bands=8))
    found = energies(torch.from_numpy(x).float()[None], torch.tensor([1000]))[0]
    padded, hann = np.pad(x, (200, 600)), 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    for frame in range(3):
        power = np.abs(np.fft.rfft(padded[480 * frame:480 * frame + 400] * hann, 512)) ** 2
        np.testing.assert_allclose(found[:, frame], mel_filters(8, 60, 7800) @ power, rtol=1e-4)
    assert found.shape == (8, 3)


@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_what_stands_behind_the_end_changes_nothing(kind):
    """Utterances of one sample, of a tenth of a second and of some seconds, alone and together."""
    torch.manual_seed(0)
    front_end, lengths = FrontEnd(FrontEndConfig(kind=kind)), torch.tensor([1, 1600, 20000])
    x = 0.1 * torch.randn(3, 20000)
    padded = torch.where(torch.arange(20000) < lengths[:, None], x, torch.nan)
    with torch.no_grad():
        found, frames = front_end(padded, lengths)
        assert frames.tolist() == [1, 4, 42]
        for row, length in enumerate(lengths.tolist()):
            alone, _ = front_end(x[row:row + 1, :length], lengths[row:row + 1])
            torch.testing.assert_close(found[row, :, :frames[row]], alone[0], rtol=1e-4, atol=1e-6)
            assert (found[row, :, frames[row]:] == 0).all()


def test_half_a_minute_of_quiet_and_loud_speech_gives_numbers_and_gradients():
    front_end = FrontEnd(FrontEndConfig(bands=8))
    levels = torch.tensor([0.0, 1e-4, 1.0, 1e-3]).repeat_interleave(34 * 4000)
    x = torch.randn(1, 34 * 16000) * levels
    found, _ = front_end(x, torch.tensor([34 * 16000]))
    found.square().mean().backward()
    assert torch.isfinite(found).all() and found.std() > 0.01
    assert all(torch.isfinite(parameter.grad).all() for parameter in front_end.parameters())


def test_more_bands_than_the_mel_scale_has_room_for_are_refused():
    with pytest.raises(UsageError, match="200 bands between 60 and 7800 Hz are too many"):
        FrontEnd(FrontEndConfig(bands=200))
    with pytest.raises(UsageError, match="lowest is 7000 Hz, highest 500"):
        FrontEnd(FrontEndConfig(lowest=7000, highest=500))


def test_a_bias_of_the_pooling_is_an_option():
    plain, biased = (FrontEnd(FrontEndConfig(pooling_bias=bias)).energies for bias in (False, True))
    x, lengths = torch.randn(1, 2000), torch.tensor([2000])
    torch.testing.assert_close(biased(x, lengths), plain(x, lengths) + 1)


def test_two_front_ends_share_no_parameter():
    first, second = (list(FrontEnd(FrontEndConfig()).parameters()) for _ in range(2))
    assert len({id(parameter) for parameter in first + second}) == 2 * len(first) == 14


def test_under_autocast_the_front_end_stays_in_float32():
    front_end, x = FrontEnd(FrontEndConfig(bands=4)), torch.randn(1, 3000)
    expected, _ = front_end(x, torch.tensor([3000]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = front_end(x, torch.tensor([3000]))
        found.sum().backward()
    torch.testing.assert_close(found, expected)
    assert torch.isfinite(front_end.energies.center.grad).all()
