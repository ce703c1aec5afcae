"""Refuse what a network may not return, before anything is measured of it or written: a plug-in may be anybody's."""

import torch
from torch import Tensor


class WrongOutput(ValueError):
    """A result that cannot be used: says the exit, and which image of the batch (`place`, from 0) shows it."""

    def __init__(self, exit: int, reason: str, place: int = 0) -> None:
        """Compose the sentence; callers that know method and image put them before it."""
        super().__init__(f"exit {exit} {reason}")
        self.place = place


def check_kind(result: object, x: Tensor, exit: int) -> Tensor:
    """Return `result`; raise WrongOutput unless it is a tensor of the shape, type and device of `x`."""
    if not isinstance(result, Tensor):
        raise WrongOutput(exit, f"returns {type(result).__name__}, not a tensor")
    for name in ("shape", "dtype", "device", "layout"):
        found, wanted = getattr(result, name), getattr(x, name)
        if found != wanted:
            words = [tuple(each) if name == "shape" else each for each in (found, wanted)]
            raise WrongOutput(exit, f"returns a tensor of {name} {words[0]}, not {words[1]} as its input")
    return result


def check_values(result: Tensor, exit: int) -> None:
    """Raise WrongOutput if images (N, C, H, W) have values that are not finite."""
    finite = result.isfinite().flatten(1).all(dim=1)
    if not finite.all():
        place = int((~finite).nonzero()[0, 0])
        wrong = int((~result[place].isfinite()).sum())
        raise WrongOutput(exit, f"returns NaN or infinity for {wrong} of {result[place].numel()} values", place)


def check_input(x: Tensor, given: Tensor, exit: int) -> None:
    """Raise WrongOutput if a network has changed its input `x`, of which `given` is a copy."""
    if not torch.equal(x, given):
        raise WrongOutput(exit, "changes its input in place: it must leave that as it is, or work on a copy")


def count_exits(found: int, exit_count: int) -> None:
    """Raise WrongOutput if a network has fewer exits than it says, or more."""
    if found != exit_count:
        what = "is one too many" if found > exit_count else "is the last"
        raise WrongOutput(found, f"{what}: the network says it has {exit_count}")
