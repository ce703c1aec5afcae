"""MPRNet: three stages, on quarters, halves and the whole image, each fed by the features of the one before.

S. W. Zamir, A. Arora, S. Khan, M. Hayat, F. S. Khan, M.-H. Yang, L. Shao, "Multi-Stage Progressive Image Restoration",
CVPR 2021, DOI 10.1109/CVPR46437.2021.01458. The form of PowerQE v3 (ryanxingql/powerqe, commit bd066ed, configs/mprnet;
887,217 parameters for RGB): channels 16, 32, 48 where the authors' deblurring network (20.1 million parameters) has 96,
144, 192; 4 blocks where it has 8; the images of the first two stages gate features but are not returned, so there is
no deep supervision; features of unequal size are padded before they are added.

The original fails at widths of 4k + 2, where the padding was forgotten once; here those are padded like the rest.
"""

from collections import OrderedDict
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from qebench.checkpoints import forms
from qebench.checkpoints.forms import Form
from qebench.networks import pixels

CITATION = "Zamir et al., CVPR 2021"

WIDTHS = (16, 32, 48)  # channels at full, half and quarter resolution in stages 1 and 2
STAGE3_WIDTH = 32
SMALLEST = 8  # pixels: quarters then have at least one at a quarter of the resolution
STAGE3_ATTENTIONS = 4  # channel attention blocks in a block of stage 3
REDUCTION = 4  # channels of a feature per channel of its attention's bottleneck


def load(weights: Path | None, device: str) -> nn.Module:
    """Return MPRNet for the channels that the weights are for (none: luma, with random start values) on `device`."""
    return forms.restore(FORMS, weights, device)


