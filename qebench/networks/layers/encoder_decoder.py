"""The encoder and decoder of three resolutions that `unet` is and `cbdnet` has within, in the form of PowerQE."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from qebench.networks import pixels

WIDTHS = (64, 128, 256)  # channels at full, half and quarter resolution
SMALLEST = 4  # pixels: two poolings leave one


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
