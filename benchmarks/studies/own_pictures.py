"""What `enhance` does to photographs in colour: RGB PSNR gained at every quality and chroma subsampling of JPEG."""

import argparse
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from qebench import library
from qebench.commands import arguments
from qebench.common import colour, images
from qebench.datasets import originals
from qebench.networks import chroma, own_pictures

SUBSAMPLINGS = {"4:2:0": (2, 2), "4:4:4": (1, 1)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="a folder of uncompressed photographs (default: the demo)")
    parser.add_argument("--method", default="pixelunet")
    parser.add_argument("--weights", default="jpeg", help="a file (default: those that ship for JPEG)")
    parser.add_argument("--qualities", type=int, nargs="+", default=[5, 10, 20, 30, 40, 50, 60, 75, 85])
    parser.add_argument("--crop", type=int, default=384, help="largest side of the centre crop, pixels (default: 384)")
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    from tabulate import tabulate

    trained = library.load(options.method, options.weights, "jpeg", arguments.device(options))
    protocol = originals.Protocol("rgb", options.crop)
    pictures = [originals.prepare(images.read(path), protocol) for path in originals.sources(options.data)]
    rows = []
    for quality in options.qualities:
        row: list[float] = [quality]
        for subsampling in SUBSAMPLINGS:
            luma, whole = np.transpose([list(gains(picture, trained, quality, subsampling)) for picture in pictures])
            row += [luma.mean(), whole.mean(), whole.min()]
        rows.append(row)
    header = ["QF", *(f"{name}, {what}" for name in SUBSAMPLINGS for what in ("luma alone", "and chroma", "least"))]
    print(tabulate(rows, header, tablefmt="github", floatfmt="+.3f", intfmt="d"))
    print(f"\ndB of RGB PSNR, {len(pictures)} pictures; least: of one picture, chroma included.")


def gains(picture: np.ndarray, trained: library.Trained, quality: int, subsampling: str) -> Iterator[float]:
    """Yield by how many dB a network makes a coded picture better: its luma alone, then its chroma as well."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    decoded = np.asarray(Image.open(file).convert("RGB"))
    luma = colour.luma(decoded)
    change = library.enhance(luma, trained, quality=quality).picture - luma.astype(np.float32)
    by_luma = chroma.changed(decoded, [change * np.float32(own_pictures.LUMA_GAIN)])
    whole = library.enhance(decoded, trained, quality=quality, subsampling=SUBSAMPLINGS[subsampling]).picture
    before = peak_signal_noise_ratio(picture, decoded)
    yield peak_signal_noise_ratio(picture, by_luma) - before
    yield peak_signal_noise_ratio(picture, whole) - before
