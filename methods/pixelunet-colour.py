"""PixelUNet in colour: what PixelUNet for luma makes of each plane, then a small PixelUNet for all three of them.

The luma network (middle size) enhances Y. It enhances Cb and Cr as if they were luma, at half the size, where JPEG's
4:2:0 keeps them. The small network then sees all three together: chroma can follow the edges of luma, and what the luma
network makes of chroma can be mended. Planes are the full-range ones of JPEG files (ITU-T T.871). It has 1,188,528
parameters and costs 21.03 GMACs at 512x512. Training starts from luma weights and leaves these as they are, so only the
small network learns. docs/pixelunet.md tells what it gives.

    qebench train pixelunet-colour --colour rgb --initial LUMA_WEIGHTS
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from methods import pixelunet
from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form
from qebench.networks import chroma

CITATION = pixelunet.CITATION
_GRAY = 0.5  # Cb and Cr of gray, as samples are stored


def load(weights: Path | None, device: str) -> nn.Module:
    """Return PixelUNet in colour (without weights with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class ColourPixelUNet(nn.Module):
    """PixelUNet for RGB images, float (N, 3, H, W) in [0, 1], that leaves the weights of its luma network alone."""

    to_ycbcr: Tensor
    to_rgb: Tensor
    channels = 3
    multiple = 2 * pixelunet.PixelUNet.multiple

    def __init__(self) -> None:
        super().__init__()
        self.luma = pixelunet.FORMS["middle"].build(1).requires_grad_(False)
        self.colour = pixelunet.FORMS["small"].build(3)
        for parameter in self.colour.get_submodule("tail").parameters():
            nn.init.zeros_(parameter)  # it starts as what the luma network makes of each plane
        for name, matrix in {"to_ycbcr": chroma.FROM_RGB, "to_rgb": chroma.TO_RGB}.items():
            self.register_buffer(name, torch.tensor(matrix)[..., None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return enhanced images, of the shape of `x` and unclipped."""
        y, colours = conv2d(x, self.to_ycbcr).split([1, 2], dim=1)
        half = avg_pool2d(colours, 2).flatten(0, 1)[:, None] + _GRAY
        change = (self.luma(half) - half).unflatten(0, (-1, 2)).flatten(1, 2)
        colours = colours + interpolate(change, scale_factor=2.0, mode="bilinear", align_corners=False)
        planes = torch.cat([self.luma(y) - _GRAY, colours], dim=1)
        return conv2d(self.colour(planes), self.to_rgb) + _GRAY


FORMS = {"middle": Form(lambda channels: ColourPixelUNet(), channels=(3,))}
