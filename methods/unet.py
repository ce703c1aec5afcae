"""U-Net: an encoder and a decoder of three resolutions with a skip at each.

O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015, DOI
10.1007/978-3-319-24574-4_28, arXiv 1505.04597. The form is that of PowerQE v3 (ryanxingql/powerqe, commit bd066ed,
4,097,795 parameters for RGB), which enhances images: three resolutions instead of five, average instead of maximum
pooling, more convolutions at lower resolutions, zero padding, and the result is added to the decoded image.

`cbdnet` has such a network within.
"""

from pathlib import Path

from torch import Tensor, nn

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form
from qebench.networks.layers.encoder_decoder import EncoderDecoder

CITATION = "Ronneberger et al., MICCAI 2015"


def load(weights: Path | None, device: str) -> nn.Module:
    """Return U-Net for the channels that the weights are for (none: luma, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class UNet(EncoderDecoder):
    """U-Net for images of `channels` channels, float (N, channels, H, W) in [0, 1], of any size."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(channels, channels)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


FORMS = {"powerqe-v3": Form(UNet)}
