"""RDN: residual dense blocks, whose outputs are all fused at the end.

Y. Zhang, Y. Tian, Y. Kong, B. Zhong, Y. Fu, "Residual Dense Network for Image Super-Resolution", CVPR 2018, DOI
10.1109/CVPR.2018.00262. The form of PowerQE v3 (ryanxingql/powerqe, commit bd066ed, configs/rdn; 414,147 parameters for
RGB): 4 blocks of 4 layers, 32 channels, where the paper has 16 of 8 with 64, and without its upsampling. As in the
paper nothing is added to the decoded image: the network makes the whole enhanced one.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "Zhang et al., CVPR 2018"

WIDTH = 32  # channels of a feature, and those that a dense layer adds
BLOCKS = 4
LAYERS = 4  # dense layers of a block


def load(weights: Path | None, device: str) -> nn.Module:
    """Return RDN for the channels that the weights are for (none: luma, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class RDN(nn.Module):
    """RDN for images of `channels` channels, float (N, channels, H, W) in [0, 1]."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        self.sfe1 = nn.Conv2d(channels, WIDTH, 3, padding=1)
        self.sfe2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.rdbs = nn.ModuleList(ResidualDenseBlock() for _ in range(BLOCKS))
        self.gff = nn.Sequential(nn.Conv2d(BLOCKS * WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, WIDTH, 3, padding=1))
        self.output = nn.Conv2d(WIDTH, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.sfe1(x)
        feature, features = self.sfe2(shallow), []
        for block in self.rdbs:
            feature = block(feature)
            features.append(feature)
        return self.output(shallow + self.gff(torch.cat(features, dim=1)))


class ResidualDenseBlock(nn.Module):
    """Dense layers on (N, WIDTH, H, W), their local feature fusion, and the block's input added."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseLayer(WIDTH * (layer + 1)) for layer in range(LAYERS)))
        self.lff = nn.Conv2d(WIDTH * (LAYERS + 1), WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.lff(self.layers(x))


class DenseLayer(nn.Module):
    """A convolution and ReLU whose WIDTH new channels follow those that it was given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(x).relu()], dim=1)


FORMS = {"powerqe-v3": Form(RDN)}
