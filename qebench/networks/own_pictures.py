"""Enhance anybody's own pictures, and stop early where that is enough.

A luma network enhances the BT.601 limited-range luma and leaves the chroma as it is; an RGB network takes R, G and B.
The exit is decided once per picture, by the score of the whole picture, also where it is enhanced by tiles.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from qebench.common import colour
from qebench.networks import multi_exit, pixels, tiling
from qebench.networks.multi_exit import Rule
from qebench.networks.network import Network

STRIP = 256  # rows converted at a time, as floats of a large picture take gigabytes
LUMA_GAIN = 255 / 219  # R, G and B per step of limited-range luma (ITU-R BT.601)


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
) -> Enhanced:
    """Enhance one uint8 (H, W) or (H, W, 3) picture by a network of one or several exits.

    It stops where `rule` says, or at `exit` if given. RGB pictures are scored as they would be written, with 8 bits.
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

    scores: list[float] = []
    stages = tiling.stages(network, decoded, exit or 1, rounded=not by_luma, track=track)
    if exit is None:
        for step in multi_exit.walk(stages, network.exit_count, rule):
            enhanced, taken = step.images, step.exit
            scores += [] if step.scores is None else step.scores.tolist()
    else:
        enhanced, taken = next(stages), exit
    result = _with_luma(picture, decoded, enhanced) if by_luma else pixels.to_images(enhanced)[0]
    return Enhanced(result if strength == 1 else _blended(picture, result, strength), taken, scores)


def _with_luma(picture: np.ndarray, decoded: Tensor, enhanced: Tensor) -> np.ndarray:
    """Return the RGB picture with its luma changed from `decoded` (uint8) to `enhanced` (float), chroma kept."""
    result = np.empty_like(picture)
    for top in range(0, len(picture), STRIP):
        rows = slice(top, top + STRIP)
        change = (enhanced[0, 0, rows] * 255 - decoded[0, 0, rows]).cpu().numpy()[..., None] * LUMA_GAIN
        result[rows] = (picture[rows] + change).round().clip(0, 255).astype(np.uint8)
    return result


def _blended(decoded: np.ndarray, enhanced: np.ndarray, strength: float) -> np.ndarray:
    """Return uint8 pictures blended: `strength` of `enhanced`, the rest of `decoded`."""
    result = np.empty_like(decoded)
    for top in range(0, len(decoded), STRIP):
        rows = slice(top, top + STRIP)
        before = decoded[rows].astype(np.float32)
        result[rows] = (before + strength * (enhanced[rows] - before)).round().astype(np.uint8)
    return result
