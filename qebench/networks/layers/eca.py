"""Efficient channel attention: Q. Wang et al., "ECA-Net", CVPR 2020, as RBQE (ECCV 2020) uses it."""

import torch
from torch import Tensor, nn


class ECA(nn.Module):
    """Efficient channel attention, kernel 3 (Wang et al., CVPR 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, feature: Tensor, mean: Tensor | None = None) -> Tensor:
        """Scale the channels of `feature` (N, C, H, W); its spatial mean (N, C) is computed here unless given."""
        if mean is None:
            mean = feature.mean(dim=(2, 3))
        gate = torch.sigmoid(self.conv(mean[:, None]))[:, 0]
        return feature * gate[:, :, None, None]
