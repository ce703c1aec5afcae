"""Run any enhancement network on any image: restore weights, pad, tile, batch, round.

What every repository gets wrong once is here once: weights load strictly and without running code, odd sizes are
mirrored up to what the network needs and cropped back, one-channel networks take R, G and B apart, large images go by
overlapping tiles, and results are rounded, not truncated, to 8 bits.
"""

from collections.abc import Callable, Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from qebench.common import memory

WHOLE = 2048  # side of the largest image enhanced in one piece, pixels: that of DIV2K
TILE = 896  # side of the tiles of larger ones, with their overlap: RBQE takes 2 GB for one
# Pixels around each tile that are computed and dropped. RBQE's convolutions see 189 px far; what RRDBNet (976) and the
# PowerQE forms of RBQE (220) see beyond changes nothing above rounding. Attention by means over the whole image (RBQE,
# MPRNet) sees the tile's: of 1024x1024 px by RBQE, 1.7 % are one gray level off, none more. U-Net and CBDNet shift by a
# pixel in images of odd size, but not in tiles of them.
OVERLAP = 192
ROWS = 1024  # converted at a time, as temporary floats of a large picture take gigabytes
HELD = 2**27  # pixels of results in memory at a time (512 MiB): five exits of 27 megapixels


@runtime_checkable
class MultiExit(Protocol):
    """A network that has several exits; `exits` is a generator of the enhanced images as in `methods/__init__.py`."""

    exit_count: int

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]: ...


def restore(model: nn.Module, weights: Path | None, device: str) -> nn.Module:
    """Return `model` in evaluation mode on `device`, with the weights of a file if one is given.

    The file and the errors are those of `checkpoints.load_into`.
    """
    if weights is not None:
        from qebench.checkpoints import reading

        reading.load_into(model, weights)
    return model.eval().to(device)


def is_random(model: nn.Module, load: Callable[[None, str], nn.Module]) -> bool:
    """Return whether `model`, from `load` without weights, has random start values: a second one has others."""
    again = load(None, "cpu").state_dict()
    return any(not torch.equal(tensor.cpu(), again[name]) for name, tensor in model.state_dict().items())


def choose_device(name: str, threads: int) -> str:
    """Return the torch device for "auto" (a GPU if there is one) or a device's own name, and set the CPU threads.

    Raises ValueError if the device is not there.
    """
    torch.set_num_threads(threads)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {name}: this machine has no GPU that torch {torch.__version__} can use; take cpu")
    return name


def exits(model: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """Yield the model's results for `x`, one per exit; a model without `exits` has one."""
    return model.exits(x) if isinstance(model, MultiExit) else iter([model(x)])


def to_tensor(images: list[np.ndarray], device: str | torch.device) -> Tensor:
    """Return images (H, W) or (H, W, 3) of one size, in [0, 255], as float32 (N, C, H, W) in [0, 1]."""
    return stack(images, device).float().div_(255)


def stack(images: list[np.ndarray], device: str | torch.device) -> Tensor:
    """Return images (H, W) or (H, W, 3) of one size as (N, C, H, W) of the same type."""
    batch = torch.from_numpy(np.stack([np.atleast_3d(image) for image in images])).to(device)
    return batch.permute(0, 3, 1, 2)


def to_unit(x: Tensor) -> Tensor:
    """Return uint8 values as float32 in [0, 1], float ones as they are."""
    return x if x.is_floating_point() else x.float().div_(255)


def to_images(batch: Tensor) -> list[np.ndarray]:
    """Return (N, C, H, W), of values as in `to_bytes`, as uint8 images (H, W) or (H, W, 3)."""
    pixels = to_bytes(batch).permute(0, 2, 3, 1).cpu().numpy()
    return list(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def to_levels(batch: Tensor) -> Tensor:
    """Return float values in [0, 1] as float32 in [0, 255], clipped, not rounded."""
    return (batch.float() * 255).clamp(0, 255)


def to_bytes(batch: Tensor) -> Tensor:
    """Return float values in [0, 1] as uint8, clipped and rounded to nearest, not truncated; uint8 ones as they are."""
    if batch.dtype == torch.uint8:
        return batch
    result = torch.empty_like(batch, dtype=torch.uint8)
    for top in range(0, batch.shape[-2], ROWS):
        rows = (..., slice(top, top + ROWS), slice(None))
        result[rows] = to_levels(batch[rows]).round_()
    return result


def enhance(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Enhance float (N, C, H, W) images in [0, 1]; return one float tensor of that shape per exit, unclipped."""
    return list(stages(model, x))


@torch.inference_mode()
def stages(model: nn.Module, x: Tensor, first: int = 1, rounded: bool = False) -> Iterator[Tensor]:
    """Yield what `enhance` returns exit by exit, from exit `first` on, each computed when it is asked for.

    `x` may also be uint8, and what is `rounded` is uint8 as of `to_bytes`: a quarter of the memory for large images.
    Images over WHOLE in height or width are enhanced by tiles, all exits of a tile at once while the results fit in
    HELD; of larger images each exit is computed from the start when it is asked for.

    Raises ValueError if the images have other channels than the network takes and it does not take one.
    """
    count, channels, height, width = x.shape
    if channels != getattr(model, "channels", channels):
        if model.channels != 1:
            raise ValueError(f"{type(model).__name__} takes {model.channels} channels, the images have {channels}")
        for enhanced in stages(model, x.reshape(count * channels, 1, height, width), first, rounded):
            yield enhanced.reshape(x.shape)
    elif max(height, width) <= WHOLE:
        for enhanced in islice(exits(model, pad(to_unit(x), getattr(model, "multiple", 1))), first - 1, None):
            inside = enhanced[..., :height, :width]
            yield to_bytes(inside) if rounded else inside
    else:
        yield from _tiled(model, x, first, rounded)


def _tiled(model: nn.Module, x: Tensor, first: int, rounded: bool) -> Iterator[Tensor]:
    count = getattr(model, "exit_count", 1) - first + 1
    together = count if count * x.numel() <= HELD else 1
    for exit in range(first, first + count, together):
        yield from _by_tiles(model, x, exit, together, rounded)


def _by_tiles(model: nn.Module, x: Tensor, first: int, count: int, rounded: bool) -> list[Tensor]:
    """Return `count` exits, from exit `first` on, of images that are enhanced tile by tile."""
    unrounded = x.dtype if x.is_floating_point() else torch.float32
    results = [torch.empty_like(x, dtype=torch.uint8 if rounded else unrounded) for _ in range(count)]
    with memory.sparing():
        for inner, outer in tiles(*x.shape[2:]):
            rows, columns = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
            exits_of_tile = islice(stages(model, x[(..., *outer)], first, rounded), count)
            for whole, tile in zip(results, exits_of_tile, strict=True):
                whole[(..., *inner)] = tile[..., rows, columns]
    return results


def pad(x: Tensor, multiple: int) -> Tensor:
    """Return images (N, C, H, W) mirrored at the bottom and right up to multiples of `multiple`, of any size."""
    for dimension in (2, 3):
        size = x.shape[dimension]
        target = size + -size % multiple
        if target > size:
            places = torch.arange(target, device=x.device) % max(2 * size - 2, 1)
            x = x.index_select(dimension, torch.minimum(places, (2 * size - 2 - places).clamp(min=0)))
    return x


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
