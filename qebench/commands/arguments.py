"""The arguments that several commands share, and what they mean."""

import argparse
import os
from pathlib import Path

from qebench.networks.thresholds import Threshold, threshold

Steps = argparse._SubParsersAction  # of argparse.ArgumentParser: what add_subparsers returns


def add_form(parser: argparse.ArgumentParser) -> None:
    """Add a method, the weights that decide its form, and the channels of its images."""
    parser.add_argument("method")
    parser.add_argument("--weights", type=Path, help="decide the form of the network (default: its first)")
    parser.add_argument("--channels", type=int, choices=[1, 3], default=1)


def add_decoded(parser: argparse.ArgumentParser) -> None:
    """Add the decoded pictures of a compressor, a manifest per quality."""
    parser.add_argument("--decoded", type=Path, nargs="+", required=True, help="QUALITY.csv, beside QUALITY/")


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """Add the originals of a data set, the decoded pictures of a compressor, and the names of both."""
    parser.add_argument("--originals", type=Path, required=True, help="X.csv, beside X/")
    add_decoded(parser)
    parser.add_argument("--keys", nargs=2, required=True, metavar=("DATASET", "COMPRESSOR"))


def add_iqam(parser: argparse.ArgumentParser) -> None:
    """Add --block-size and --iqam, the variant."""
    parser.add_argument("--block-size", type=int, choices=[4, 8], required=True, help="of the IQAM")
    parser.add_argument("--iqam", choices=["matlab", "powerqe"], default="matlab", help="variant (default: matlab)")


def add_size(parser: argparse.ArgumentParser) -> None:
    """Add --height and --width of an image, and the file to write."""
    parser.add_argument("--height", type=int, default=512, help="of the image, pixels (default: 512)")
    parser.add_argument("--width", type=int, default=512, help="of the image, pixels (default: 512)")
    parser.add_argument("-o", "--output", type=Path, required=True)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device and --threads, for `device`."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Add --precision of a network; its names are those of `networks.precision`, whose import takes seconds."""
    names = ["float32", "tf32", "bf16", "fp16"]
    parser.add_argument("--precision", choices=names, default="float32", help="of the network (default: float32)")


def device(options: argparse.Namespace) -> str:
    """Return the device to compute on, set to that many threads; errors as in `network.choose_device`."""
    from qebench.networks import loading

    return loading.choose_device(options.device, options.threads)


def thresholds(pairs: list[str]) -> dict[str, Threshold]:
    """Return the thresholds of early exit by compressor, from COMPRESSOR=T as on the command line.

    Raises ValueError for what is not of that form.
    """
    found = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            found[name] = threshold(value)
        except ValueError:
            raise ValueError(
                f"--thresholds {pair!r}: write COMPRESSOR=T, as jpeg=0.8 or hevc=0.95/0.88/0.79/0.78"
            ) from None
    return found
