"""Enhance anybody's own pictures, and stop early where that is enough.

A luma network enhances the BT.601 limited-range luma, and Cb and Cr as if they were luma (`chroma`); an RGB network
takes R, G and B. The exit is decided once per picture, by the score of the whole of it, also where it goes by tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from qebench.common import colour
from qebench.networks import chroma, multi_exit, pixels, tiling
from qebench.networks.multi_exit import Rule
from qebench.networks.network import Network

STRIP = 256  # rows converted at a time, as floats of a large picture take gigabytes
LUMA_GAIN = 255 / colour.LUMA_RANGE  # R, G and B per step of limited-range luma (ITU-R BT.601)


@dataclass(frozen=True)
class Enhanced:
    """A picture, uint8 (H, W) or (H, W, 3); the exit it took, counted from 1; the IQAM scores on the way there."""

    picture: np.ndarray
    exit: int
    scores: list[float]


def enhance(
    network: Network,
    picture: np.ndarray,
    rule: Rule,
    exit: int | None,
    device: str,
    strength: float = 1.0,
    track: tiling.Track = iter,
    subsampling: chroma.Subsampling = (2, 2),
) -> Enhanced:
    """Enhance one uint8 (H, W) or (H, W, 3) picture by a network of one or several exits.

    It stops where `rule` says, or at `exit` if given. RGB pictures are scored as they would be written, with 8 bits.
    `subsampling` are the rows and columns of pixels that shared a sample of chroma in the file; RGB networks ignore it.
    `strength` blends from the decoded picture (0) to the enhanced one (1), after the exit is chosen. `track` iterates
    over the tiles of a large picture (`tiling`).

    Raises ValueError if the network has no such exit, or takes RGB and the picture is gray, or if there are not as many
    thresholds as exits, or if the strength is not in 0..1.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}: it goes from 0, the decoded picture, to 1")
    if exit is not None and not 1 <= exit <= network.exit_count:
        raise ValueError(f"{network.name} has no exit {exit}: choose 1 to {network.exit_count}")
    by_luma = picture.ndim == 3 and network.channels == 1
    decoded = pixels.stack([colour.luma(picture) if by_luma else picture], device)

    rounded = not by_luma and "change" not in rule.uses
    enhanced, taken, scores = _decided(network, decoded, rule, exit, rounded, track)
    if by_luma:
        change = _change(decoded, enhanced) * np.float16(LUMA_GAIN)
        del decoded, enhanced  # four bytes a pixel, while chroma is enhanced
        changes = [change, *_of_chroma(network, picture, taken, device, track, subsampling, change.nbytes)]
        result = chroma.changed(picture, changes)
    else:
        result = pixels.to_images(enhanced)[0]
    return Enhanced(result if strength == 1 else _blended(picture, result, strength), taken, scores)


def _decided(
    network: Network, decoded: Tensor, rule: Rule, exit: int | None, rounded: bool, track: tiling.Track
) -> tuple[Tensor, int, list[float]]:
    """Return the enhanced image, the exit at which it was taken, and the scores on the way there."""
    exit = multi_exit.known_exit(rule, network.exit_count) if exit is None else exit
    stages = tiling.stages(network, decoded, exit or 1, rounded, exit is not None, track)
    if exit is not None:
        return next(stages), exit, []
    scores: list[float] = []
    for step in multi_exit.walk(stages, decoded, network.exit_count, rule):
        scores += [] if step.scores is None else step.scores.tolist()
    return step.images, step.exit, scores


def _of_chroma(
    network: Network,
    picture: np.ndarray,
    exit: int,
    device: str,
    track: tiling.Track,
    subsampling: chroma.Subsampling,
    held: int,
) -> Iterator[np.ndarray]:
    """Yield the change of Cb, then of Cr, at one exit, for all pixels: float16 (H, W), in gray levels.

    `held` are the bytes that other changes take. Gray stays gray.
    """
    height, width = picture.shape[:2]
    for plane in chroma.planes(picture, subsampling):
        if (plane == chroma.NEUTRAL).all():
            yield np.zeros((height, width), np.float16)
            continue
        decoded = pixels.stack([plane], device)
        (enhanced,) = tiling.stages(network, decoded, exit, only=True, track=track, budget=tiling.BUDGET - held)
        whole = chroma.enlarged(_change(decoded, enhanced), height, width, subsampling)
        held += whole.nbytes
        yield whole


def _change(decoded: Tensor, enhanced: Tensor) -> np.ndarray:
    """Return by how many gray levels a plane was changed, from uint8 to float, both (1, 1, H, W), as float16 (H, W)."""
    result = np.empty(decoded.shape[2:], np.float16)
    for top in range(0, len(result), STRIP):
        rows = slice(top, top + STRIP)
        result[rows] = (enhanced[0, 0, rows] * 255 - decoded[0, 0, rows]).cpu().numpy()
    return result


def _blended(decoded: np.ndarray, enhanced: np.ndarray, strength: float) -> np.ndarray:
    """Return uint8 pictures blended: `strength` of `enhanced`, the rest of `decoded`."""
    result = np.empty_like(decoded)
    for top in range(0, len(decoded), STRIP):
        rows = slice(top, top + STRIP)
        before = decoded[rows].astype(np.float32)
        result[rows] = (before + strength * (enhanced[rows] - before)).round().astype(np.uint8)
    return result
