"""ESRGAN's generator RRDBNet: residual-in-residual dense blocks without batch norm, here at scale 1.

X. Wang, K. Yu, S. Wu, J. Gu, Y. Liu, C. Dong, Y. Qiao, C. C. Loy, "ESRGAN: Enhanced Super-Resolution Generative
Adversarial Networks", ECCV Workshops 2018, DOI 10.1007/978-3-030-11021-5_5. The two forms of ryanxingql/powerqe, both
smaller than the paper's 23 blocks of width 64 and growth 32 at scale 4, and like it without a residual to the image:

- PowerQE v3 (commit bd066ed, configs/esrgan; 6,694,915 parameters for RGB): 16 blocks of width 32 and growth 32 at a
  quarter of the resolution, entered by pixel-unshuffle and left by the paper's upsampling.
- PowerQE v1.0 (commit 096685b, opts/esrgan.yml; 1,451,011 parameters): 8 blocks of width 32 and growth 16 at full
  resolution; one LeakyReLU of slope 0.1 in place of the upsampling.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "Wang et al., ECCV Workshops 2018"

WIDTH = 32  # channels between blocks
SLOPE = 0.2  # of LeakyReLU
RESIDUAL_SCALE = 0.2  # the paper's beta
INITIAL_SCALE = 0.1  # PowerQE v3 starts at a tenth of He's values, with zero biases


def load(weights: Path | None, device: str) -> nn.Module:
    """Return the generator in the form that the weights are for (none: v3 for luma, at random) on `device`."""
    return forms.restore(FORMS, weights, device)


class Trunk(nn.Module):
    """What both forms share: blocks between two convolutions, around which the first feature is added."""

    def __init__(self, channels: int, blocks: int, growth: int) -> None:
        super().__init__()
        self.conv_first = _conv(channels, WIDTH)
        self.body = nn.Sequential(*(RRDB(growth) for _ in range(blocks)))
        self.conv_body = _conv(WIDTH, WIDTH)

    def features(self, x: Tensor) -> Tensor:
        first = self.conv_first(x)
        return first + self.conv_body(self.body(first))


class RRDBNet(Trunk):
    """PowerQE v3's form, for images of `channels` channels: float (N, channels, H, W) in [0, 1], H and W 4k."""

    multiple = 4  # of pixel-unshuffle; then doubled twice

    def __init__(self, channels: int = 1) -> None:
        super().__init__(channels * self.multiple**2, blocks=16, growth=32)
        self.channels = channels
        self.conv_up1 = _conv(WIDTH, WIDTH)
        self.conv_up2 = _conv(WIDTH, WIDTH)
        self.conv_hr = _conv(WIDTH, WIDTH)
        self.conv_last = _conv(WIDTH, channels)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                weight, bias = layer.parameters()
                nn.init.kaiming_normal_(weight)
                with torch.no_grad():
                    weight.mul_(INITIAL_SCALE)
                nn.init.zeros_(bias)

    def forward(self, x: Tensor) -> Tensor:
        feature = self.features(functional.pixel_unshuffle(x, self.multiple))
        for layer in (self.conv_up1, self.conv_up2):
            feature = _leaky(layer(functional.interpolate(feature, scale_factor=2, mode="nearest")))
        return self.conv_last(_leaky(self.conv_hr(feature)))


class FullResolutionRRDBNet(Trunk):
    """PowerQE v1.0's form, for images of `channels` channels: float (N, channels, H, W) in [0, 1] of any size."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(channels, blocks=8, growth=16)
        self.channels = channels
        self.conv_last = _conv(WIDTH, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_last(functional.leaky_relu(self.features(x), 0.1))


class RRDB(nn.Module):
    """Three dense blocks on (N, WIDTH, H, W), damped and added to their input."""

    def __init__(self, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(growth)
        self.rdb2 = DenseBlock(growth)
        self.rdb3 = DenseBlock(growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL_SCALE * self.rdb3(self.rdb2(self.rdb1(x)))


class DenseBlock(nn.Module):
    """Four convolutions that each add `growth` channels to what the next one reads; a fifth, damped, added to x."""

    def __init__(self, growth: int) -> None:
        super().__init__()
        self.conv1 = _conv(WIDTH, growth)
        self.conv2 = _conv(WIDTH + growth, growth)
        self.conv3 = _conv(WIDTH + 2 * growth, growth)
        self.conv4 = _conv(WIDTH + 3 * growth, growth)
        self.conv5 = _conv(WIDTH + 4 * growth, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        dense = x
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            dense = torch.cat([dense, _leaky(layer(dense))], dim=1)
        return x + RESIDUAL_SCALE * self.conv5(dense)


def _conv(channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, 3, padding=1)


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


V1_NAMES = {"conv_in.": "conv_first.", "rrdb_lst.": "body.", "conv_mid.": "conv_body.", "conv_out.": "conv_last."}
FORMS = {"powerqe-v3": Form(RRDBNet), "powerqe-v1": Form(FullResolutionRRDBNet, names=V1_NAMES)}
