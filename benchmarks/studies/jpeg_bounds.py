"""What the bounds of a JPEG file's coefficients gain (`quantisation`), how narrow, and what they tell of earlier saves.

The pictures are coded as gray luma. The first table has the gain of a network without bounds and with bounds of several
shares of half a step, and the least share of the change's energy that is kept. The second has pictures that were saved
at one quality and then at another: the largest such share.
"""

import argparse
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from qebench import library
from qebench.commands import arguments
from qebench.common import images, quantisation
from qebench.common.quantisation import NARROW
from qebench.datasets import originals
from qebench.networks import pixels, tiling

SHARES = (0.6, 0.8, 1.0, 1.2)  # of half a step
TWICE = ((10, 85), (30, 85), (50, 85), (50, 75), (75, 90), (75, 95))  # QF of the first save, and of the second


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="a folder of uncompressed photographs (default: the demo)")
    parser.add_argument("--method", default="pixelunet")
    parser.add_argument("--weights", default="jpeg", help="a file (default: those that ship for JPEG)")
    parser.add_argument("--qualities", type=int, nargs="+", default=[10, 20, 40, 75, 85, 90, 95])
    parser.add_argument("--crop", type=int, default=256, help="largest side of the centre crop, pixels (default: 256)")
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    from tabulate import tabulate

    trained = library.load(options.method, options.weights, "jpeg", arguments.device(options))
    protocol = originals.Protocol("luma", options.crop)
    pictures = [originals.prepare(images.read(path), protocol) for path in originals.sources(options.data)]
    rows = []
    for quality in options.qualities:
        found = np.array([[*_gains(picture, trained, quality)] for picture in pictures])
        rows.append([quality, *found[:, :-1].mean(axis=0), found[:, -1].min()])
    header = ["QF", "no bounds", *(f"{share:g}" for share in SHARES), "least share kept"]
    print(tabulate(rows, header, tablefmt="github", floatfmt="+.3f", intfmt="d"))
    rows = []
    for first, second in TWICE:
        shares = [_change(_saved(picture, first)[0], trained, second)[-1] for picture in pictures]
        rows.append([first, second, max(shares)])
    print()
    print(tabulate(rows, ["QF", "then QF", "largest share kept"], tablefmt="github", floatfmt=".3f", intfmt="d"))
    print(f"\ndB of luma PSNR, means of {len(pictures)} pictures.")


def _saved(picture: np.ndarray, quality: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what JPEG makes of a gray picture, uint8 (H, W), and the steps (8, 8)."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    image = Image.open(file)
    known = quantisation.of_file(image)
    assert known is not None  # Pillow writes one plane, with its table
    return np.asarray(image), known.steps[0]


def _change(
    picture: np.ndarray, trained: library.Trained, quality: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the decoded picture, the change that a network makes, the steps, and the share of its energy kept."""
    decoded, steps = _saved(picture, quality)
    unit = pixels.to_unit(pixels.stack([decoded], trained.device))
    enhanced = tiling.enhance(trained.network, unit)[-1][0, 0].cpu().numpy() * 255
    change = (enhanced - decoded).astype(np.float16)
    return decoded, change, steps, quantisation.share_kept(change, quantisation.projected(change, steps))


def _gains(picture: np.ndarray, trained: library.Trained, quality: int) -> Iterator[float]:
    """Yield by how many dB a picture gets better without bounds and with those of SHARES, then the share kept."""
    decoded, change, steps, share = _change(picture, trained, quality)
    before = peak_signal_noise_ratio(picture, decoded)
    for each in (None, *SHARES):
        kept = change if each is None else quantisation.projected(change, steps * each / NARROW)
        enhanced = (decoded + kept.astype(np.float32)).round().clip(0, 255).astype(np.uint8)
        yield peak_signal_noise_ratio(picture, enhanced) - before
    yield share
