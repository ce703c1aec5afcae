"""CBDNet: a network that estimates a map of the noise, and a U-Net that removes it.

S. Guo, Z. Yan, K. Zhang, W. Zuo, L. Zhang, "Toward Convolutional Blind Denoising of Real Photographs", CVPR 2019, arXiv
1807.04686. The first form is the one that gives the RBQE paper's 160.5 GMACs (4,362,306 parameters for luma): five
convolutions estimate as many channels of noise as the image has, and the U-Net adds its skips. Other small changes
print 160.5 too; this is the nearest to the public network, whose last convolution is 1x1 (160.4). It is trained for the
enhanced image only; the authors' losses on the noise map need the noise's true strength.

PowerQE (ryanxingql/powerqe) has one convolution less at full and at quarter resolution, and upsamples by 3x3; v3 has
3,944,710 parameters for RGB, v1.0 repeats one and the same convolution where v3 has several (1,860,806), by mistake.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form
from qebench.networks.layers.encoder_decoder import EncoderDecoder, convolutions

CITATION = "Guo et al., CVPR 2019"

WIDTH = 32  # channels within the estimation


def load(weights: Path | None, device: str) -> nn.Module:
    """Return CBDNet in the form that the weights are for (none: the first, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class CBDNet(nn.Module):
    """CBDNet for images of `channels` channels, float (N, channels, H, W) in [0, 1], of any size.

    `depths`, `kernel` and `tied` are those of the U-Net; with `tied`, the estimation's middle layers are one as well.
    """

    def __init__(
        self,
        channels: int = 1,
        depths: tuple[int, int, int, int, int] = (2, 3, 6, 3, 2),
        kernel: int = 2,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        estimate = convolutions(channels, WIDTH, 4, tied)
        self.estimate = nn.Sequential(*estimate, nn.Conv2d(WIDTH, channels, 3, padding=1), nn.ReLU())
        self.denoise = EncoderDecoder(2 * channels, channels, depths, concatenate=False, kernel=kernel, tied=tied)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.denoise(torch.cat([x, self.estimate(x)], dim=1))


POWERQE = partial(CBDNet, depths=(1, 3, 5, 3, 2), kernel=3)

FORMS = {
    "paper": Form(CBDNet),
    # v1.0 before v3, which has the same keys and shapes: a file of v1.0 is told by its equal tensors.
    "powerqe-v1": Form(partial(POWERQE, tied=True), (3,)),
    "powerqe-v3": Form(POWERQE),
}
