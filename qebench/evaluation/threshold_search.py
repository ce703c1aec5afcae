"""Thresholds per exit: the first exit that reaches its own, and the exact search for the best of a grid.

With K exits there are as many thresholds less one, and every tuple of the grid is compared: of five exits and 51
values, 6.8 million. The gain of a tuple is a sum over exits of what going on from one to the next adds for the images
that do; two halves of the tuple multiply in each term, so that all sums are one product of two matrices.
"""

import math
from functools import reduce

import numpy as np

from qebench.networks.rules import PRICES

MOST = 51**4  # tuples that are compared; networks of more exits get a coarser grid


def first_enough(exit: int, values: np.ndarray, limits: list[float]) -> np.ndarray:
    """Return the `exit` reached for images whose value (N, exits) there is at least its limit, else the next.

    Raises ValueError if there is not one limit for every exit but the last.
    """
    if len(limits) != values.shape[1] - 1:
        raise ValueError(
            f"{limits} are {len(limits)} limits for {values.shape[1]} exits: give one for each but the last"
        )
    if exit == 0:
        return np.ones(len(values), int)
    return np.where(values[:, exit - 1] >= limits[exit - 1], exit, exit + 1)


def search(values: np.ndarray, gains: np.ndarray, cost: np.ndarray, grid: np.ndarray) -> list[list[float]]:
    """Return for each of PRICES the limits of `grid` that are best for the mean of gain less price times cost.

    `values` and `gains` are (N, exits), `cost` is (exits,). Of limits that part the images alike, the middle one is
    taken; of tuples that are equally good, the one that goes on furthest.
    """
    choices = [_parting(column, grid, values.shape[1] - 1) for column in values[:, :-1].T]
    going = [on.astype(np.float32) for _, on in choices]
    gained, spent = (_sums(step.astype(np.float32), going) for step in (np.diff(gains), _steps(cost, len(gains))))
    shape = [len(limits) for limits, _ in choices]
    found = []
    for price in PRICES:
        worth = gained - np.float32(price) * spent
        last = worth.size - 1 - int(worth[::-1, ::-1].argmax())
        places = np.unravel_index(last, shape)
        found.append([float(limits[place]) for (limits, _), place in zip(choices, places, strict=True)])
    return found


def _parting(column: np.ndarray, grid: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return limits that part the values (N,) in all ways that a grid can, and which go on at each, (limits, N)."""
    most = max(2, int(MOST ** (1 / count) + 1e-9))
    grid = grid if len(grid) <= most else grid[np.linspace(0, len(grid) - 1, most).round().astype(int)]
    numbers = (column < grid[:, None]).sum(
        axis=1
    )  # of images that go on: grows with the limit, and tells the parts apart
    _, first, length = np.unique(numbers, return_index=True, return_counts=True)
    limits = grid[first + (length - 1) // 2]
    return limits, column < limits[:, None]


def _steps(cost: np.ndarray, count: int) -> np.ndarray:
    return np.broadcast_to(np.diff(cost), (count, len(cost) - 1))


def _sums(steps: np.ndarray, going: list[np.ndarray]) -> np.ndarray:
    """Return the means over images of what going on adds, for all tuples: (tuples of the first half, of the second)."""
    half = (len(going) + 1) // 2
    first, second = going[:half], going[half:]
    alone = np.zeros(_tuples(first), np.float32)
    for exit in range(half):
        alone += _widened(_joint(first[: exit + 1]) @ steps[:, exit], first[exit + 1 :])
    later = np.zeros((_tuples(second), len(steps)), np.float32)
    for exit in range(len(second)):
        later += _widened(_joint(second[: exit + 1]) * steps[:, half + exit], second[exit + 1 :])
    return (alone[:, None] + _joint(first) @ later.T) / len(steps)


def _joint(going: list[np.ndarray]) -> np.ndarray:
    """Return which images go on at all of some exits, for all tuples of limits in their order: (tuples, N)."""
    return reduce(lambda left, right: (left[:, None] * right).reshape(-1, right.shape[1]), going)


def _widened(rows: np.ndarray, later: list[np.ndarray]) -> np.ndarray:
    """Return each row as often as there are tuples of the `later` limits."""
    return np.repeat(rows, _tuples(later), axis=0)


def _tuples(going: list[np.ndarray]) -> int:
    return math.prod(len(limits) for limits in going)
