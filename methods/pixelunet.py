"""PixelUNet: a U-Net at half resolution, this suite's own network, in three sizes.

Each 2x2 pixels become channels (pixel-unshuffle), so that dense convolutions, which processors do fastest, run on a
quarter of the positions. Then it is a small DRUNet with biases (K. Zhang, Y. Li, W. Zuo, L. Zhang, L. Van Gool,
R. Timofte, "Plug-and-Play Image Restoration with Deep Denoiser Prior", IEEE TPAMI 44(10), 2022, arXiv 2008.13751):
three resolutions of residual blocks, 2x2 convolutions of stride 2 down, transposed ones up that are added to the skip.
The result is added to the decoded image. There is no normalisation and no attention: a pixel depends on its
surroundings alone, so tiles change nothing. docs/pixelunet.md tells what was tried. For luma:

| size | channels | residual blocks of a level, each way | parameters | GMACs at 512x512 |
|---|---|---|---|---|
| small | 16, 32, 64 | 1 | 141,924 | 1.72 |
| middle | 32, 64, 128 | 2 | 1,044,292 | 12.77 |
| large | 48, 96, 192 | 3 | 3,425,956 | 42.20 |
"""

from functools import partial
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "QEBench, Version 0.2 2026"


def load(weights: Path | None, device: str) -> nn.Module:
    """Return PixelUNet in the size that the weights are for (none: middle, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class Block(nn.Sequential):
    """Two 3x3 convolutions with ReLU between, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class PixelUNet(nn.Module):
    """PixelUNet for images of `channels` channels, float (N, channels, H, W) in [0, 1].

    `widths` are the channels of its resolutions, the finest first; each has `blocks` residual blocks on each way.
    """

    multiple = 8

    def __init__(self, channels: int = 1, widths: tuple[int, int, int] = (32, 64, 128), blocks: int = 2) -> None:
        super().__init__()
        self.channels = channels
        fine, half, coarse = widths
        self.head = nn.Conv2d(4 * channels, fine, 3, padding=1)
        self.encoder = nn.ModuleList(_level(width, blocks) for width in widths)
        self.decoder = nn.ModuleList(_level(width, blocks) for width in (fine, half))
        self.down = nn.ModuleList([nn.Conv2d(fine, half, 2, stride=2), nn.Conv2d(half, coarse, 2, stride=2)])
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(half, fine, 2, stride=2), nn.ConvTranspose2d(coarse, half, 2, stride=2)]
        )
        self.tail = nn.Conv2d(fine, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(pixel_unshuffle(x, 2))

    def change(self, x: Tensor) -> Tensor:
        """Return by how much pixels (N, channels, H, W) change, of them as channels (N, 4 channels, H / 2, W / 2)."""
        fine = self.encoder[0](self.head(x))
        half = self.encoder[1](self.down[0](fine))
        coarse = self.encoder[2](self.down[1](half))
        half = self.decoder[1](self.up[1](coarse) + half)
        fine = self.decoder[0](self.up[0](half) + fine)
        return pixel_shuffle(self.tail(fine), 2)


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(blocks)))


FORMS = {
    "middle": Form(PixelUNet),
    "small": Form(partial(PixelUNet, widths=(16, 32, 64), blocks=1)),
    "large": Form(partial(PixelUNet, widths=(48, 96, 192), blocks=3)),
}
