"""The commands of codecs: encode, decode, compressors; the step compress."""

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

from qebench.coding import interface
from qebench.common import plugins


def add_encode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("compressor")
    parser.add_argument("image", type=Path)
    parser.add_argument("-q", "--quality", type=int, required=True, help="QP or QF: see `qebench compressors`")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--colour", choices=["luma", "rgb"], default="rgb", help="what is coded (default: rgb)")
    _add_settings(parser)


def add_decode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("compressor")
    parser.add_argument("bitstream", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    _add_settings(parser)


def add_compress(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("compressor")
    parser.add_argument("manifest", type=Path, help="NAME.csv, beside its folder NAME/ of prepared images")
    parser.add_argument("-q", "--quality", type=int, required=True)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="X.csv of bits, hashes and versions; images go to X/ beside it"
    )
    parser.add_argument("--workers", type=int, default=1)
    _add_source(parser)
    _add_settings(parser)


def add_compressors(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""


def _add_source(command: argparse.ArgumentParser) -> None:
    """Add what `coding.Source` is made of; without --source the prepared images themselves are coded."""
    group = command.add_argument_group("coding otherwise than prepared")
    group.add_argument("--source", help="the folder that the images were prepared from, or demo")
    group.add_argument("--coded", choices=["luma", "colour"], default="luma", help="(default: luma)")
    group.add_argument("--cropped", choices=["before", "after"], default="before", help="coding (default: before)")
    group.add_argument("--colour", choices=["luma", "rgb"], default="luma", help="of the images (default: luma)")
    group.add_argument("--crop", type=int, help="of the images (default: none)")
    group.add_argument("--scale", type=int, default=1, help="of the images (default: 1)")


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the compressor; `qebench compressors` shows them",
    )


def _find(options: argparse.Namespace) -> tuple[ModuleType, Any]:
    """Return the chosen compressor and its settings; raise ValueError if either is unknown."""
    module = plugins.find("compressors", options.compressor)
    for choice in options.set:
        if "=" not in choice:
            raise ValueError(f"--set {choice} has no value: write NAME=VALUE")
    return module, interface.configure(module, dict(choice.split("=", 1) for choice in options.set))


def run_compressors(options: argparse.Namespace) -> None:
    from tabulate import tabulate

    rows = []
    for name in plugins.names("compressors"):
        module = plugins.find("compressors", name)
        span = f"{module.QUALITY} {module.QUALITIES[0]}..{module.QUALITIES[-1]}"
        settings = " ".join(f"{key}={value}" for key, value in interface.choices(module.Settings()).items())
        try:
            version = module.version()
        except FileNotFoundError as error:
            version = str(error)
        rows.append([name, span, plugins.summary("compressors", name), version, settings])
    header = ["name", "quality", "what", "version", "settings"]
    print(tabulate(rows, header, "simple", maxcolwidths=[None, None, 36, 80, 24]))


def run_encode(options: argparse.Namespace) -> None:
    from qebench.common import files, images
    from qebench.datasets import originals

    module, settings = _find(options)
    interface.check_quality(module, options.quality)
    image = originals.prepare(images.read(options.image), originals.Protocol(options.colour, None, 1))
    bitstream, told = interface.encoded(module, image, options.quality, settings)
    with files.replacing(options.output) as path:
        path.write_bytes(bitstream)
    bits = 8 * len(bitstream)
    print(
        f"{bits} bits ({bits / image.shape[0] / image.shape[1]:.4f} bpp), {module.version(settings)}"
        + (f"; the encoder itself: {told}" if told else "")
    )


def run_decode(options: argparse.Namespace) -> None:
    from qebench.common import images

    module, settings = _find(options)
    bitstream = options.bitstream.read_bytes()
    try:
        image = module.decode(bitstream, settings)
    except ValueError as error:
        raise ValueError(f"{options.bitstream}: {error}") from None
    images.write(options.output, image)
    bits = 8 * len(bitstream)
    print(f"{bits} bits ({bits / image.shape[0] / image.shape[1]:.4f} bpp), {module.version(settings)}")


def run_compress(options: argparse.Namespace) -> None:
    from qebench.coding import processes

    processes.prepare(f"compressors.{options.compressor}")
    from qebench.coding import folder

    module, settings = _find(options)
    interface.check_quality(module, options.quality)
    source = None
    if options.source is not None:
        from qebench.coding import coded
        from qebench.datasets import originals

        protocol = originals.Protocol(options.colour, options.crop, options.scale)
        place = None if options.source == "demo" else Path(options.source)
        source = coded.Source(place, coded.Coding(protocol, options.coded, options.cropped))
    folder.compress(module, options.quality, settings, options.manifest, options.output, options.workers, source)
