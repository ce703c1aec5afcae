"""How long networks take to learn from a batch of luma crops: as they are written, and as they train.

That is the loss and its gradients, without the optimizer's step and the making of crops.
"""

import argparse
from functools import partial

import numpy as np
import torch
from skimage import data, util
from torch import Tensor

from compressors import jpeg
from qebench.commands import arguments
from qebench.cost import clock
from qebench.networks import loading, pixels
from qebench.training import command, loop, parallel
from qebench.training.run import Run, Settings, for_training
from qebench.training.start_values import start

SETTINGS = Settings(batch=4, patch=128)
QUALITIES = [50, 40, 30, 20]  # QF of one crop each
RUNS = 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("methods", nargs="+", help="of luma images")
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    print(text(options.methods, arguments.device(options)))


def text(methods: list[str], device: str) -> str:
    """Return a table of milliseconds per batch of 4 crops of 128x128 pixels; one column is empty without such a form.

    Raises ValueError if a method is unknown, not for luma, or has nothing to train.
    """
    from tabulate import tabulate

    header = ["method", "precision", "as written (ms)", "as it trains (ms)", "written / trains"]
    return tabulate([_row(method, device) for method in methods], header, floatfmt=("", "", ".0f", ".0f", ".2f"))


def _row(method: str, device: str) -> list:
    model = command.untrained(method, channels=1).to(device).train()
    batch = _batch(device)
    loading.channels_last(model)
    start(model, batch[1])
    half = loop.in_half(model, batch[1], SETTINGS, device)
    trains, written = (Run(model, SETTINGS, device, half) for _ in range(2))
    written.exits = parallel.Exits(model)
    forms = [written] if for_training(model) is model else [written, trains]
    times = np.median(clock.times([partial(_learn, form, batch) for form in forms], RUNS, device), axis=1)
    return [method, "bfloat16" if half else "float32", *times, *(times[:1] / times[1:])]


def _batch(device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return crops of a photograph as (original, decoded, quality index), as in `crops.Pairs.batch`."""
    side = SETTINGS.patch
    originals = list(util.view_as_blocks(data.camera()[: 2 * side, : 2 * side], (side, side)).reshape(-1, side, side))
    decoded = [jpeg.decode(jpeg.encode(*pair)) for pair in zip(originals, QUALITIES, strict=True)]
    indices = torch.arange(len(QUALITIES), device=device)
    return pixels.to_tensor(originals, device), pixels.to_tensor(decoded, device), indices


def _learn(form: Run, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    with torch.inference_mode(False):
        form.gradients(batch)
