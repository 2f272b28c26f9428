"""The Conformer: lengths, exactness under padding, relative positions, sizes."""

import pytest
import torch

from steps.models.conformer import (
    FEWEST_FRAMES,
    Conformer,
    ConformerConfig,
    output_lengths,
    rotary_angles,
    rotate,
)
from utils.config import load_config


def small(**options):
    torch.manual_seed(0)
    return Conformer(20, ConformerConfig(**{"dim": 16, "layers": 2, "heads": 2, "kernel": 5, "channels": 4,
                                            "dropout": 0.0, **options})).eval()


@pytest.mark.parametrize("frames", range(FEWEST_FRAMES, 40))
def test_output_lengths_are_those_of_the_convolutions(frames):
    states, lengths, _ = small()(torch.randn(1, frames, 20), torch.tensor([frames]))
    assert states.shape[1] == lengths.item() == output_lengths(torch.tensor([frames])).item()


def test_fewest_frames_give_one_output_frame_and_fewer_none():
    assert output_lengths(torch.tensor([0, 3, FEWEST_FRAMES - 1, FEWEST_FRAMES])).tolist() == [0, 0, 0, 1]


def test_an_utterance_gives_the_same_alone_and_in_a_padded_batch():
    model, x = small(), torch.randn(3, 61, 20)
    lengths = torch.tensor([61, 30, 13])
    together, output, between = model(x, lengths, also=1)
    for row, frames in enumerate(lengths.tolist()):
        alone, own, half = model(x[row:row + 1, :frames], lengths[row:row + 1], also=1)
        kept = int(own[0])
        assert kept == output[row]
        torch.testing.assert_close(together[row, :kept], alone[0, :kept], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(between[row, :kept], half[0, :kept], atol=1e-5, rtol=1e-5)


def test_what_stands_in_the_padding_changes_nothing_and_no_gradient_reaches_it():
    model, x = small(), torch.randn(2, 50, 20)
    lengths = torch.tensor([50, 22])
    x.requires_grad_(True)
    states, output, _ = model(x, lengths)
    states[1, :output[1]].square().sum().backward()
    # The convolutions of the subsampling see at most 3 frames after the last whole one.
    assert x.grad[1, 22:].abs().max() == 0


def test_rotation_depends_on_the_distance_alone():
    cosines, sines = rotary_angles(12, 8, torch.device("cpu"))
    query, key = torch.randn(8), torch.randn(8)
    dots = rotate(query.expand(12, 8), cosines, sines) @ rotate(key.expand(12, 8), cosines, sines).T
    for distance in range(-5, 6):
        diagonal = dots.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=1e-5)
    assert dots.std() > 0.1  # and it does depend on it


@pytest.mark.parametrize("name, least, most", [("asr_small", 1.0, 2.0), ("asr_base", 20, 35), ("asr_large", 90, 125)])
def test_the_three_sizes_have_about_their_millions_of_parameters(name, least, most):
    from steps.asr.config import AsrConfig
    from steps.asr.model import CtcModel

    config = load_config(AsrConfig, name)
    with torch.device("meta") if hasattr(torch.device("meta"), "__enter__") else torch.no_grad():
        model = CtcModel(80, 120 if name == "asr_small" else 5000, config.model)
    assert least < sum(parameter.numel() for parameter in model.parameters()) / 1e6 < most


def test_sizes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="multiple of twice the heads"):
        small(dim=18, heads=2)
    with pytest.raises(ValueError, match="odd"):
        small(kernel=4)
