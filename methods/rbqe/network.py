"""RBQE as its authors wrote it: the nested U-Net, in plain modules."""

from collections.abc import Callable, Generator
from itertools import islice

import torch
from torch import Tensor, nn

from qebench.networks.layers.eca import ECA

WIDTH = 32  # channels of every feature
STAGES = 5  # exits, and levels of the nested U-Net
ATTENTIONS = 54  # one per use of a feature; the last stage's new features have none
Faster = Callable[["RBQE"], nn.Module]  # makes a form of a loaded network that gives the same results faster


class RBQE(nn.Module):
    """The nested U-Net of ECCV 2020, Fig. 4; feature (d, c) is depth d (0 is full resolution), column c."""

    channels = 1
    multiple = 2**STAGES
    exit_count = STAGES

    def __init__(self, inference: Faster | None = None, training: Faster | None = None) -> None:
        """`inference` and `training` make forms of it that are faster on a CPU (`cpu`, `training`)."""
        super().__init__()
        self.inference, self.training_form = inference, training
        self.InputConv: nn.Module = InputConv()
        self.ECA = nn.ModuleList(ECA() for _ in range(ATTENTIONS))
        self.DownConv = nn.ModuleList(DownConv() for _ in range(STAGES))
        self.UpConv_64 = nn.ModuleList(UpConv(2 * WIDTH) for _ in range(5))
        self.UpConv_96 = nn.ModuleList(UpConv(3 * WIDTH) for _ in range(4))
        self.UpConv_128 = nn.ModuleList(UpConv(4 * WIDTH) for _ in range(3))
        self.UpConv_160 = nn.ModuleList(UpConv(5 * WIDTH) for _ in range(2))
        self.UpConv_192: nn.Module = UpConv(6 * WIDTH)
        self.OutConv = nn.ModuleList(OutConv() for _ in range(STAGES))

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]:
        """Yield the enhanced images of exit 1 to 5, computing for each exit only what is new.

        `x` is float (N, 1, H, W) in [0, 1], H and W multiples of 32; so is each result, unclipped. Sending a mask
        (N,) of some images back, or their indices (M,), instead of asking for the next exit, drops all others.

        Raises ValueError if H or W is not a multiple of 32.
        """
        stages, kept = self._stages(x), None
        for head in self.OutConv:
            images, top, attention = stages.send(kept)
            kept = yield images + head(top.attended(attention))

    def forward(self, x: Tensor, exit: int = STAGES) -> Tensor:
        """Return the enhanced images of one exit without computing the others; shapes and errors as in `exits`."""
        images, top, attention = next(islice(self._stages(x), exit - 1, None))
        return images + self.OutConv[exit - 1](top.attended(attention))

    def for_inference(self) -> nn.Module:
        """Return the network that gives these results fastest on this device; it shares the parameters."""
        return self._faster(self.inference)

    def for_training(self) -> nn.Module:
        """Return the network that gives these results and their gradients fastest; it shares the parameters."""
        return self._faster(self.training_form)

    def _faster(self, form: Faster | None) -> nn.Module:
        return form(self) if form and next(self.parameters()).device.type == "cpu" else self

    def node(self, feature: Tensor) -> "Node":
        """Return a feature of the nested U-Net for the convolutions that read it."""
        return Node(feature)

    def _stages(self, x: Tensor) -> Generator[tuple[Tensor, "Node", nn.Module | None], Tensor | None, None]:
        """Yield the images left, the top feature and its attention for each exit's head; indices may be sent back."""
        if x.shape[-2] % self.multiple or x.shape[-1] % self.multiple:
            raise ValueError(f"RBQE needs height and width in multiples of {self.multiple}, got {tuple(x.shape)}")
        attentions = iter(self.ECA)  # the checkpoint numbers them in the order of use
        ups: list[nn.ModuleList | list[nn.Module]]
        ups = [self.UpConv_64, self.UpConv_96, self.UpConv_128, self.UpConv_160, [self.UpConv_192]]
        nodes = {(0, 0): self.node(self.InputConv(x))}

        for stage in range(STAGES):
            last = stage == STAGES - 1
            nodes[stage + 1, 0] = self.node(self.DownConv[stage](nodes[stage, 0].attended(next(attentions))))
            for column in range(stage + 1):
                depth = stage - column
                skips = [nodes[depth, left].attended(next(attentions)) for left in range(column + 1)]
                low = nodes[depth + 1, column].attended(None if last else next(attentions))
                nodes[depth, column + 1] = self.node(ups[column][depth](skips, low))
            kept = yield x, nodes[0, stage + 1], None if last else next(attentions)
            if kept is not None:
                x = x[kept]
                nodes = {place: node.only(kept) for place, node in nodes.items()}


class Node:
    """A feature (N, C, H, W) of the nested U-Net, with its spatial mean computed once for all its attentions."""

    def __init__(self, feature: Tensor, mean: Tensor | None = None) -> None:
        self.feature, self._mean = feature, mean

    def attended(self, attention: nn.Module | None) -> Tensor:
        if attention is None:
            return self.feature
        if self._mean is None:
            self._mean = self.mean()
        return attention(self.feature, self._mean)

    def mean(self) -> Tensor:
        """Return the spatial mean (N, C)."""
        return self.feature.mean(dim=(2, 3))

    def only(self, kept: Tensor) -> "Node":
        return type(self)(self.feature[kept], None if self._mean is None else self._mean[kept])


class InputConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.InputConv = nn.Sequential(
            nn.Conv2d(1, WIDTH, 3, padding=1), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.InputConv(x)


class DownConv(nn.Module):
    """Halve the resolution: two 3x3 convolutions and one of stride 2."""

    def __init__(self) -> None:
        super().__init__()
        layers = [(nn.Conv2d(WIDTH, WIDTH, 3, stride=stride, padding=1), nn.ReLU()) for stride in (1, 1, 2)]
        self.DownConv = nn.Sequential(*(layer for pair in layers for layer in pair))

    def forward(self, x: Tensor) -> Tensor:
        return self.DownConv(x)


class SeparableConv(nn.Module):
    """A depthwise 3x3 convolution, then a pointwise one, nothing between."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.SeparableConv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.Conv2d(channels, out_channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.SeparableConv(x)


class UpConv(nn.Module):
    """Double the resolution of the low feature and merge it with the skips of its new depth."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.UpConv = nn.Sequential(nn.ConvTranspose2d(WIDTH, WIDTH, 2, stride=2), nn.ReLU())
        self.DoubleSeparableConv = nn.Sequential(
            SeparableConv(channels, WIDTH), nn.ReLU(), SeparableConv(WIDTH, WIDTH), nn.ReLU()
        )

    def forward(self, skips: list[Tensor], low: Tensor) -> Tensor:
        return self.DoubleSeparableConv(torch.cat([*skips, self.UpConv(low)], dim=1))


class OutConv(nn.Module):
    """The head of one exit; its result is added to the decoded image."""

    def __init__(self) -> None:
        super().__init__()
        self.OutConv = SeparableConv(WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.OutConv(x)
