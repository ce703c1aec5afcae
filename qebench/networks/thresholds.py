"""The threshold of early exit: one number for all exits (RBQE, ECCV 2020), or one for every exit but the last.

As text, on command lines and in tables, the numbers are separated by slashes: 0.82/0.80/0.78/0.50.
"""

from collections.abc import Sequence

Threshold = float | Sequence[float]


def per_exit(threshold: Threshold, exit_count: int) -> list[float]:
    """Return the score that an image must reach at each of `exit_count` exits but the last, which takes all.

    Networks of one exit are asked for none, whatever the threshold. Raises ValueError if there are several exits, and
    the numbers are neither one nor as many.
    """
    if exit_count == 1:
        return []
    if not isinstance(threshold, Sequence):
        return [threshold] * (exit_count - 1)
    if len(threshold) != exit_count - 1:
        raise ValueError(
            f"the threshold {text(threshold)} is {len(threshold)} numbers: give one for all exits, or {exit_count - 1} "
            f"for a network of {exit_count}, whose last exit needs none"
        )
    return list(threshold)


def threshold(text: str) -> Threshold:
    """Return the threshold that stands in a text; raises ValueError if it is none."""
    numbers = tuple(float(number) for number in text.split("/"))
    return numbers[0] if len(numbers) == 1 else numbers


def text(threshold: Threshold) -> str:
    """Return a threshold as text."""
    return "/".join(map(str, threshold)) if isinstance(threshold, Sequence) else str(threshold)
