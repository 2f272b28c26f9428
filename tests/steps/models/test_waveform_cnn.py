"""The network on samples: what it gives does not depend on padding."""

import pytest
import torch

from steps.models.config import WaveformCnnConfig
from steps.models.waveform_cnn import WaveformCnn


def network():
    torch.manual_seed(1)
    return WaveformCnn({"emotion": 3}, WaveformCnnConfig(kernel=20, stride=10, channels=[6, 5, 4], embedding=4)).eval()


@pytest.mark.parametrize("samples", [1, 50, 79, 80, 81, 400])
def test_what_a_recording_gives_does_not_depend_on_its_batch(samples):
    model = network()
    x = torch.randn(1, samples, generator=torch.Generator().manual_seed(samples))
    other = torch.randn(1, 500, generator=torch.Generator().manual_seed(2))
    together = torch.cat([torch.nn.functional.pad(x, (0, 500 - samples)), other])
    alone = model(x, torch.tensor([samples]))["emotion"]
    torch.testing.assert_close(model(together, torch.tensor([samples, 500]))["emotion"][:1], alone, atol=1e-5, rtol=0)


def test_the_shortest_recording_leaves_one_step():
    model = network()
    x = torch.zeros(1, 1, model.shortest)
    for layer in model.layers:
        x = layer(x)
    assert x.shape[2] == 1 and model.shortest == 80


def test_time_steps_of_a_layer_are_its_filters_on_the_samples():
    model = network()
    samples = torch.randn(200, generator=torch.Generator().manual_seed(3))
    first = model.layers[0]
    expected = first.weight[:, 0] @ samples[30:50] + first.bias
    torch.testing.assert_close(first(samples[None, None])[0, :, 3], expected, atol=1e-5, rtol=0)
