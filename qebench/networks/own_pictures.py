"""Enhance anybody's own pictures, and stop early where that is enough.

A luma network enhances the BT.601 limited-range luma, and Cb and Cr as if they were luma (`chroma`); an RGB network
takes R, G and B. The exit is decided once per picture, by the score of the whole of it, also where it goes by tiles.
In pictures of JPEG files, luma that leaves the bounds of the coefficients is moved back (`quantisation`). So are Cb and
Cr that a luma network enhanced, if they have as many samples as luma. Decoders interpolate Cb and Cr of fewer samples,
and moving these back gained nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from qebench.common import colour
from qebench.common.quantisation import SAVED_ONCE, Quantisation, projected, share_kept
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
    quantisation: Quantisation | None = None,
) -> Enhanced:
    """Enhance one uint8 (H, W) or (H, W, 3) picture by a network of one or several exits.

    It stops where `rule` says, or at `exit` if given. `subsampling` are the rows and columns of pixels that shared a
    sample of chroma in the file; RGB networks ignore it. With the `quantisation` of a JPEG file, blocks lie as in the
    file while the picture is enhanced, and what leaves the file's bounds is moved back. `strength` blends from the
    decoded picture (0) to the enhanced one (1), after the exit is chosen. `track` iterates over the tiles of a large
    picture (`tiling`).

    Raises ValueError if the network has no such exit, or takes RGB and the picture is gray, or if there are not as many
    thresholds as exits, or if the strength is not in 0..1, or the quantisation is of other planes than the picture's.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}: it goes from 0, the decoded picture, to 1")
    if exit is not None and not 1 <= exit <= network.exit_count:
        raise ValueError(f"{network.name} has no exit {exit}: choose 1 to {network.exit_count}")
    if quantisation:
        if len(quantisation.steps) != (channels := 3 if picture.ndim == 3 else 1):
            raise ValueError(f"the picture has {channels} channels, its quantisation is of {len(quantisation.steps)}")
        picture = quantisation.stored(picture)
        subsampling = subsampling[::-1] if quantisation.orientation > 4 else subsampling
    by_luma = picture.ndim == 3 and network.channels == 1
    decoded = pixels.stack([colour.luma(picture) if by_luma else picture], device)

    unrounded = "change" in rule.uses or (quantisation is not None and network.exit_count == 1)
    enhanced, taken, scores = _decided(network, decoded, rule, exit, not by_luma and not unrounded, track)
    if by_luma:
        change = _change(decoded, enhanced) * np.float16(LUMA_GAIN)
        del decoded, enhanced  # four bytes a pixel, while chroma is enhanced
        steps: tuple[np.ndarray, ...] = ()
        if quantisation and (kept := _kept(change, quantisation.steps[0])) is not None:
            change, steps = kept, quantisation.steps
        changes = [change, *_of_chroma(network, picture, taken, device, track, subsampling, steps, change.nbytes)]
        result = chroma.changed(picture, changes)
    elif quantisation:
        result = _within(picture, enhanced, quantisation.steps[0])
    else:
        result = pixels.to_images(enhanced)[0]
    result = result if strength == 1 else _blended(picture, result, strength)
    return Enhanced(quantisation.upright(result) if quantisation else result, taken, scores)


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
    steps: tuple[np.ndarray, ...],
    held: int,
) -> Iterator[np.ndarray]:
    """Yield the change of Cb, then of Cr, at one exit, for all pixels: float16 (H, W), in gray levels.

    With `steps`, those of Y, Cb and Cr, it keeps to the bounds of the file. `held` are the bytes that other changes
    take. Gray stays gray.
    """
    height, width = picture.shape[:2]
    for number, plane in enumerate(chroma.planes(picture, subsampling), start=1):
        if (plane == chroma.NEUTRAL).all():
            yield np.zeros((height, width), np.float16)
            continue
        decoded = pixels.stack([plane], device)
        (enhanced,) = tiling.stages(network, decoded, exit, only=True, track=track, budget=tiling.BUDGET - held)
        change = _change(decoded, enhanced)
        if steps and subsampling == (1, 1):
            change = projected(change, steps[number])
        whole = chroma.enlarged(change, height, width, subsampling)
        held += whole.nbytes
        yield whole


def _change(decoded: Tensor, enhanced: Tensor) -> np.ndarray:
    """Return by how many gray levels a plane was changed, from uint8 to float, both (1, 1, H, W), as float16 (H, W)."""
    result = np.empty(decoded.shape[2:], np.float16)
    for rows in _strips(result):
        result[rows] = (enhanced[0, 0, rows] * 255 - decoded[0, 0, rows]).cpu().numpy()
    return result


def _within(picture: np.ndarray, enhanced: Tensor, steps: np.ndarray) -> np.ndarray:
    """Return an enhanced image, (1, C, H, W), as uint8, its luma moved back to what a file allows.

    All channels are moved alike. `picture` is the decoded one, uint8 (H, W) or (H, W, 3).
    """
    shares = chroma.FROM_RGB[0] if picture.ndim == 3 else np.ones(1, np.float32)
    before, result = picture.reshape(*picture.shape[:2], -1), np.empty_like(picture)
    after, change = result.reshape(before.shape), np.empty(before.shape[:2], np.float16)
    for rows in _strips(change):
        change[rows] = (_levels(enhanced, rows) - before[rows]) @ shares
    kept = _kept(change, steps)
    move = np.zeros_like(change) if kept is None else kept - change
    for rows in _strips(change):
        after[rows] = (_levels(enhanced, rows) + move[rows][..., None]).round().clip(0, 255)
    return result


def _levels(images: Tensor, rows: slice) -> np.ndarray:
    """Return rows of an image, (1, C, H, W), as float32 (rows, W, C) in 0..255; uint8 ones are in 0..255 already."""
    part = images[0, :, rows]
    return (pixels.to_levels(part) if part.is_floating_point() else part.float()).permute(1, 2, 0).cpu().numpy()


def _kept(change: np.ndarray, steps: np.ndarray) -> np.ndarray | None:
    """Return the change of luma within a file's bounds; None if they are not those of the coarsest save."""
    kept = projected(change, steps)
    return kept if share_kept(change, kept) >= SAVED_ONCE else None


def _strips(array: np.ndarray) -> Iterator[slice]:
    return (slice(top, top + STRIP) for top in range(0, len(array), STRIP))


def _blended(decoded: np.ndarray, enhanced: np.ndarray, strength: float) -> np.ndarray:
    """Return uint8 pictures blended: `strength` of `enhanced`, the rest of `decoded`."""
    result = np.empty_like(decoded)
    for rows in _strips(decoded):
        before = decoded[rows].astype(np.float32)
        result[rows] = (before + strength * (enhanced[rows] - before)).round().astype(np.uint8)
    return result
