"""Run any enhancement network on images of any size: pad, split channels, go by tiles.

Odd sizes are mirrored up to what the network needs and cropped back. One-channel networks take R, G and B apart. Images
for which a network would take more memory than its budget go by overlapping tiles, all of one size, so that what was
freed after one tile fits the next.
"""

import math
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from qebench.networks import extent, outputs, pixels
from qebench.networks.network import Network

BUDGET = 2e9  # bytes for a network's features and results
MEASURED = 16e9  # bytes: measurements keep DIV2K's pictures whole, as papers do, since attention sees them whole then
FRAGMENTED = 1.3  # room for gaps in the heap: an allowance on what is in use at a time, not a measurement
HELD = 4  # results may take the budget's part of this, or each exit is computed from the start when it is asked for
GRID = 32  # pixels: tiles begin at multiples, so that strides and pooling fall on the same pixels as in the whole image
LEAST = 16 * GRID  # side of the smallest image that is cut, pixels: what tells a network's memory takes seconds

Part = tuple[slice, slice]  # rows and columns
Tile = tuple[Part, Part]  # what is kept, and with the overlap what is computed
Track = Callable[[list[Tile]], Iterable[Tile]]  # iterates over the tiles and may show how far it is


@dataclass(frozen=True)
class Cut:
    """How an image is cut: the height and width of tiles, and the pixels around each that are computed and dropped."""

    height: int
    width: int
    overlap: int


def enhance(network: Network, x: Tensor) -> list[Tensor]:
    """Enhance float (N, C, H, W) images in [0, 1]; return one float tensor of that shape per exit, unclipped."""
    return list(stages(network, x, budget=MEASURED))


@torch.inference_mode()
def stages(
    network: Network,
    x: Tensor,
    first: int = 1,
    rounded: bool = False,
    track: Track = iter,
    budget: float | None = None,
) -> Generator[Tensor, Tensor | None, None]:
    """Yield what `enhance` returns exit by exit, from exit `first` on, each computed when it is asked for.

    `x` may also be uint8, and what is `rounded` is uint8 as of `to_bytes`: a quarter of the memory for large images.
    Images for which the network takes more than `budget` bytes (BUDGET) are enhanced by tiles, over which `track`
    iterates: all exits of a tile at once while the results fit; else each exit is computed from the start when it is
    asked for.

    Raises ValueError if the images have other channels than the network takes and it does not take one, and
    outputs.WrongOutput if what the network returns cannot be used.
    """
    planes, budget = network.planes(x), BUDGET if budget is None else budget
    count = network.exit_count - first + 1
    held = planes[:1].numel() * len(planes) * (1 if rounded else 4)
    together = count if count * held <= budget / HELD else 1
    cut = choose(network, planes, budget, together * held)
    if cut is None:
        unit = pixels.to_unit(planes)
        given = unit.clone()
        try:
            for exit, enhanced in enumerate(network.exits(unit), start=1):
                outputs.check_values(enhanced, exit)
                outputs.check_input(unit, given, exit)
                if exit >= first:
                    yield (pixels.to_bytes(enhanced) if rounded else enhanced).reshape(x.shape)
        except outputs.WrongOutput as error:
            error.place //= len(planes) // len(x)
            raise
    else:
        places = tiles(*x.shape[2:], cut)
        for exit in range(first, first + count, together):
            for enhanced in _by_tiles(network, planes, exit, together, rounded, track(places)):
                yield enhanced.reshape(x.shape)


def choose(network: Network, planes: Tensor, budget: float, held: float) -> Cut | None:
    """Return how images (N, C, H, W) are cut so that the network keeps to `budget` bytes, None if they need not be.

    `held` are the bytes of results beside the network. A batch that is not cut is its caller's choice of memory.
    """
    height, width = planes.shape[2:]
    if max(height, width) <= LEAST or math.isinf(budget):
        return None
    each = extent.bytes_per_pixel(network, planes.shape[1], planes.device) * FRAGMENTED
    if height * width * each <= budget:
        return None
    grid = math.lcm(GRID, network.multiple)
    overlap = _up(extent.reach(network, planes.shape[1], planes.device), grid)
    return fit(height, width, (budget - held) / each / len(planes), overlap, grid)


def fit(height: int, width: int, area: float, overlap: int, grid: int) -> Cut:
    """Return the tiles of at most `area` pixels, in multiples of `grid`, that compute fewest pixels of an image.

    If none have room for their overlap on both sides they are the smallest that have.
    """
    best, cost = Cut(3 * overlap + grid, 3 * overlap + grid, overlap), math.inf
    for rows in range(1, height // grid + 2):
        tall = _up(-(-(height + 2 * overlap * (rows - 1)) // rows), grid)
        limit = area // tall // grid * grid
        if limit < grid or (rows > 1 and tall <= 2 * overlap):
            continue
        if _up(width, grid) > limit and limit <= 2 * overlap:
            continue
        columns = _count(width, int(limit), overlap)
        wide = _up(-(-(width + 2 * overlap * (columns - 1)) // columns), grid)
        if rows * tall * columns * wide < cost:
            best, cost = Cut(tall, wide, overlap), rows * tall * columns * wide
    return best


def tiles(height: int, width: int, cut: Cut) -> list[Tile]:
    """Return (inner, outer) row and column slices: the inner ones cover the image once, the outer ones overlap."""
    rows, columns = _parts(height, cut.height, cut.overlap), _parts(width, cut.width, cut.overlap)
    return [((down[0], across[0]), (down[1], across[1])) for down in rows for across in columns]


def _by_tiles(
    network: Network, x: Tensor, first: int, count: int, rounded: bool, places: Iterable[Tile]
) -> list[Tensor]:
    """Return `count` exits, from exit `first` on, of images that are enhanced tile by tile."""
    unrounded = x.dtype if x.is_floating_point() else torch.float32
    results = [torch.empty_like(x, dtype=torch.uint8 if rounded else unrounded) for _ in range(count)]
    for inner, outer in places:
        rows, columns = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
        exits_of_tile = islice(stages(network, x[(..., *outer)], first, rounded, budget=math.inf), count)
        for whole, tile in zip(results, exits_of_tile, strict=True):
            whole[(..., *inner)] = tile[..., rows, columns]
    return results


def _parts(size: int, side: int, overlap: int) -> list[tuple[slice, slice]]:
    """Return the (inner, outer) slices of one dimension."""
    count, step = _count(size, side, overlap), side - 2 * overlap
    parts = []
    for start in (number * step for number in range(count)):
        inner = slice(start + overlap * (start > 0), size if start + side >= size else start + side - overlap)
        parts.append((inner, slice(start, min(start + side, size))))
    return parts


def _count(size: int, side: int, overlap: int) -> int:
    """Return how many parts of `side` pixels cover `size` pixels if each overlaps the next by twice `overlap`."""
    return 1 if size <= side else 1 + -(-(size - side) // (side - 2 * overlap))


def _up(size: int, grid: int) -> int:
    return -(-size // grid) * grid
