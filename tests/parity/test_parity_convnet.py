"""The small ResNet equals transformers' with basic layers: its own config, random weights, pictures not square."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import carrying  # noqa: E402

from benchmarks import peers  # noqa: E402
from minivit.convnet import Convolution, ResNet, ResNetConfig  # noqa: E402

KINDS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
WIDTHS, DEPTHS = (8, 12, 16), (2, 1, 2)


def convolution(ours, theirs):
    """A convolution and its batch norm, averages included."""
    return [
        *carrying.linear(f"{ours}.weights", f"{theirs}.convolution", "weight"),
        *carrying.linear(f"{ours}.norm", f"{theirs}.normalization", *KINDS),
    ]


def table():
    """Theirs counts layers in each stage, ours blocks in a row."""
    rows, block = convolution("stem.0", "resnet.embedder.embedder"), 0
    for stage, depth in enumerate(DEPTHS):
        for layer in range(depth):
            theirs = f"resnet.encoder.stages.{stage}.layers.{layer}"
            rows += convolution(f"blocks.{block}.first", f"{theirs}.layer.0")
            rows += convolution(f"blocks.{block}.second", f"{theirs}.layer.1")
            if stage and not layer:
                rows += convolution(f"blocks.{block}.around", f"{theirs}.shortcut")
            block += 1
    return [*rows, *carrying.linear("head", "classifier.1")]


def pair(dtype):
    library = peers.load("transformers")
    numbers = {"num_channels": 4, "embedding_size": WIDTHS[0], "hidden_sizes": WIDTHS, "depths": DEPTHS}
    torch.manual_seed(0)
    theirs = library.ResNetForImageClassification(library.ResNetConfig(**numbers, layer_type="basic", num_labels=7))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in theirs.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator) * 0.1
                tensor.add_(noise.abs() if name.endswith("running_var") else noise)
    theirs = theirs.to(dtype).eval()
    stem = nn.Sequential(Convolution(4, WIDTHS[0], 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    ours = ResNet(ResNetConfig(WIDTHS, DEPTHS, 4, 4), stem=stem, head=nn.Linear(16, 7)).to(dtype).eval()
    carrying.carry(ours, theirs, table())
    return ours, theirs


def pixels(dtype):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 32, 48, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_transformers_resnet(dtype, atol):
    ours, theirs = pair(dtype)
    expected, seen = theirs(pixels(dtype), output_hidden_states=True), ours.features(pixels(dtype))

    def close(mine, other):  # relative to the largest: five blocks of random weights grow
        torch.testing.assert_close(mine, other, rtol=0, atol=atol * max(1.0, other.abs().max().item()))

    for at, stage in zip((0, 2, 3, 5), expected.hidden_states, strict=True):
        close(seen.maps[at], stage)
    close(ours(pixels(dtype)), expected.logits)
    close(seen.pooled, theirs.resnet(pixels(dtype)).pooler_output[:, :, 0, 0])


def test_transformers_resnet_while_training_in_every_gradient():
    ours, theirs = (model.train() for model in pair(torch.float64))
    for output in (ours(pixels(torch.float64)), theirs(pixels(torch.float64)).logits):
        output.square().sum().backward()
    mine = {name: parameter.grad for name, parameter in ours.named_parameters()}
    for row in table():
        for name, other in zip(row.ours, row.theirs, strict=True):
            if name in mine:
                torch.testing.assert_close(mine.pop(name), theirs.get_parameter(other).grad, rtol=1e-8, atol=1e-8)
    assert not mine
    state, other = ours.state_dict(), carrying.carried(theirs.state_dict(), table())
    for name in state:  # the averages moved alike
        torch.testing.assert_close(state[name], other[name], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mistake", ["eps", "around", "stride", "padding"])
def test_mistakes_are_seen(mistake):
    ours, theirs = pair(torch.float64)
    block = ours.blocks[2]
    if mistake == "eps":
        block.first.norm.eps = 1e-2
    elif mistake == "around":
        block.around.weights.weight.data.mul_(1.01)
    elif mistake == "stride":  # the second convolution of a block strides, not the first: the same shapes
        block.first.weights.stride, block.second.weights.stride = (1, 1), (2, 2)
    else:
        block.second.weights.padding_mode = "replicate"
        block.second.weights._reversed_padding_repeated_twice = [1, 1, 1, 1]
    assert (ours(pixels(torch.float64)) - theirs(pixels(torch.float64)).logits).abs().max() > 1e-5
