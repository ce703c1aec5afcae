"""Chain: the sizes of PixelUNet as one multi-exit network, each of which starts again from the decoded image.

Exit 1 is the decoded image, for pictures that are better left alone. Each later exit is the next larger PixelUNet
(`pixelunet`), whose work nothing of the exits before it saves. An exit that is known beforehand, as by the exit rule
`quality`, costs that size alone; a rule that looks at pictures pays for all sizes on the way. The idea of networks of
growing cost, chosen by image, is that of cascades (P. Viola, M. Jones, "Rapid Object Detection using a Boosted Cascade
of Simple Features", CVPR 2001). `qebench study chain` joins the weights of the sizes in one file.
"""

from collections.abc import Generator
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from methods import pixelunet
from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form

CITATION = pixelunet.CITATION
SIZES = ("small", "middle", "large")


def load(weights: Path | None, device: str) -> nn.Module:
    """Return the chain of the sizes that the weights are for (none: small and middle, with random start values)."""
    return forms.restore(FORMS, weights, device)


class Chain(nn.Module):
    """PixelUNets for images of `channels` channels, float (N, channels, H, W) in [0, 1], of some of SIZES."""

    multiple = pixelunet.PixelUNet.multiple

    def __init__(self, channels: int = 1, sizes: tuple[str, ...] = SIZES[:2]) -> None:
        super().__init__()
        self.channels, self.exit_count = channels, 1 + len(sizes)
        self.networks = nn.ModuleDict({size: pixelunet.FORMS[size].build(channels) for size in sizes})

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]:
        """Yield the decoded images, then those that each size enhances; shapes as in `PixelUNet`."""
        kept = yield x
        for network in self.networks.values():
            x = x if kept is None else x[kept]
            kept = yield network(x)

    def forward(self, x: Tensor, exit: int | None = None) -> Tensor:
        """Return the images of one exit, by default the last, without computing the others."""
        return x if exit == 1 else [*self.networks.values()][(exit or self.exit_count) - 2](x)


FORMS = {
    "small-middle": Form(Chain),
    "small-middle-large": Form(partial(Chain, sizes=SIZES)),
}