class MPRNet(nn.Module):
    """MPRNet for images of `channels` channels, float (N, channels, H, W) in [0, 1], of any size.

    It has no biases, and one PReLU slope for all its blocks.
    """

    shallow_feat1: nn.Module
    shallow_feat2: nn.Module
    shallow_feat3: nn.Module

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels
        width, prelu = WIDTHS[0], nn.PReLU()
        # The order is that of the state dict.
        for stage in (1, 2, 3):
            shallow = nn.Sequential(_conv(channels, width, 3), ChannelAttentionBlock(width, prelu))
            self.add_module(f"shallow_feat{stage}", shallow)
        self.stage1_encoder = Encoder(prelu, fused=False)
        self.stage1_decoder = Decoder(prelu)
        self.stage2_encoder = Encoder(prelu, fused=True)
        self.stage2_decoder = Decoder(prelu)
        self.stage3_orsnet = OriginalResolution(prelu)
        self.sam12 = SupervisedAttention(channels)
        self.sam23 = SupervisedAttention(channels)
        self.concat12 = _conv(2 * width, width, 3)
        self.concat23 = _conv(2 * width, STAGE3_WIDTH, 3)
        self.tail = _conv(STAGE3_WIDTH, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if min(height, width) < SMALLEST:  # the original takes no such images
            return self(pixels.pad(x, SMALLEST))[..., :height, :width]
        top, bottom = (self._stages_of_half(half) for half in _halves(x, dim=2))
        encoded = _join(top, bottom, dim=2)
        decoded = self.stage2_decoder(encoded)
        attended = self.sam23(decoded[0], x)
        feature = self.concat23(torch.cat([self.shallow_feat3(x), attended], dim=1))
        return x + self.tail(self.stage3_orsnet(feature, encoded, decoded))

    def _stages_of_half(self, half: Tensor) -> list[Tensor]:
        """Return what stage 2 encodes of the top or bottom half, of whose left and right half stage 1 is made."""
        left, right = (self.stage1_encoder(self.shallow_feat1(quarter)) for quarter in _halves(half, dim=3))
        encoded = _join(left, right, dim=3)
        decoded = self.stage1_decoder(encoded)
        attended = self.sam12(decoded[0], half)
        feature = self.concat12(torch.cat([self.shallow_feat2(half), attended], dim=1))
        return self.stage2_encoder(feature, encoded, decoded)


class Encoder(nn.Module):
    """Encode a feature at three resolutions; `fused` adds what the stage before encoded and decoded at each."""

    def __init__(self, prelu: nn.PReLU, fused: bool) -> None:
        super().__init__()
        _add_levels(self, "encoder_level", prelu)
        self.down12 = _down(WIDTHS[0], WIDTHS[1])
        self.down23 = _down(WIDTHS[1], WIDTHS[2])
        for part in ("enc", "dec") if fused else ():
            for level, width in enumerate(WIDTHS, start=1):
                self.add_module(f"csff_{part}{level}", _conv(width, width, 1))

    def forward(
        self, x: Tensor, encoded: list[Tensor] | None = None, decoded: list[Tensor] | None = None
    ) -> list[Tensor]:
        levels = []
        for level, down in enumerate((nn.Identity(), self.down12, self.down23), start=1):
            x = self.get_submodule(f"encoder_level{level}")(down(x))
            if encoded is not None and decoded is not None:
                csff_enc, csff_dec = (self.get_submodule(f"csff_{part}{level}") for part in ("enc", "dec"))
                x = _padded_sum(x, csff_enc(encoded[level - 1]), csff_dec(decoded[level - 1]))
            levels.append(x)
        return levels


class Decoder(nn.Module):
    """Decode the three levels of an encoder, the lowest first."""

    decoder_level1: nn.Module
    decoder_level2: nn.Module
    decoder_level3: nn.Module

    def __init__(self, prelu: nn.PReLU) -> None:
        super().__init__()
        _add_levels(self, "decoder_level", prelu)
        self.skip_attn1 = ChannelAttentionBlock(WIDTHS[0], prelu)
        self.skip_attn2 = ChannelAttentionBlock(WIDTHS[1], prelu)
        self.up21 = _up(WIDTHS[1], WIDTHS[0])
        self.up32 = _up(WIDTHS[2], WIDTHS[1])

    def forward(self, encoded: list[Tensor]) -> list[Tensor]:
        third = self.decoder_level3(encoded[2])
        second = self.decoder_level2(_padded_sum(self.up32(third), self.skip_attn2(encoded[1])))
        first = self.decoder_level1(_padded_sum(self.up21(second), self.skip_attn1(encoded[0])))
        return [first, second, third]


class OriginalResolution(nn.Module):
    """Stage 3, at full resolution: three blocks, each followed by one level of stage 2, brought to full size."""

    def __init__(self, prelu: nn.PReLU) -> None:
        super().__init__()
        for number in (1, 2, 3):
            self.add_module(f"orb{number}", OriginalResolutionBlock(prelu))
        self.up_enc1 = _up(WIDTHS[1], WIDTHS[0])
        self.up_dec1 = _up(WIDTHS[1], WIDTHS[0])
        self.up_enc2 = nn.Sequential(_up(WIDTHS[2], WIDTHS[1]), _up(WIDTHS[1], WIDTHS[0]))
        self.up_dec2 = nn.Sequential(_up(WIDTHS[2], WIDTHS[1]), _up(WIDTHS[1], WIDTHS[0]))
        for part in ("enc", "dec"):
            for level in (1, 2, 3):
                self.add_module(f"conv_{part}{level}", _conv(WIDTHS[0], STAGE3_WIDTH, 1))

    def forward(self, x: Tensor, encoded: list[Tensor], decoded: list[Tensor]) -> Tensor:
        full_sizes = (
            (encoded[0], decoded[0]),
            (self.up_enc1(encoded[1]), self.up_dec1(decoded[1])),
            (self.up_enc2(encoded[2]), self.up_dec2(decoded[2])),
        )
        for number, features in enumerate(full_sizes, start=1):
            block, *convolutions = (self.get_submodule(f"{part}{number}") for part in ("orb", "conv_enc", "conv_dec"))
            x = _padded_sum(block(x), *(conv(feature) for conv, feature in zip(convolutions, features, strict=True)))
        return x


class OriginalResolutionBlock(nn.Module):
    def __init__(self, prelu: nn.PReLU) -> None:
        super().__init__()
        blocks = [ChannelAttentionBlock(STAGE3_WIDTH, prelu) for _ in range(STAGE3_ATTENTIONS)]
        self.body = nn.Sequential(*blocks, _conv(STAGE3_WIDTH, STAGE3_WIDTH, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ChannelAttentionBlock(nn.Module):
    """Two convolutions, whose result is weighed by channel attention and added to x."""

    def __init__(self, channels: int, prelu: nn.PReLU) -> None:
        super().__init__()
        self.CA = ChannelAttention(channels)
        self.body = nn.Sequential(_conv(channels, channels, 3), prelu, _conv(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.CA(self.body(x))


class ChannelAttention(nn.Module):
    """Scale the channels of x (N, C, H, W) by what two layers make of their spatial means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        bottleneck = channels // REDUCTION
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv_du = nn.Sequential(
            _conv(channels, bottleneck, 1), nn.ReLU(), _conv(bottleneck, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv_du(self.avg_pool(x))


class SupervisedAttention(nn.Module):
    """Gate a stage's feature by the image that it would enhance `image` to."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(WIDTHS[0], WIDTHS[0], 1)
        self.conv2 = _conv(WIDTHS[0], channels, 1)
        self.conv3 = _conv(channels, WIDTHS[0], 1)

    def forward(self, feature: Tensor, image: Tensor) -> Tensor:
        enhanced = image + self.conv2(feature)
        return feature + self.conv1(feature) * self.conv3(enhanced).sigmoid()


def _conv(channels: int, out_channels: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, kernel, padding=kernel // 2, bias=False)


def _add_levels(module: nn.Module, name: str, prelu: nn.PReLU) -> None:
    for level, width in enumerate(WIDTHS, start=1):
        blocks = [ChannelAttentionBlock(width, prelu) for _ in range(2)]
        module.add_module(f"{name}{level}", nn.Sequential(*blocks))


def _down(channels: int, out_channels: int) -> nn.Module:
    return _resize("down", 0.5, channels, out_channels)


def _up(channels: int, out_channels: int) -> nn.Module:
    return _resize("up", 2, channels, out_channels)


def _resize(name: str, factor: float, channels: int, out_channels: int) -> nn.Module:
    """Return bilinear scaling and a 1x1 convolution, under the name that their keys in the checkpoints have."""
    layers = nn.Sequential(nn.Upsample(scale_factor=factor, mode="bilinear"), _conv(channels, out_channels, 1))
    return nn.Sequential(OrderedDict({name: layers}))


def _halves(x: Tensor, dim: int) -> tuple[Tensor, ...]:
    """Return both halves of x; of an odd size, the second is the larger."""
    size = x.shape[dim]
    return x.split([size // 2, size - size // 2], dim)


def _join(first: list[Tensor], second: list[Tensor], dim: int) -> list[Tensor]:
    """Return the levels of both halves joined along `dim`."""
    return [torch.cat(level, dim) for level in zip(first, second, strict=True)]


def _padded_sum(*features: Tensor) -> Tensor:
    """Return the sum of features; smaller ones first get zeros, half before them (rounded down) and half after."""
    height, width = (max(feature.shape[dim] for feature in features) for dim in (2, 3))
    padded = []
    for feature in features:
        rows, columns = height - feature.shape[2], width - feature.shape[3]
        margins = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        padded.append(functional.pad(feature, margins))
    return reduce(torch.add, padded)


FORMS = {"powerqe-v3": Form(MPRNet)}
