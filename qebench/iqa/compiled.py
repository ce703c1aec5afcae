"""What blocks are judged by in IQAM's variant "matlab", compiled for CPUs by numba.

`tensors` has it in torch, where every step passes over the whole image. Here 64 blocks at a time take all
steps within the processor's caches. They form a tile: pixel or moment (row, column) of block b is at
(row * size + column) * 64 + b, so neighbours in memory take the same step, which the compiler turns into vector
instructions. It must know all distances for that: tiles are flat, 64 is a constant, and so is `size`, since numba
compiles once more for each number that is written out in a call.

The first call on a machine compiles for some 3 s and keeps the code in __pycache__, or where that is read-only, in the
user's cache folder; NUMBA_CACHE_DIR names another. Loading it takes another process half a second, most of it for
importing numba.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from qebench.common import compiling
from qebench.iqa import definition

BLOCKS = 64  # of a tile; three tiles of 8x8 blocks in float32 take 48 KiB
OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract"},
}  # contract: multiply and add in one instruction


def measure(images: np.ndarray, block_size: int) -> np.ndarray:
    """Return the measures (3, N, rows * columns) of `tensors.measure` for float32 or float64 images (N, H, W)."""
    rows, columns = definition.grid(images.shape[1:], block_size)
    measures = np.empty((3, len(images), rows * columns), images.dtype)
    tiles = np.zeros((3, block_size**2 * BLOCKS), images.dtype)
    compiled = _measure_4x4 if block_size == 4 else _measure_8x8
    compiled(np.ascontiguousarray(images), columns, *_matrices(block_size, images.dtype), tiles, measures)
    return measures


@lru_cache
def _matrices(size: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return the transform of a line of pixels to moments, and the one that blurs first."""
    polynomials, blur = (matrix.numpy() for matrix in definition.line_matrices(size, "matlab"))
    return polynomials.astype(dtype), (polynomials @ blur).astype(dtype)


# One function per size, as numba's cache may mix up versions of a function that two processes keep at the same time.
@compiling.kept(OPTIONS)
def _measure_4x4(
    images: np.ndarray,
    columns: int,
    transform: np.ndarray,
    blurred_transform: np.ndarray,
    tiles: np.ndarray,
    measures: np.ndarray,
) -> None:
    _measure(images, 4, columns, transform, blurred_transform, tiles, measures)


@compiling.kept(OPTIONS)
def _measure_8x8(
    images: np.ndarray,
    columns: int,
    transform: np.ndarray,
    blurred_transform: np.ndarray,
    tiles: np.ndarray,
    measures: np.ndarray,
) -> None:
    _measure(images, 8, columns, transform, blurred_transform, tiles, measures)


@njit(inline="always")
def _measure(
    images: np.ndarray,
    size: int,
    columns: int,
    transform: np.ndarray,
    blurred_transform: np.ndarray,
    tiles: np.ndarray,
    measures: np.ndarray,
) -> None:
    moments, blurred, spare = tiles[0], tiles[1], tiles[2]
    sums = np.empty((7, BLOCKS), images.dtype)
    for n in range(images.shape[0]):
        for first in range(0, measures.shape[2], BLOCKS):
            count = min(BLOCKS, measures.shape[2] - first)
            _read(images, n, size, columns, first, count, spare)
            _centre(spare, size, blurred, moments, sums)
            _transform(moments, size, transform, spare)
            _transform(spare, size, transform, moments)
            _transform(blurred, size, blurred_transform, spare)
            _transform(spare, size, blurred_transform, blurred)
            _compare(moments, blurred, size, sums)
            _write(sums, size, n, first, count, measures)


