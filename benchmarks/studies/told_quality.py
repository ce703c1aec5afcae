"""Is a network better that is told the quality? The small PixelUNet, blind and told, on the same crops.

The told one reads the quality, divided by 100, as one more channel of its first convolution. Both start from the same
random values elsewhere, see the same crops in the same order, and learn by Muon with the same rates.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle
from tqdm import tqdm

from methods import pixelunet
from qebench.networks import loading
from qebench.training import losses, pair_files, pair_sources
from qebench.training.averaging import Average
from qebench.training.optimizers import OPTIMIZERS
from qebench.training.pairs import Pairs
from qebench.training.run import Settings, rate
from qebench.training.start_values import start

QUALITIES = [85, 75, 60, 50, 40, 30, 20, 10, 5]  # QF
SMALL = (16, 32, 64), 1  # widths and residual blocks
SETTINGS = Settings(steps=1000, batch=16, patch=96, learning_rate=2e-3, warmup=60, ema=0.995, optimizer="muon")


class Told(pixelunet.PixelUNet):
    """PixelUNet for luma that is told the quality."""

    def __init__(self, widths: tuple[int, int, int], blocks: int) -> None:
        super().__init__(1, widths, blocks)
        self.head = nn.Conv2d(5, widths[0], 3, padding=1)

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:  # type: ignore[override]  # one input more
        """Return the enhanced images (N, 1, H, W), given decoded ones and their qualities (N,)."""
        pixels = pixel_unshuffle(x, 2)
        plane = (quality / 100).reshape(-1, 1, 1, 1).expand(-1, 1, *pixels.shape[2:])
        return x + self.change(torch.cat([pixels, plane], dim=1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of pictures to train on")
    parser.add_argument("--validation", type=Path, nargs="+", required=True, help="folders of other pictures")
    parser.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    parser.add_argument("--steps", type=int, default=SETTINGS.steps)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")


def run(options: argparse.Namespace) -> None:
    from tabulate import tabulate

    loading.choose_device("cpu", options.threads)
    pairs, others = (
        pair_files.cached(
            pair_sources.Recipe(folders, "jpeg", QUALITIES, "luma", varied), options.threads, options.pairs
        )
        for folders, varied in ((options.data, True), (options.validation, False))
    )
    settings = replace(SETTINGS, steps=options.steps)
    rows = [[name, *gains, np.mean(gains)] for name, gains in compare(pairs, others, settings).items()]
    qualities = [f"QF {quality}" for quality in QUALITIES]
    print(tabulate(rows, ["", *qualities, "mean"], floatfmt="+.3f"))
    seen = settings.steps * settings.batch * settings.patch**2 / 1e6
    print(f"\nPSNR gain in dB on {len(others.sizes)} validation pictures, after {seen:.0f} million pixels each")


def compare(pairs: Pairs, others: Pairs, settings: Settings) -> dict[str, list[float]]:
    """Return the gains in dB at every quality on `others`, of the blind network and of the told one."""
    values = torch.tensor(pairs.qualities, dtype=torch.float32)
    torch.manual_seed(settings.seed)
    blind = pixelunet.PixelUNet(1, *SMALL)
    start(blind, pairs.batch(settings.batch, settings.patch, settings.seed)[1])
    told = told_of(blind)
    ways: dict[str, tuple[nn.Module, Callable[[nn.Module, Tensor, Tensor], Tensor]]] = {
        "blind": (blind, lambda network, x, _: network(x)),
        "told": (told, lambda network, x, quality: network(x, values[quality])),
    }
    found = {}
    for name, (network, compute) in ways.items():
        average = _train(network, compute, pairs, settings, name)
        found[name] = _gains(average, compute, others)
    return found


def told_of(blind: pixelunet.PixelUNet) -> Told:
    """Return a told network with the weights of a small blind one, and none for the quality yet."""
    told = Told(*SMALL)
    head = torch.cat([blind.head.weight, torch.zeros_like(blind.head.weight[:, :1])], dim=1)
    told.load_state_dict(blind.state_dict() | {"head.weight": head.detach()})
    return told


def _train(
    network: nn.Module, compute: Callable[..., Tensor], pairs: Pairs, settings: Settings, name: str
) -> nn.Module:
    """Train a network and return its average."""
    loading.channels_last(network)
    average = Average(network, settings.ema)
    optimizers = OPTIMIZERS[settings.optimizer](network, settings.learning_rate)
    for step in tqdm(range(settings.steps), name, disable=None):
        original, decoded, quality = pairs.batch(settings.batch, settings.patch, step)
        losses.relative(compute(network, decoded, quality), original, decoded).mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * rate(step, settings)
            optimizer.step()
            optimizer.zero_grad()
        average.update()
    return average.module


@torch.inference_mode()
def _gains(network: nn.Module, compute: Callable[..., Tensor], pairs: Pairs) -> list[float]:
    """Return the mean PSNR gain in dB over pictures, for every quality."""
    gains = np.empty((len(pairs.sizes), len(pairs.qualities)))
    for number in range(len(pairs.sizes)):
        original = pairs.image(number, 0)
        for place in range(len(pairs.qualities)):
            decoded = pairs.image(number, 1 + place)
            enhanced = compute(network, decoded, torch.tensor([place])).clamp(0, 1)
            errors = [(image - original).square().mean() for image in (decoded, enhanced)]
            gains[number, place] = 10 * torch.log10(errors[0] / errors[1])
    return gains.mean(axis=0).tolist()
