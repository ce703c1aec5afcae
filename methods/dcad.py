"""DCAD: a deep CNN-based auto decoder for compressed video.

T. Wang, M. Chen, H. Chao, "A Novel Deep Learning-Based Method of Improving Coding Efficiency from the Decoder-End for
HEVC", DCC 2017, IEEE Xplore 7923714. Ten 3x3 convolutions of 64 channels with bias, ReLU between, added to the decoded
image: the form whose 77.8 GMACs the RBQE paper prints (296,641 parameters for luma). PowerQE (ryanxingql/powerqe) has
the same for RGB (298,947); its v1.0 repeats one and the same middle layer eight times (40,451), by mistake.
"""

from pathlib import Path

from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "Wang et al., DCC 2017"

WIDTH = 64
LAYERS = 10


def load(weights: Path | None, device: str) -> nn.Module:
    """Return DCAD in the form that the weights are for (none: the paper's, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class DCAD(nn.Module):
    """DCAD for images of `channels` channels, float (N, channels, H, W) in [0, 1].

    With `tied`, all middle layers are one.
    """

    def __init__(self, channels: int = 1, tied: bool = False) -> None:
        super().__init__()
        self.channels = channels
        middle = [nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(1 if tied else LAYERS - 2)]
        layers = [nn.Conv2d(channels, WIDTH, 3, padding=1), nn.ReLU()]
        for layer in middle * (LAYERS - 2 if tied else 1):
            layers += [layer, nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(WIDTH, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


FORMS = {
    "paper": Form(DCAD, channels=(1,)),
    # Before v3, which has the same keys and shapes: a v1.0 file is told by its equal tensors, but would fit v3 as well.
    "powerqe-v1": Form(lambda channels: DCAD(channels, tied=True), channels=(3,), names={"blk_lst.": "layers."}),
    "powerqe-v3": Form(DCAD, channels=(3,)),
}
