"""FBCNN: flexible blind removal of JPEG artifacts, by a network that predicts the quality factor and restores with it.

J. Jiang, K. Zhang, R. Timofte, "Towards Flexible Blind JPEG Artifacts Removal", ICCV 2021, arXiv 2109.14573. A U-Net
of residual blocks; the predicted quality factor sets scale and shift of each block on the way up. Layers and names are
those of the authors' code (jiaxi-jiang/FBCNN), whose fbcnn_gray.pth and fbcnn_color.pth load as they are; the one
difference is that quality factors here are JPEG's own, 0 to 100, where theirs are 1 - QF / 100. 71,919,490 parameters
and 708.97 GMACs at 512x512 for gray, 71,921,796 and 709.58 for colour.

A picture over the memory budget of `tiling` goes by tiles, so that each tile is restored with its own prediction.
"""

from itertools import pairwise
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "Jiang et al., ICCV 2021"

WIDTHS = (64, 128, 256, 512)  # channels at full, half, quarter and eighth resolution
BLOCKS = 4  # per resolution, on each way
EMBEDDING = 512


def load(weights: Path | None, device: str) -> nn.Module:
    """Return FBCNN for the channels that the weights are for (none: gray, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with ReLU between, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.res = _residual(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.res(x)


class QFAttention(nn.Module):
    """A residual block whose residual is scaled and shifted per channel, by gamma and beta (N, width, 1, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.res = _residual(width)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return x + (gamma * self.res(x) + beta)


class FBCNN(nn.Module):
    """FBCNN for images of `channels` channels, float (N, channels, H, W) in [0, 1], of any size."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        one, two, three, four = WIDTHS
        self.m_head = nn.Conv2d(channels, one, 3, padding=1)
        self.m_down1 = _down(one, two)
        self.m_down2 = _down(two, three)
        self.m_down3 = _down(three, four)
        self.m_body_encoder = nn.Sequential(*_blocks(four))
        self.m_body_decoder = nn.Sequential(*_blocks(four))
        self.m_up3 = _up(four, three)
        self.m_up2 = _up(three, two)
        self.m_up1 = _up(two, one)
        self.m_tail = nn.Conv2d(one, channels, 3, padding=1)
        self.qf_pred = nn.Sequential(
            *_blocks(four),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            *_dense(four, EMBEDDING, EMBEDDING),
            nn.Linear(EMBEDDING, 1),
            nn.Sigmoid(),
        )
        self.qf_embed = nn.Sequential(*_dense(1, EMBEDDING, EMBEDDING, EMBEDDING))
        self.to_gamma_3, self.to_beta_3 = _modulation(three)
        self.to_gamma_2, self.to_beta_2 = _modulation(two)
        self.to_gamma_1, self.to_beta_1 = _modulation(one)

    def quality(self, x: Tensor) -> Tensor:
        """Return the predicted JPEG quality factor of each image, float (N,) in 0..100."""
        return 100 * (1 - self.qf_pred(self._encode(x)[1]).squeeze(1))

    def forward(self, x: Tensor, quality: Tensor | None = None) -> Tensor:
        """Restore images with their predicted quality factors, or with `quality`, float (N,) in 0..100."""
        skips, code = self._encode(x)
        coarseness = self.qf_pred(code) if quality is None else 1 - quality[:, None] / 100
        embedding = self.qf_embed(coarseness)
        y = self.m_body_decoder(code)
        for up, to_gamma, to_beta in (
            (self.m_up3, self.to_gamma_3, self.to_beta_3),
            (self.m_up2, self.to_gamma_2, self.to_beta_2),
            (self.m_up1, self.to_gamma_1, self.to_beta_1),
        ):
            gamma, beta = (to(embedding)[..., None, None] for to in (to_gamma, to_beta))
            y = up[0](y + skips.pop())
            for block in up[1:]:
                y = block(y, gamma, beta)
        return self.m_tail(y + skips.pop())[..., : x.shape[2], : x.shape[3]]

    def _encode(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the features at the four resolutions, finest first, and what quality and image are decoded from."""
        bottom, right = (-side % 2 ** (len(WIDTHS) - 1) for side in x.shape[2:])
        features = [self.m_head(F.pad(x, (0, right, 0, bottom), mode="replicate"))]
        for down in (self.m_down1, self.m_down2, self.m_down3):
            features.append(down(features[-1]))
        return features, self.m_body_encoder(features[-1])


def _blocks(width: int) -> list[nn.Module]:
    return [ResBlock(width) for _ in range(BLOCKS)]


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1)
    )


def _down(width: int, wider: int) -> nn.Sequential:
    return nn.Sequential(*_blocks(width), nn.Conv2d(width, wider, 2, stride=2))


def _up(wider: int, width: int) -> nn.ModuleList:
    return nn.ModuleList([nn.ConvTranspose2d(wider, width, 2, stride=2), *(QFAttention(width) for _ in range(BLOCKS))])


def _dense(*widths: int) -> list[nn.Module]:
    layers = [(nn.Linear(before, after), nn.ReLU()) for before, after in pairwise(widths)]
    return [module for layer in layers for module in layer]


def _modulation(width: int) -> tuple[nn.Module, nn.Module]:
    """Return the layers that make gamma (0..1) and beta (-1..1) of an embedded quality factor."""
    return (
        nn.Sequential(nn.Linear(EMBEDDING, width), nn.Sigmoid()),
        nn.Sequential(nn.Linear(EMBEDDING, width), nn.Tanh()),
    )


FORMS = {"paper": Form(FBCNN)}
