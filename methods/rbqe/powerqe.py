"""RBQE as its authors' toolbox PowerQE has it: the nested U-Net of ECCV 2020 for RGB images of any size.

Q. Xing, M. Xu, T. Li, Z. Guan, ECCV 2020 (see `rbqe`); repository ryanxingql/powerqe, tag v1.0 (commit 096685b) and v3
(bd066ed), with their state-dict keys. Unlike the network of the paper (`rbqe.RBQE`), convolutions are not separable,
upsampling is 3x3, and attention weighs the input of a convolution instead of each use of a feature.
"""

from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.rbqe import network
from qebench.networks.layers.eca import ECA

STAGES = network.STAGES


@dataclass(frozen=True)
class Version:
    """What differs between the versions: four choices, and the names in their state dicts."""

    width: int  # channels of every feature
    pre_activation: bool  # a ReLU before every convolution but the first
    attention: bool  # ECA before the first and the last convolution of a block
    multi_exit: bool  # a head after every stage, or after the last only
    input_name: str
    down_name: str
    merge_name: str
    heads_name: str

    def relu(self) -> list[nn.Module]:
        return [nn.ReLU()] if self.pre_activation else []

    def eca(self) -> list[nn.Module]:
        return [ECA()] if self.attention else []


class PowerQERBQE(nn.Module):
    """The nested U-Net of ECCV 2020, Fig. 4; feature (d, c) is depth d (0 is full resolution), column c."""

    channels = 3

    def __init__(self, version: Version) -> None:
        super().__init__()
        self.version = version
        width = version.width
        # The order is that of the state dict.
        self.add_module(version.input_name, _chain([_conv(self.channels, width), nn.ReLU(), _conv(width, width)]))
        for stage in range(STAGES):
            self.add_module(f"down_{stage}", _down(version))
            for column in range(stage + 1):
                self.add_module(f"up_{stage}_{column}", Up(version, features=column + 2))
        self.exit_count = STAGES if version.multi_exit else 1
        self.add_module(
            version.heads_name, nn.ModuleList(_head(version, self.channels) for _ in range(self.exit_count))
        )

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]:
        """Yield the enhanced images of exit 1 to 5 (or of the only one), computing for each only what is new.

        `x` is float (N, 3, H, W) in [0, 1], of any size; so is each result, unclipped. Sending a mask
        (N,) of some images back, or their indices (M,), instead of asking for the next exit, drops all others.
        """
        stages, kept = self._stages(x), None
        for head in getattr(self, self.version.heads_name):
            images, feature = stages.send(kept)
            kept = yield images + head(feature)

    def forward(self, x: Tensor, exit: int | None = None) -> Tensor:
        """Return the enhanced images of one exit (none named: the last) without computing the others."""
        exit = exit or self.exit_count
        images, feature = next(islice(self._stages(x), exit - 1, None))
        return images + getattr(self, self.version.heads_name)[exit - 1](feature)

    def _stages(self, x: Tensor) -> Generator[tuple[Tensor, Tensor], Tensor | None, None]:
        """Yield for each exit the images left and the feature that its head reads; indices may be sent back."""
        features = {(0, 0): self.get_submodule(self.version.input_name)(x)}

        for stage in range(STAGES):
            features[stage + 1, 0] = self.get_submodule(f"down_{stage}")(features[stage, 0])
            for column in range(stage + 1):
                depth = stage - column
                skips = [features[depth, left] for left in range(column + 1)]
                up = self.get_submodule(f"up_{stage}_{column}")
                features[depth, column + 1] = up(skips, features[depth + 1, column])
            if stage < STAGES - self.exit_count:
                continue  # a single exit is that of the last stage
            kept = yield x, features[0, stage + 1]
            if kept is not None:
                x = x[kept]
                features = {place: feature[kept] for place, feature in features.items()}


class Up(nn.Module):
    """Double the resolution of the low feature and merge it with the skips of its new depth."""

    def __init__(self, version: Version, features: int) -> None:
        super().__init__()
        self.merge_name = version.merge_name
        width = version.width
        self.up = _chain([*version.relu(), nn.ConvTranspose2d(width, width, 3, stride=2, padding=1)])
        first = [*version.relu(), *version.eca(), _conv(features * width, width)]
        second = [nn.ReLU(), *version.eca(), _conv(width, width)]
        self.add_module(version.merge_name, _chain(first + second))

    def forward(self, skips: list[Tensor], low: Tensor) -> Tensor:
        height, width = skips[0].shape[-2:]
        low = self.up(low)
        # The transposed convolution gives 2h - 1 rows from h: all for an odd height, one short of an even one.
        low = functional.pad(low, (0, width - low.shape[-1], 0, height - low.shape[-2]))
        return self.get_submodule(self.merge_name)(torch.cat([low, *skips], dim=1))


def _down(version: Version) -> nn.Module:
    """Return a block that halves the resolution, rounding up; without pre-activation it is linear, as in v3."""
    width = version.width
    first = [*version.relu(), *version.eca(), _conv(width, width)]
    second = [*version.relu(), _conv(width, width, stride=2)]
    third = [*version.relu(), *version.eca(), _conv(width, width)]
    return nn.Sequential(OrderedDict({version.down_name: _chain(first + second + third)}))


def _head(version: Version, channels: int) -> nn.Module:
    """Return the head of one exit; its result is added to the decoded image."""
    return _chain([*version.relu(), *version.eca(), _conv(version.width, channels)])


def _conv(channels: int, out_channels: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(channels, out_channels, 3, stride=stride, padding=1)


def _chain(layers: list[nn.Module]) -> nn.Module:
    """Return the layers in sequence; one alone stays itself, since its keys in the checkpoints have no number."""
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)
