"""Networks on spectrograms: padding changes nothing, the time-average head, widths."""

import numpy as np
import pytest
import torch

from steps.models.spectrogram_network import TRUNKS, SpectrogramNetwork, SpectrogramNetworkConfig, average
from utils.errors import UserError

BINS = 128


def network(architecture, **options):
    """One that has seen data, so that batch norm's averages are not 0 and 1."""
    torch.manual_seed(0)
    config = SpectrogramNetworkConfig(architecture, width=0.1, **options)
    model = SpectrogramNetwork(BINS, {"emotion": 4}, config)
    with torch.no_grad():
        for _ in range(10):
            model.loss(batch(torch.randn(3, 40, BINS)))
    return model.eval()


def batch(x):
    return {"x": x, "lengths": torch.full((len(x),), x.shape[1]), "targets": {"emotion": torch.arange(len(x))}}


@pytest.mark.parametrize("head", ["time_average", "average"])
@pytest.mark.parametrize("architecture", [name for name in TRUNKS if not name.endswith(("101", "152"))])
def test_an_utterance_gives_the_same_alone_and_padded(architecture, head):
    model = network(architecture, head=head)
    lengths = torch.tensor([45, 1, 18, 33, 2])
    x = 5 * torch.randn(len(lengths), 45, BINS)  # what stands behind an end is as loud as the rest
    with torch.no_grad():
        together = model(x, lengths)["emotion"]
        for row, length in enumerate(lengths.tolist()):
            alone = model(x[row:row + 1, :length], lengths[row:row + 1])["emotion"][0]
            torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-4)
    assert together.std(dim=0).min() > 1e-3  # they are five different utterances


def test_the_average_is_over_the_frames_that_are_there():
    x, lengths = torch.randn(3, 2, 4, 7), [7, 1, 5]
    expected = np.stack([x[row, :, :, :length].numpy().mean(axis=2) for row, length in enumerate(lengths)])
    np.testing.assert_allclose(average(x, torch.tensor(lengths)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(average(x[:1], None), expected[:1], rtol=1e-5, atol=1e-6)


def test_the_head_as_published_keeps_four_bins_of_frequency():
    for architecture in ("resnet50", "pyresnet50"):
        for head, inputs in (("time_average", 8192), ("average", 2048)):
            model = SpectrogramNetwork(BINS, {"emotion": 4}, SpectrogramNetworkConfig(architecture, head=head))
            assert model.heads.branches["emotion"][0].in_features == inputs


@pytest.mark.parametrize("architecture", [name for name in TRUNKS if not name.endswith(("101", "152"))])
def test_features_may_be_64_wide_and_too_narrow_ones_are_told(architecture):
    def build(bins):
        return SpectrogramNetwork(bins, {"emotion": 4}, SpectrogramNetworkConfig(architecture, width=0.05))

    assert build(64).eval()(torch.randn(1, 20, 64), torch.tensor([20]))["emotion"].shape == (1, 4)
    for bins in (1, 7, 16):
        try:
            build(bins).eval()(torch.randn(1, 20, bins), torch.tensor([20]))
        except UserError as error:
            assert f"features of {bins} columns are too narrow for model.architecture={architecture}" in str(error)


def test_the_vgg_needs_more_than_16_columns():
    with pytest.raises(UserError, match="features of 16 columns are too narrow for model.architecture=vgg16"):
        SpectrogramNetwork(16, {"emotion": 4}, SpectrogramNetworkConfig("vgg16", width=0.05))


def test_building_a_network_teaches_batch_norm_nothing():
    model = SpectrogramNetwork(BINS, {"emotion": 4}, SpectrogramNetworkConfig(width=0.1))
    assert model.training
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms and all(norm.num_batches_tracked == 0 for norm in norms)
