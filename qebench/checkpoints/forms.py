"""The published forms of one network: its depths, normalisations and channels under one name.

A method with more than one form lists them as FORMS, the paper's first. Every weights file says by its keys and shapes
which form it is for, so nobody has to; PowerQE v1.0 repeats one layer where v3 has several, and its files say that by
equal tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from qebench.checkpoints import reading


@dataclass(frozen=True)
class Form:
    """One published form of a network.

    `build` makes it for a number of channels, one of `channels`; `names` maps the beginnings of keys in its official
    files to those of ours, where they differ.
    """

    build: Callable[[int], nn.Module]
    channels: tuple[int, ...] = (1, 3)
    names: dict[str, str] = field(default_factory=dict)


def restore(forms: dict[str, Form], weights: Path | None, device: str) -> nn.Module:
    """Return the network that a weights file is for, on `device`, in evaluation mode; its `form` is the form's name.

    Without weights it is the first form for the fewest channels, with random start values.

    Raises the errors of `checkpoints.read`, and ValueError if the file fits no form; the message names the first key
    that does not fit the form with the most keys in common, and both shapes.
    """
    if weights is None:
        name, form = next(iter(forms.items()))
        return _named(form.build(form.channels[0]), name, device)
    tensors = reading.read(weights)
    misfits = []
    for name, form in forms.items():
        renamed = _rename(tensors, form.names)
        for channels in form.channels:
            with torch.device("meta"):
                skeleton = form.build(channels)
            reason = reading.misfit(skeleton, renamed)
            if reason is None:
                model = form.build(channels)
                model.load_state_dict(renamed)
                return _named(model, name, device)
            shapes = {(key, tensor.shape) for key, tensor in skeleton.state_dict().items()}
            common = sum((key, tensor.shape) in shapes for key, tensor in renamed.items())
            misfits.append((common, type(skeleton).__name__, reason))
    _, network_name, reason = max(misfits, key=lambda misfit: misfit[0])
    raise ValueError(f"{weights} was not made for {network_name}: {reason}")


def _named(model: nn.Module, form: str, device: str) -> nn.Module:
    model.form = form  # type: ignore[assignment]  # a plain attribute, for which nn.Module has no type
    return reading.restore(model, None, device)


def _rename(tensors: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    renamed = {}
    for key, tensor in tensors.items():
        theirs = next((theirs for theirs in names if key.startswith(theirs)), "")
        renamed[names.get(theirs, "") + key.removeprefix(theirs)] = tensor
    return renamed
