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
from qebench.common import colour, images, quantisation
from qebench.datasets import originals
from qebench.networks import chroma, own_pictures

SUBSAMPLINGS = {"4:2:0": (2, 2), "4:4:4": (1, 1)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="a folder of uncompressed photographs (default: the demo)")
    parser.add_argument("--method", help="(default: that of `qebench enhance`)")
    parser.add_argument("--weights", default="jpeg", help="a file (default: those that ship for JPEG)")
    parser.add_argument("--qualities", type=int, nargs="+", default=[5, 10, 20, 30, 40, 50, 60, 75, 85, 90, 95])
    parser.add_argument("--crop", type=int, default=384, help="largest side of the centre crop, pixels (default: 384)")
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    from tabulate import tabulate

    if options.weights != "jpeg" and options.method is None:
        raise ValueError(f"{options.weights}: name its method by --method")
    device = arguments.device(options)
    luma = library.load(library.usual_method("jpeg"), "jpeg", device=device)
    trained = {
        name: library.load(options.method or library.usual_method("jpeg", rows > 1), options.weights, "jpeg", device)
        for name, (rows, _) in SUBSAMPLINGS.items()
    }
    protocol = originals.Protocol("rgb", options.crop)
    pictures = [originals.prepare(images.read(path), protocol) for path in originals.sources(options.data)]
    rows = []
    for quality in options.qualities:
        row: list[float] = [quality]
        for subsampling in SUBSAMPLINGS:
            networks = luma, trained[subsampling]
            alone, whole = np.transpose([list(gains(picture, *networks, quality, subsampling)) for picture in pictures])
            row += [alone.mean(), whole.mean(), whole.min()]
        rows.append(row)
    header = ["QF", *(f"{name}, {what}" for name in SUBSAMPLINGS for what in ("luma alone", "enhanced", "least"))]
    print(tabulate(rows, header, tablefmt="github", floatfmt="+.3f", intfmt="d"))
    print(f"\ndB of RGB PSNR, {len(pictures)} pictures; least: the smallest gain of a picture.")


def gains(
    picture: np.ndarray, by_luma: library.Trained, trained: library.Trained, quality: int, subsampling: str
) -> Iterator[float]:
    """Yield by how many dB a coded picture gets better: by its luma alone, from a luma network, then as enhanced."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    image = Image.open(file)
    steps, decoded = quantisation.of_file(image), np.asarray(image.convert("RGB"))
    assert steps is not None  # Pillow writes luma and chroma
    luma = colour.luma(decoded)
    change = library.enhance(luma, by_luma, quality=quality).picture - luma.astype(np.float32)
    change = quantisation.projected((change * own_pictures.LUMA_GAIN).astype(np.float16), steps.steps[0])
    alone = chroma.changed(decoded, [change])
    sampled = SUBSAMPLINGS[subsampling]
    whole = library.enhance(decoded, trained, quality=quality, subsampling=sampled, quantisation=steps).picture
    before = peak_signal_noise_ratio(picture, decoded)
    yield peak_signal_noise_ratio(picture, alone) - before
    yield peak_signal_noise_ratio(picture, whole) - before
