"""Compile functions for the CPU by numba, and keep their code for the next process."""

from collections.abc import Callable
from typing import Any

from numba import njit


def kept(options: dict[str, Any]) -> Callable[[Callable], Callable]:
    """Return a decorator that compiles a function, with options of `numba.njit`, when it is first called.

    The code is kept in __pycache__, or where that is read-only, in the user's cache folder; NUMBA_CACHE_DIR names
    another. If no such folder can be written, each process compiles anew.
    """

    def decorate(function: Callable) -> Callable:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither folder can be written
            return njit(**options)(function)

    return decorate
