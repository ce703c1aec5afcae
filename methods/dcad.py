"""DCAD: a deep CNN-based auto decoder for compressed video.

T. Wang, M. Chen, H. Chao, "A Novel Deep Learning-Based Method of Improving Coding Efficiency from the Decoder-End for
HEVC", DCC 2017. Ten 3x3 convolutions of 64 channels with bias, ReLU between, added to the decoded image: the form
whose 77.8 GMACs the RBQE paper prints (296,641 parameters for luma).
"""

from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn

from methods import network

WIDTH = 64
LAYERS = 10


def load(weights: Path | None, device: str) -> nn.Module:
    """Return DCAD with the given weights (none: PyTorch's random start values) on `device`."""
    return network.restore(DCAD(), weights, device)


class DCAD(nn.Module):
    """DCAD for images of `channels` channels, float (N, channels, H, W) in [0, 1]."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        widths = [channels] + [WIDTH] * (LAYERS - 1) + [channels]
        layers: list[nn.Module] = []
        for inner, outer in pairwise(widths):
            layers += [nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