@njit(**OPTIONS)
def _read(images: np.ndarray, n: int, size: int, columns: int, first: int, count: int, lines: np.ndarray) -> None:
    """Copy the blocks from number `first` on, clipped and rounded to 8 bits, as `size` lines of 64 * size pixels."""
    black, white = lines.dtype.type(0), lines.dtype.type(255)
    done = 0
    while done < count:  # as many as are left in a row of blocks
        row = (first + done) // columns
        column = first + done - row * columns
        run = min(count - done, columns - column)
        for r in range(size):
            source = images[n, size // 2 + row * size + r, size // 2 + column * size :]
            line = lines[(r * BLOCKS + done) * size :]
            for x in range(run * size):
                value = np.rint(source[x])
                value = black if value < black else value  # unlike max, keeps NaN
                line[x] = white if value > white else value
        done += run


@njit(**OPTIONS)
def _centre(lines: np.ndarray, size: int, pixels: np.ndarray, centred: np.ndarray, sums: np.ndarray) -> None:
    """Turn lines into a tile of pixels, one without the means of the blocks, and sums[0], the energy of each block."""
    share = sums.dtype.type(1 / (size * size))
    for r in range(size):
        for b in range(BLOCKS):
            for c in range(size):
                pixels[(r * size + c) * BLOCKS + b] = lines[(r * BLOCKS + b) * size + c]
    for i in range(7):
        for b in range(BLOCKS):
            sums[i, b] = 0
    for r in range(size):
        for b in range(BLOCKS):
            energy, total = sums[0, b], sums[1, b]
            for c in range(size):
                pixel = pixels[(r * size + c) * BLOCKS + b]
                energy += pixel * pixel
                total += pixel
            sums[0, b], sums[1, b] = energy, total
    for i in range(size * size):
        for b in range(BLOCKS):
            centred[i * BLOCKS + b] = pixels[i * BLOCKS + b] - sums[1, b] * share


@njit(**OPTIONS)
def _transform(blocks: np.ndarray, size: int, matrix: np.ndarray, transformed: np.ndarray) -> None:
    """Multiply a matrix by each block, and exchange rows and columns: done twice, both directions are transformed.

    Even rows of the matrix are symmetric and odd ones antisymmetric, which saves half of the multiplications.
    """
    for k in range(0, size, 2):
        for c in range(size):
            for b in range(BLOCKS):
                upper = blocks[c * BLOCKS + b]
                lower = blocks[((size - 1) * size + c) * BLOCKS + b]
                even = matrix[k, 0] * (upper + lower)
                odd = matrix[k + 1, 0] * (upper - lower)
                for r in range(1, size // 2):
                    upper = blocks[(r * size + c) * BLOCKS + b]
                    lower = blocks[((size - 1 - r) * size + c) * BLOCKS + b]
                    even += matrix[k, r] * (upper + lower)
                    odd += matrix[k + 1, r] * (upper - lower)
                transformed[(c * size + k) * BLOCKS + b] = even
                transformed[(c * size + k + 1) * BLOCKS + b] = odd


@njit(**OPTIONS)
def _compare(moments: np.ndarray, blurred: np.ndarray, size: int, sums: np.ndarray) -> None:
    """Sum up the normalised moments of each block: 2 their energy, 3 likeness, 4 all, 5 highest down, 6 across."""
    zero, one, stable = sums.dtype.type(0), sums.dtype.type(1), sums.dtype.type(definition.STABLE)
    for b in range(BLOCKS):
        sums[1, b] = zero
    for r in range(size):  # orthonormal: the energy of the moments is that of the pixels
        for b in range(BLOCKS):
            energy = sums[1, b]
            for c in range(size):
                moment = blurred[(r * size + c) * BLOCKS + b]
                energy += moment * moment
            sums[1, b] = energy
    for b in range(BLOCKS):
        sums[0, b] = one / np.sqrt(sums[0, b]) if sums[0, b] > zero else zero
        sums[1, b] = one / np.sqrt(sums[1, b]) if sums[1, b] > zero else zero
        moments[b] = blurred[b] = zero  # the means, which centring leaves out
    for r in range(size):
        for b in range(BLOCKS):
            energy, likeness, row = sums[2, b], sums[3, b], zero
            for c in range(size):
                p = moments[(r * size + c) * BLOCKS + b] * sums[0, b]
                q = blurred[(r * size + c) * BLOCKS + b] * sums[1, b]
                energy += p * p
                likeness += (p * q + p * q + stable) / (p * p + q * q + stable)
                row += abs(p)
            sums[2, b], sums[3, b], sums[5, b] = energy, likeness, row
            sums[4, b] += row
            sums[6, b] += abs(moments[(r * size + size - 1) * BLOCKS + b]) * sums[0, b]


@njit(**OPTIONS)
def _write(sums: np.ndarray, size: int, n: int, first: int, count: int, measures: np.ndarray) -> None:
    for b in range(count):
        rest = sums[4, b] + definition.STABLE
        down, across = sums[5, b] / rest, sums[6, b] / rest
        down = definition.BLOCKY_CAP if down > definition.BLOCKY_CAP else down
        across = definition.BLOCKY_CAP if across > definition.BLOCKY_CAP else across
        measures[0, n, first + b] = sums[2, b]
        measures[1, n, first + b] = _log_remainder((down + across) / 2) / _log_remainder(definition.BLOCKY_CAP)
        measures[2, n, first + b] = 1 - sums[3, b] / (size * size)


@njit(**OPTIONS)
def _log_remainder(share: float) -> float:
    """Return log(1 - share) / 2, with a relative error of 1e-17 up to 0.05; `log` would take one number at a time."""
    z = share / (share - 2)
    square = z * z
    return z * (1 + square * (1 / 3 + square * (1 / 5 + square * (1 / 7 + square / 9))))  # of atanh(z), five terms
