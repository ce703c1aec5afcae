"""U-Net: an encoder and a decoder of three resolutions with a skip at each.

O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015, DOI
10.1007/978-3-319-24574-4_28, arXiv 1505.04597. The form is that of PowerQE v3 (ryanxingql/powerqe, commit bd066ed,
4,097,795 parameters for RGB), which enhances images: three resolutions instead of five, average instead of maximum
pooling, more convolutions at lower resolutions, zero padding, and the result is added to the decoded image.

`cbdnet` has such a network within.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form
from qebench.networks import pixels

WIDTHS = (64, 128, 256)  # channels at full, half and quarter resolution
SMALLEST = 4  # pixels: two poolings leave one


def load(weights: Path | None, device: str) -> nn.Module:
    """Return U-Net for the channels that the weights are for (none: luma, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class EncoderDecoder(nn.Module):
    """Maps float (N, channels, H, W) to (N, out_channels, H, W), of any size.

    `depths` are the convolutions at full, half and quarter resolution of the encoder, then at half and full of the
    decoder. That upsamples with a `kernel` of 2x2 or 3x3, and concatenates the skip or adds it. With `tied`, all
    convolutions of a stage but the first are one.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        depths: tuple[int, int, int, int, int] = (1, 3, 5, 3, 2),
        concatenate: bool = True,
        kernel: int = 3,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.concatenate = concatenate
        full, half, quarter = WIDTHS
        merged = 2 if concatenate else 1
        self.pool = nn.AvgPool2d(2)
        # The order and the names are those of PowerQE's state dict.
        self.inc = convolutions(channels, full, depths[0], tied)
        self.enc_1 = convolutions(full, half, depths[1], tied)
        self.enc_2 = convolutions(half, quarter, depths[2], tied)
        self.up_1 = Up(quarter, half, kernel)
        self.dec_1 = convolutions(merged * half, half, depths[3], tied)
        self.up_0 = Up(half, full, kernel)
        self.dec_0 = convolutions(merged * full, full, depths[4], tied)
        self.outc = nn.Conv2d(full, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if min(height, width) < SMALLEST:  # the original takes no such images
            x = pixels.pad(x, SMALLEST)
        full = self.inc(x)
        half = self.enc_1(self.pool(full))
        quarter = self.enc_2(self.pool(half))
        half = self.dec_1(self._merge(self.up_1(quarter, half.shape), half))
        full = self.dec_0(self._merge(self.up_0(half, full.shape), full))
        return self.outc(full)[..., :height, :width]

    def _merge(self, low: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([low, skip], dim=1) if self.concatenate else low + skip


class UNet(EncoderDecoder):
    """U-Net for images of `channels` channels, float (N, channels, H, W) in [0, 1], of any size."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(channels, channels)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Up(nn.Module):
    """Double the resolution by a transposed convolution and pad to the skip's size, with zeros on both sides."""

    def __init__(self, channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, out_channels, kernel, stride=2, padding=(kernel - 1) // 2)

    def forward(self, low: Tensor, skip: torch.Size) -> Tensor:
        low = self.up(low)
        rows, columns = skip[2] - low.shape[2], skip[3] - low.shape[3]
        return functional.pad(low, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def convolutions(channels: int, width: int, count: int, tied: bool) -> nn.Sequential:
    """Return `count` 3x3 convolutions with ReLU, to `width` channels; with `tied`, all but the first are one."""
    inputs = [channels, *[width] * (count - 1)]
    pairs = [[nn.Conv2d(before, width, 3, padding=1), nn.ReLU()] for before in inputs]
    if tied:
        pairs[1:] = pairs[1:2] * (count - 1)
    return nn.Sequential(*(layer for pair in pairs for layer in pair))


FORMS = {"powerqe-v3": Form(UNet)}
