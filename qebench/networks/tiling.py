"""Run any enhancement network on images of any size: pad, split channels, go by tiles.

Odd sizes are mirrored up to what the network needs and cropped back. One-channel networks take R, G and B apart. Large
images go by overlapping tiles.
"""

from collections.abc import Generator, Iterator
from itertools import islice

import torch
from torch import Tensor

from qebench.common import memory
from qebench.networks import outputs, pixels
from qebench.networks.network import Network

WHOLE = 2048  # side of the largest image enhanced in one piece, pixels: that of DIV2K
TILE = 896  # side of the tiles of larger ones, with their overlap: RBQE takes 2 GB for one
# Pixels around each tile that are computed and dropped. RBQE's convolutions see 189 px far; what RRDBNet (976) and the
# PowerQE forms of RBQE (220) see beyond changes nothing above rounding. Attention by means over the whole image (RBQE,
# MPRNet) sees the tile's: of 1024x1024 px by RBQE, 1.7 % are one gray level off, none more. U-Net and CBDNet shift by a
# pixel in images of odd size, but not in tiles of them.
OVERLAP = 192
HELD = 2**27  # pixels of results in memory at a time (512 MiB): five exits of 27 megapixels


def enhance(network: Network, x: Tensor) -> list[Tensor]:
    """Enhance float (N, C, H, W) images in [0, 1]; return one float tensor of that shape per exit, unclipped."""
    return list(stages(network, x))


@torch.inference_mode()
def stages(
    network: Network, x: Tensor, first: int = 1, rounded: bool = False, only: bool = False
) -> Generator[Tensor, Tensor | None, None]:
    """Yield what `enhance` returns exit by exit, from exit `first` on, each computed when it is asked for.

    If `only`, that is the `first` alone, and no head before it is computed.
    `x` may also be uint8, and what is `rounded` is uint8 as of `to_bytes`: a quarter of the memory for large images.
    Images over WHOLE in height or width are enhanced by tiles, all exits of a tile at once while the results fit in
    HELD; of larger images each exit is computed from the start when it is asked for.

    Raises ValueError if the images have other channels than the network takes and it does not take one, and
    outputs.WrongOutput if what the network returns cannot be used.
    """
    planes = network.planes(x)
    if max(x.shape[2:]) <= WHOLE:
        unit = pixels.to_unit(planes)
        given = unit.clone()
        try:
            computed = iter([network.last(unit, first)]) if only else network.exits(unit)
            for exit, enhanced in enumerate(computed, start=first if only else 1):
                outputs.check_values(enhanced, exit)
                outputs.check_input(unit, given, exit)
                if exit >= first:
                    yield (pixels.to_bytes(enhanced) if rounded else enhanced).reshape(x.shape)
        except outputs.WrongOutput as error:
            error.place //= len(planes) // len(x)
            raise
    else:
        count = 1 if only else network.exit_count - first + 1
        together = count if count * x.numel() <= HELD else 1
        for exit in range(first, first + count, together):
            for enhanced in _by_tiles(network, planes, exit, together, rounded, only):
                yield enhanced.reshape(x.shape)


def _by_tiles(network: Network, x: Tensor, first: int, count: int, rounded: bool, only: bool) -> list[Tensor]:
    """Return `count` exits, from exit `first` on, of images that are enhanced tile by tile."""
    unrounded = x.dtype if x.is_floating_point() else torch.float32
    results = [torch.empty_like(x, dtype=torch.uint8 if rounded else unrounded) for _ in range(count)]
    with memory.sparing():
        for inner, outer in tiles(*x.shape[2:]):
            rows, columns = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
            exits_of_tile = islice(stages(network, x[(..., *outer)], first, rounded, only), count)
            for whole, tile in zip(results, exits_of_tile, strict=True):
                whole[(..., *inner)] = tile[..., rows, columns]
    return results


def tiles(height: int, width: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yield (inner, outer) row and column slices: the inner ones cover the image once, the outer ones add OVERLAP."""
    step = TILE - 2 * OVERLAP
    for top in range(0, height, step):
        for left in range(0, width, step):
            inner = slice(top, min(top + step, height)), slice(left, min(left + step, width))
            rows, columns = (
                slice(max(part.start - OVERLAP, 0), min(part.stop + OVERLAP, size))
                for part, size in zip(inner, (height, width), strict=True)
            )
            yield inner, (rows, columns)
