"""DnCNN: a denoiser of 17 or 20 layers that predicts what compression changed.

K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang, "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image
Denoising", IEEE Transactions on Image Processing 26(7), 2017, DOI 10.1109/TIP.2017.2662206, arXiv 1608.03981.

All forms are 3x3 convolutions of 64 channels with ReLU between. The first is that of the RBQE paper's 175.8 GMACs: 20
layers, all with bias, batch normalisation in the 18 middle ones (668,225 parameters for luma). DnCNN-3, the authors'
blind network for noise, scaling and JPEG, has 20 layers and, as released, no batch normalisation (665,921). Theirs
subtracts what it predicts, x - net(x), ours adds it: their last layer is ours with the sign changed.

PowerQE (ryanxingql/powerqe) has 17 layers for RGB, in v3 557,443 parameters; v1.0 repeats one and the same middle layer
15 times (40,451), by mistake. Batch normalisation, after convolutions without bias, is an option of its code that no
configuration of v3 takes (558,403); the 40,515 parameters that v1.0 states are those with it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "Zhang et al., IEEE Transactions on Image Processing 26(7), 2017"

WIDTH = 64


def load(weights: Path | None, device: str) -> nn.Module:
    """Return DnCNN in the form that the weights are for (none: the first, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class DnCNN(nn.Module):
    """DnCNN for images of `channels` channels, float (N, channels, H, W) in [0, 1].

    `norm` makes the normalisation of the middle layers, whose convolutions have a bias or not. With `tied`, all middle
    layers are one.
    """

    def __init__(
        self,
        channels: int = 1,
        depth: int = 20,
        norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
        bias: bool = True,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels

        def middle() -> list[nn.Module]:
            convolution = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=bias)
            return [convolution, *([norm(WIDTH)] if norm else []), nn.ReLU()]

        layers = [nn.Conv2d(channels, WIDTH, 3, padding=1), nn.ReLU()]
        layers += middle() * (depth - 2) if tied else [layer for _ in range(depth - 2) for layer in middle()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(WIDTH, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


V1 = {"blk_lst.": "layers."}
V3_NORM = partial(nn.BatchNorm2d, eps=1e-4, momentum=0.9)

FORMS = {
    "paper": Form(DnCNN),
    "dncnn3": Form(partial(DnCNN, norm=None)),
    # v1.0 before v3, which has the same keys and shapes: a file of v1.0 is told by its equal tensors.
    "powerqe-v1": Form(partial(DnCNN, depth=17, norm=None, tied=True), (3,), V1),
    "powerqe-v1-bn": Form(partial(DnCNN, depth=17, bias=False, tied=True), (3,), V1),
    "powerqe-v3": Form(partial(DnCNN, depth=17, norm=None)),
    "powerqe-v3-bn": Form(partial(DnCNN, depth=17, norm=V3_NORM, bias=False)),
}
