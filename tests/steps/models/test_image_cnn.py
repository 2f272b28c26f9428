"""The network on images: the mean over an utterance's own images."""

import torch

from steps.models.config import ImageCnnConfig
from steps.models.image_cnn import ImageCnn


def images(count, seed=1):
    return torch.randint(0, 256, (count, 9, 7, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def network():
    torch.manual_seed(1)
    return ImageCnn(3, {"emotion": 2}, ImageCnnConfig(channels=[4, 5], embedding=6))


def test_an_utterance_is_the_mean_of_its_images_whatever_fills_the_batch():
    model, x, lengths = network().eval(), torch.zeros(2, 3, 9, 7, 3, dtype=torch.uint8), torch.tensor([2, 3])
    x[0, :2], x[0, 2], x[1] = images(2), 255, images(3, 2)
    together = model.shared(x, lengths)
    single = torch.stack([model.shared(one[None, None], torch.tensor([1]))[0] for one in x[0, :2]]).mean(dim=0)
    torch.testing.assert_close(together[0], single, atol=1e-6, rtol=0)


def test_batch_statistics_are_of_images_alone():
    model, alone = network().train(), network().train()
    x = torch.zeros(2, 3, 9, 7, 3, dtype=torch.uint8)
    x[0, :1], x[1] = images(1), images(3, 2)
    model.shared(x, torch.tensor([1, 3]))
    alone.shared(torch.cat([x[0, :1], x[1]])[:, None], torch.tensor([1, 1, 1, 1]))
    torch.testing.assert_close(model.layers[1].running_mean, alone.layers[1].running_mean)
