"""RBQE as it trains fastest on a CPU: the parameters, the walk and (to rounding) the results of `rbqe.RBQE`.

What differs: skips are neither scaled by their attention nor joined. Each is convolved depthwise by itself, and a
product of matrices, one per image, applies its attention and the pointwise convolution and adds it to the others. The
bias of upsampling is added by itself, and ReLU overwrites its input.

Loss and gradients of 4 crops of 128x128 in bfloat16 take one core of an EPYC (Zen 5) 0.27 to 0.29 s, `rbqe.RBQE` 0.37
to 0.44 s (`qebench study training-speed rbqe --threads 1`). In that, the gradient of a depthwise convolution
takes three times as long per channel with 192 channels as with 32 (oneDNN), that of the bias of a transposed
convolution seven times as long as all its others, and attention is a pass over each skip forwards and three backwards.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.rbqe import forms, network
from methods.rbqe.cpu import InputConv, convolutions


class RBQE(forms.Form):
    """The network of an RBQE, with whose parameters it computes what that computes."""

    def __init__(self, model: network.RBQE) -> None:
        layers: dict[str, type[nn.Module]]
        layers = {"InputConv": InputConv, "ECA": ECA, "DownConv": DownConv, "UpConv": UpConv, "OutConv": OutConv}
        super().__init__(model, layers)

    def node(self, feature: Tensor) -> network.Node:
        return Node(feature)


class Node(network.Node):
    """A feature whose mean has a gradient in the memory format channels_last."""

    def mean(self) -> Tensor:
        # The gradient of mean(dim=(2, 3)) is not channels_last, nor what it is added to, at five times the cost.
        return self.feature.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1)


class Gated(NamedTuple):
    """A feature (N, C, H, W) and the factors (N, C) of its channels."""

    feature: Tensor
    gate: Tensor

    def scaled(self) -> Tensor:
        return self.feature * self.gate[:, :, None, None]


class ECA(nn.Module):
    """Efficient channel attention that leaves the scaling to what reads its result."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.conv = attention.get_submodule("conv")

    def forward(self, feature: Tensor, mean: Tensor) -> Gated:
        return Gated(feature, torch.sigmoid(self.conv(mean[:, None]))[:, 0])


class DownConv(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.chain = InputConv(block)

    def forward(self, x: Gated) -> Tensor:
        return self.chain(x.scaled())


class UpConv(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.up, self.depthwise, self.pointwise, self.depthwise2, self.pointwise2 = convolutions(block)

    def forward(self, skips: list[Gated], low: Gated | Tensor) -> Tensor:
        weight, bias = self.up.parameters()
        up = functional.conv_transpose2d(_scaled(low), weight, stride=2)
        up = (up + bias[:, None, None].to(up.dtype)).relu_()
        y = _separable([*skips, up], self.depthwise, self.pointwise)
        return _separable([y], self.depthwise2, self.pointwise2)


class OutConv(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.depthwise, self.pointwise = convolutions(block)

    def forward(self, x: Gated | Tensor) -> Tensor:
        return self.pointwise(self.depthwise(_scaled(x)))


def _scaled(x: Gated | Tensor) -> Tensor:
    return x.scaled() if isinstance(x, Gated) else x


def _separable(parts: list[Gated | Tensor], depthwise: nn.Module, pointwise: nn.Module) -> Tensor:
    """Return the ReLU of a separable convolution of `parts`, one after the other as its input channels.

    Each part has (N, WIDTH, H, W), and so has the result. Of the pointwise convolution P, the depthwise ones D and the
    gates g this is the sum over parts of (g P) D(part): a gate scales channels, which D leaves apart.
    """
    weights, biases = depthwise.parameters()
    filters, bias = pointwise.parameters()
    mixes = filters.permute(0, 2, 3, 1).flatten(1).t()  # (in, out), with gradients laid out as the weights are
    total = bias + biases @ mixes
    for part, weight, mix in zip(parts, weights.split(network.WIDTH), mixes.split(network.WIDTH), strict=True):
        feature, gate = part if isinstance(part, Gated) else (part, None)
        y = functional.conv2d(feature, weight, padding=1, groups=network.WIDTH).permute(0, 2, 3, 1)
        count, *size, _ = y.shape
        mix = mix.expand(count, -1, -1) if gate is None else gate[:, :, None] * mix
        y, mix, total = y.flatten(1, 2), mix.to(y.dtype), total.to(y.dtype)
        # In place but for the first, where the bias is no matrix yet.
        total = torch.baddbmm(total, y, mix) if total.dim() == 1 else total.baddbmm_(y, mix)
    # ReLU before the change of shape: in place on a view, it would copy the gradient twice.
    return total.relu_().unflatten(1, size).permute(0, 3, 1, 2)
