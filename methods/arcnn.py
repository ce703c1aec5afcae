"""AR-CNN: four layers, the first network against compression artifacts.

C. Dong, Y. Deng, C. C. Loy, X. Tang, "Compression Artifacts Reduction by a Deep Convolutional Network", ICCV 2015,
arXiv 1504.06993. Feature extraction, feature enhancement, mapping and reconstruction are convolutions of 9x9, 7x7, 1x1
and 5x5 with 64, 32 and 16 channels and ReLU between, for luma (106,561 parameters, of which the paper counts the
106,448 weights). Its result is the enhanced image itself; nothing is added to the decoded one. In training the original
pads nothing and returns a smaller image, ours pads with zeros. The authors' test code repeats the edge before every
layer, and their weights give the published numbers only so: form "official".

PowerQE (ryanxingql/powerqe) has it for RGB. In v3 its result is added to the decoded image (117,731 parameters); v1.0
lacks the 7x7 layer, which makes it SRCNN, and adds nothing (20,099).
"""

from functools import partial
from pathlib import Path

from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = "Dong et al., ICCV 2015"


def load(weights: Path | None, device: str) -> nn.Module:
    """Return AR-CNN in the form that the weights are for (none: the paper's, random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class ARCNN(nn.Module):
    """AR-CNN for images of `channels` channels, float (N, channels, H, W) in [0, 1]; `widths` lie between layers.

    If `replicate`, the edge is repeated before every layer, else zeros are.
    """

    def __init__(
        self,
        channels: int = 1,
        kernels: tuple[int, ...] = (9, 7, 1, 5),
        widths: tuple[int, ...] = (64, 32, 16),
        residual: bool = False,
        replicate: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.residual = residual
        layers: list[nn.Module] = []
        for kernel, width, next_width in zip(kernels, (channels, *widths), (*widths, channels), strict=True):
            # Padding layers of their own number the others anew, so that a file tells how its network pads.
            border = [nn.ReplicationPad2d(kernel // 2)] if replicate else []
            padding = 0 if replicate else kernel // 2
            layers += [*border, nn.Conv2d(width, next_width, kernel, padding=padding), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


OFFICIAL = {"conv1.": "layers.1.", "conv2.": "layers.4.", "conv22.": "layers.7.", "conv3.": "layers.10."}
FORMS = {
    # As published, for luma and for RGB: with as many channels, the first two would have the same keys and shapes.
    "paper": Form(ARCNN, (1,)),
    # The authors' weights (weights_conv1 and so on in a .mat file for each quality) and how their test code pads.
    "official": Form(partial(ARCNN, replicate=True), (1,), OFFICIAL),
    "powerqe-v3": Form(partial(ARCNN, residual=True), (3,)),
    "powerqe-v1": Form(partial(ARCNN, kernels=(9, 1, 5), widths=(64, 32)), (3,), {"blk_lst.": "layers."}),
}
