"""RBQE as it runs fastest on a CPU: the parameters, the walk and (to 1e-6) the results of `rbqe.RBQE`.

What differs: channel attention scales no feature, but the weights of the convolution that reads it; skips are convolved
depthwise one by one, and joined after that; ReLU overwrites its input; pointwise convolutions are oneDNN's at one
thread, too; a head is one pass over its feature (`head`). Attention differs between images, so the images of a batch go
one after the other: four of 512x512 pixels take 0.67 of the time of channels_last, 16 of 128x128 as long, 16 of 64x64
1.6 times as long. For inference only.

All five exits of 512x512 pixels took one core of an EPYC (Zen 5) these milliseconds of processor time (least of 9 runs
in turn, beside other work): plain 1,166, channels_last 689, pointwise by oneDNN 520, ReLU in place 491, attention on
weights 455, skips one by one 437. Tried and left: heads as one dense convolution each by oneDNN (480), strips of rows
that stay in cache (5 % of an UpConv, within the noise), all gates of a feature by one convolution (all 54 take 0.4 ms),
ReLU and the sum over skips within oneDNN's convolutions (6 % in all, by operators that PyTorch keeps for its own use).
"""

from collections.abc import Generator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.rbqe import forms, network
from qebench.networks import loading


class RBQE(forms.Form):
    """The network of a loaded RBQE, with whose parameters it computes what that computes."""

    def __init__(self, model: network.RBQE) -> None:
        loading.channels_last(model)
        layers: dict[str, type[nn.Module]]
        layers = {"InputConv": InputConv, "ECA": ECA, "DownConv": DownConv, "UpConv": UpConv, "OutConv": OutConv}
        super().__init__(model, layers)

    def for_inference(self) -> nn.Module:
        return self

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]:
        """Yield the enhanced images of exit 1 to 5; shapes, errors and what may be sent as in `RBQE.exits`."""
        walks = [self._stages(image) for image in x.split(1)]
        for head in self.OutConv:
            enhanced = [image + head(top.attended(attention)) for image, top, attention in map(next, walks)]
            kept = yield torch.cat([x[:0], *enhanced])
            if kept is not None:
                walks = [walks[index] for index in torch.arange(len(walks))[kept].tolist()]

    def forward(self, x: Tensor, exit: int = network.STAGES) -> Tensor:
        """Return the enhanced images of one exit without computing the others; shapes and errors as in `exits`."""
        enhanced = []
        for walk in map(self._stages, x.split(1)):
            image, top, attention = next(islice(walk, exit - 1, None))
            enhanced.append(image + self.OutConv[exit - 1](top.attended(attention)))
        return torch.cat(enhanced)


class Gated(NamedTuple):
    """A feature (1, C, H, W) and the factors (C,) of its channels, which the next convolution applies."""

    feature: Tensor
    gate: Tensor


class ECA(nn.Module):
    """Efficient channel attention that leaves the scaling to what reads its result."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.conv = attention.get_submodule("conv")

    def forward(self, feature: Tensor, mean: Tensor) -> Gated:
        return Gated(feature, torch.sigmoid(self.conv(mean))[0])


class InputConv(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.convolutions = convolutions(block)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = convolution(x).relu_()
        return x


class DownConv(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.first, *others = convolutions(block)
        self.others = nn.ModuleList(others)

    def forward(self, x: Gated) -> Tensor:
        weight, bias = self.first.parameters()
        y = functional.conv2d(x.feature, weight * x.gate[:, None, None], bias, padding=1).relu_()
        for convolution in self.others:
            y = convolution(y).relu_()
        return y


class UpConv(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.up, self.depthwise, self.pointwise, self.depthwise2, self.pointwise2 = convolutions(block)

    def forward(self, skips: list[Gated], low: Gated | Tensor) -> Tensor:
        low = _gated(low)
        weight, bias = self.up.parameters()
        up = functional.conv_transpose2d(low.feature, weight * low.gate[:, None, None, None], bias, stride=2).relu_()
        weights, biases = (parameter.split(network.WIDTH) for parameter in self.depthwise.parameters())
        parts = [*skips, _gated(up)]
        shape = (1, network.WIDTH * len(parts), *up.shape[2:])
        joined = torch.empty(shape, dtype=up.dtype, device=up.device, memory_format=torch.channels_last)
        for place, (part, weight, bias) in enumerate(zip(parts, weights, biases, strict=True)):
            # One at a time: a list of all to join takes a quarter more memory.
            joined[:, place * network.WIDTH : (place + 1) * network.WIDTH] = _depthwise(part, weight, bias)
        y = _pointwise(joined, self.pointwise).relu_()
        return _pointwise(self.depthwise2(y), self.pointwise2).relu_()


class OutConv(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.depthwise, self.pointwise = convolutions(block)

    def forward(self, x: Gated | Tensor) -> Tensor:
        x = _gated(x)
        if x.feature.dtype == torch.float32 and not torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return self._at_once(x)
        return self.pointwise(_depthwise(x, *self.depthwise.parameters()))

    def _at_once(self, x: Gated) -> Tensor:
        """Return the two convolutions, between which nothing is, as one (`head`)."""
        from methods.rbqe import head  # numba takes a while

        (weight, bias), (mix, offset) = self.depthwise.parameters(), self.pointwise.parameters()
        filters = (weight.flatten(1) * (mix.flatten() * x.gate)[:, None]).t().reshape(3, -1)
        height, width = x.feature.shape[2:]
        rows = x.feature.permute(0, 2, 3, 1).reshape(height, -1)  # no copy, as features are channels_last
        result = rows.new_empty(height, width)
        constant = np.float32((mix.flatten() @ bias + offset).item())
        head.convolve(rows.numpy(), filters.contiguous().numpy(), constant, result.numpy())
        return result[None, None]


def convolutions(block: nn.Module) -> nn.ModuleList:
    """Return the two-dimensional convolutions of a block, in the order of use."""
    kinds = nn.Conv2d | nn.ConvTranspose2d
    return nn.ModuleList(layer for layer in block.modules() if isinstance(layer, kinds))


def _gated(x: Gated | Tensor) -> Gated:
    """Return a feature that has no attention with the gate 1."""
    return x if isinstance(x, Gated) else Gated(x, x.new_ones(x.shape[1]))


def _depthwise(x: Gated, weight: Tensor, bias: Tensor) -> Tensor:
    weight = weight * x.gate[:, None, None, None]
    return functional.conv2d(x.feature, weight, bias, padding=1, groups=len(bias))


def _pointwise(x: Tensor, convolution: nn.Module) -> Tensor:
    # Dilation changes nothing in a kernel of one pixel, but at one thread PyTorch gives oneDNN no undilated one, and
    # its own takes three times as long.
    weight, bias = convolution.parameters()
    return functional.conv2d(x, weight, bias, dilation=2)
