"""What a network in training gains on pictures that it is not trained on."""

import copy

from torch import Tensor, nn

from qebench.networks import loading, tiling
from qebench.networks.network import describe
from qebench.training.pairs import Pairs

Gains = dict[str, list[float]]  # per quality, best first: dB per exit


def gains(model: nn.Module, pairs: Pairs, device: str, count: int | None = None, side: int | None = None) -> Gains:
    """Return per quality the mean PSNR gain in dB (unrounded output), one number per exit.

    Only the first `count` images and of these the centre `side` x `side` pixels are taken, if that is asked for.
    """
    network = describe(loading.prepare(copy.deepcopy(model).eval()))
    table = {}
    for layer, quality in enumerate(pairs.qualities, start=1):
        rows = []
        for number in range(min(count or len(pairs.sizes), len(pairs.sizes))):
            original, decoded = (_centre(pairs.image(number, place), side).to(device) for place in (0, layer))
            before = psnr(decoded, original)
            rows.append([psnr(image, original) - before for image in tiling.enhance(network, decoded)])
        table[str(quality)] = [round(sum(column) / len(column), 4) for column in zip(*rows, strict=True)]
    return table


def mean(table: Gains) -> float:
    """Return the mean gain over qualities and exits."""
    return sum(sum(row) / len(row) for row in table.values()) / len(table)


def psnr(image: Tensor, original: Tensor) -> float:
    """Return the PSNR in dB of a float image in [0, 1], clipped but not rounded."""
    return float(-10 * (image.float().clamp(0, 1) - original).square().mean().log10())


def _centre(image: Tensor, side: int | None) -> Tensor:
    """Return the centre crop on the 8x8 grid (without `side`: the image)."""
    if side is None:
        return image
    for axis in (2, 3):
        room = image.shape[axis] - side
        if room > 0:
            image = image.narrow(axis, room // 2 // 8 * 8, side)
    return image
