"""QE-CNN: AR-CNN with one more layer, for frames coded on their own (QE-CNN-I).

R. Yang, M. Xu, T. Liu, Z. Wang, Z. Guan, "Enhancing Quality for HEVC Compressed Videos", IEEE Transactions on Circuits
and Systems for Video Technology 29(7), 2019, arXiv 1709.06734. Convolutions of 9x9, 7x7, 3x3, 1x1 and 5x5 (128, 64, 64
and 32 channels between), PReLU between: the RBQE paper's 118.4 GMACs, with or without biases (452,065 parameters for
luma with them). The network for inter-coded frames, QE-CNN-P, has a second such branch and is not here.

We found no released QE-CNN-I. Its channels, a PReLU slope for each of them, and that its result is added to the decoded
image are those of the first author's later QE-CNN-P (RenYang-home/NTIRE21_VEnh_Baseline, SingleFrame.py), of which
QE-CNN-I is one branch; there they are for RGB.
"""

from pathlib import Path

from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "Yang et al., IEEE Transactions on Circuits and Systems for Video Technology 29(7), 2019"

WIDTHS = (128, 64, 64, 32)
KERNELS = (9, 7, 3, 1, 5)


def load(weights: Path | None, device: str) -> nn.Module:
    """Return QE-CNN-I for the channels that the weights are for (none: luma, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class QECNN(nn.Module):
    """QE-CNN-I for images of `channels` channels, float (N, channels, H, W) in [0, 1]."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        layers = []
        for kernel, width, next_width in zip(KERNELS, (channels, *WIDTHS), (*WIDTHS, channels), strict=True):
            layers += [nn.Conv2d(width, next_width, kernel, padding=kernel // 2), nn.PReLU(next_width)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


FORMS = {"paper": Form(QECNN)}
