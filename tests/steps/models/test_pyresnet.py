"""ResNet and PyResNet: published numbers of parameters, pyramids, shapes of spectrograms of any length, padding."""

import numpy as np
import pytest
import torch

from steps.models.pyresnet import Bottleneck, PyramidalConv, ResNet, hide
from steps.models.spectrogram_network import SpectrogramNetwork, SpectrogramNetworkConfig

# torchvision's resnet50, 101 and 152 of 1000 classes and three channels of input.
PUBLISHED = {50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
# Planes of a stage -> kernel, groups, channels (Duta et al., arXiv 2006.11538, table 1; Fan et al., ICASSP 2021).
PYRAMIDS = {64: [(9, 16, 16), (7, 8, 16), (5, 4, 16), (3, 1, 16)], 128: [(7, 8, 64), (5, 4, 32), (3, 1, 32)],
            256: [(5, 4, 128), (3, 1, 128)], 512: [(3, 1, 512)]}


def on_meta(depth, pyramidal):
    with torch.device("meta"):
        return ResNet(depth, pyramidal)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def by_the_table(depth):
    """Parameters of a PyResNet's trunk, from PYRAMIDS: weights without bias, and two a channel of batch norm."""
    count, inputs = 49 * 64 + 2 * 64, 64
    for planes, blocks in zip((64, 128, 256, 512), BLOCKS[depth], strict=True):
        for block in range(blocks):
            count += inputs * planes + 2 * planes
            count += sum(kernel ** 2 * planes // groups * out for kernel, groups, out in PYRAMIDS[planes]) + 2 * planes
            count += planes * 4 * planes + 2 * 4 * planes
            if block == 0:
                count += inputs * 4 * planes + 2 * 4 * planes
            inputs = 4 * planes
    return count


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_a_resnet_has_as_many_parameters_as_published(depth):
    assert parameters(on_meta(depth, False)) == PUBLISHED[depth] - (2048 * 1000 + 1000) - 2 * 49 * 64


@pytest.mark.parametrize(("depth", "with_thousand_classes"), [(50, 24.85), (101, 42.31), (152, 56.64)])
def test_a_pyresnet_has_as_many_parameters_as_its_table(depth, with_thousand_classes):
    count = parameters(on_meta(depth, True))
    assert count == by_the_table(depth)
    # Of PyConvResNet on images, in millions (Duta et al., table 2): three channels of input, 1000 classes.
    assert (count + 2 * 49 * 64 + 2048 * 1000 + 1000) / 1e6 == pytest.approx(with_thousand_classes, abs=0.005)


@pytest.mark.parametrize("stage", range(4))
def test_each_block_has_the_kernels_and_groups_of_its_stage(stage):
    planes = (64, 128, 256, 512)[stage]
    model = on_meta(50, True)
    first = sum(BLOCKS[50][:stage])
    for block in model.blocks[first:first + BLOCKS[50][stage]]:
        found = sorted([(conv.kernel_size[0], conv.groups, conv.out_channels) for conv in block.spread.convs])
        assert found == sorted(PYRAMIDS[planes])
        assert all(conv.in_channels == planes and conv.kernel_size[0] == conv.kernel_size[1]
                   and conv.padding[0] == conv.kernel_size[0] // 2 for conv in block.spread.convs)


def test_strides_and_shortcuts_are_the_published_ones():
    for pyramidal in (False, True):
        model = on_meta(50, pyramidal)
        strided = [n for n, block in enumerate(model.blocks) if block.stride == 2]
        assert strided == ([0] if pyramidal else []) + [3, 7, 13]
        with_shortcut = [n for n, block in enumerate(model.blocks) if block.shortcut is not None]
        assert with_shortcut == [0, 3, 7, 13]
        assert (model.pool is None) == pyramidal
        for block in (model.blocks[n] for n in strided):
            assert (block.pool is not None) == pyramidal
            assert block.shortcut[0].stride == ((1, 1) if pyramidal else (2, 2))


@pytest.mark.parametrize("pyramidal", [False, True])
@pytest.mark.parametrize(("frames", "left"), [(1, 1), (2, 1), (3, 1), (31, 1), (33, 2), (115, 4)])
def test_four_bins_of_frequency_are_left_and_a_frame_of_32(frames, left, pyramidal):
    model = ResNet(50, pyramidal, 0.0625).eval()
    with torch.no_grad():
        x, lengths = model(torch.randn(2, 1, 128, frames), torch.tensor([frames, 1]))
        unpadded, nothing = model(torch.randn(1, 1, 128, frames), None)
    assert x.shape == (2, 128, 4, left) and lengths.tolist() == [left, 1]
    assert unpadded.shape[3] == left and nothing is None


def test_the_published_head_has_8192_values_for_each_class():
    with torch.device("meta"):
        model = SpectrogramNetwork(128, {"emotion": 4}, SpectrogramNetworkConfig("pyresnet50"))
    assert model.heads.branches["emotion"][0].weight.shape == (4, 8192)


def test_a_pyramid_is_its_convolutions_one_channel_after_the_other():
    torch.manual_seed(0)
    layer = PyramidalConv(128, 16, 2).double()  # 4 channels of 3x3, 4 of 5x5 in 4 groups, 8 of 7x7 in 8
    x = np.random.default_rng(0).normal(size=(16, 5, 7))
    with torch.no_grad():
        found = layer(torch.from_numpy(x)[None])[0].numpy()
    assert found.shape == (16, 3, 4)
    channel = 0
    for conv in layer.convs:
        weight, size = conv.weight.detach().numpy(), conv.kernel_size[0]
        padded = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
        for out in range(weight.shape[0]):
            first = out // (weight.shape[0] // conv.groups) * weight.shape[1]  # of the inputs of its group
            seen = padded[first:first + weight.shape[1]]
            expected = [[(seen[:, f:f + size, t:t + size] * weight[out]).sum() for t in range(0, 7, 2)]
                        for f in range(0, 5, 2)]
            np.testing.assert_allclose(found[channel], expected, rtol=1e-9, atol=1e-12)
            channel += 1
    assert channel == 16


@pytest.mark.parametrize("width", [0.0625, 0.1, 0.25, 0.5])
def test_a_narrow_network_still_has_every_kernel(width):
    with torch.device("meta"):
        model = ResNet(50, True, width)
    for stage, (planes, block) in enumerate(zip((64, 128, 256, 512), (0, 3, 7, 13), strict=True)):
        spread = model.blocks[block].spread
        assert sorted(conv.kernel_size[0] for conv in spread.convs) == sorted(k for k, _, _ in PYRAMIDS[planes])
        assert sum(conv.out_channels for conv in spread.convs) == spread.convs[0].in_channels, stage


@pytest.mark.parametrize("pyramidal", [False, True])
@pytest.mark.parametrize("inputs", [16, 64])
def test_a_padded_block_gives_what_it_gives_unpadded(inputs, pyramidal):
    """One block at a time, so that no later layer hides what an earlier one spread."""
    torch.manual_seed(0)
    block = Bottleneck(inputs, 64, 16, 2, pyramidal, pooled=pyramidal)
    with torch.no_grad():
        for module in block.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # as after training: zero does not stay zero
                for value in (module.weight, module.bias, module.running_mean):
                    value.normal_()
    block.eval()
    x = torch.rand(1, inputs, 6, 15)  # what enters a block comes from a ReLU
    for length in (1, 2, 3, 14, 15):
        with torch.no_grad():
            padded, lengths = block(x, torch.tensor([length]))
            alone, _ = block(x[..., :length], None)
        assert lengths.item() == alone.shape[3] == -(-length // 2)
        torch.testing.assert_close(padded[..., :lengths.item()], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head", ["time_average", "average"])
def test_the_average_over_time_leaves_padding_out(head):
    torch.manual_seed(0)
    model = SpectrogramNetwork(128, {"emotion": 4}, SpectrogramNetworkConfig("pyresnet50", 0.0625, head)).eval()
    x, lengths = torch.randn(3, 1, 128, 100), torch.tensor([100, 31, 65])
    with torch.no_grad():
        pooled = model._pooled(x, lengths).numpy()
        features, left = model.trunk(x, lengths)
    for row in range(3):
        mean = np.zeros((128, 4))
        for frame in range(left[row]):
            mean += features[row, :, :, frame].numpy() / left[row].item()
        expected = mean.reshape(-1) if head == "time_average" else mean.mean(axis=1)
        np.testing.assert_allclose(pooled[row], expected, rtol=1e-4, atol=1e-6)


def test_hiding_needs_no_lengths():
    x = torch.randn(2, 3, 4, 5)
    assert hide(x, None) is x
    hidden = hide(x, torch.tensor([5, 2]))
    assert torch.equal(hidden[0], x[0]) and torch.equal(hidden[1, ..., :2], x[1, ..., :2])
    assert (hidden[1, ..., 2:] == 0).all()


@pytest.mark.parametrize("pyramidal", [False, True])
def test_every_parameter_gets_a_gradient(pyramidal):
    torch.manual_seed(0)
    model = ResNet(50, pyramidal, 0.0625)
    for block in model.blocks:  # which begins as its shortcut: nothing before it would get a gradient
        torch.nn.init.ones_(block.norm3.weight)
    x, _ = model(torch.randn(2, 1, 64, 64), None)
    (x * torch.randn_like(x)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
