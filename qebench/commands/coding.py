"""python -m compressors encode jpeg photo.png -q 10 -o photo.jpg

Encode and decode single images, or compress a prepared data set.
"""

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from qebench.coding import interface
from qebench.common import plugins


def main(arguments: list[str] | None = None) -> None:
    """Run one command of the compressors; see `python -m compressors --help`."""
    parser = argparse.ArgumentParser(prog="python -m compressors", description=__doc__, formatter_class=_Raw)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the compressors, their qualities and versions")

    encode = commands.add_parser("encode", help="one image to a bitstream")
    encode.add_argument("compressor")
    encode.add_argument("image", type=Path)
    encode.add_argument("-q", "--quality", type=int, required=True, help="on the codec's own scale; `list` shows it")
    encode.add_argument("-o", "--output", type=Path, required=True)
    encode.add_argument("--colour", choices=["luma", "rgb"], default="rgb", help="what is coded (default: rgb)")
    _add_settings(encode)

    decode = commands.add_parser("decode", help="one bitstream to a PNG image")
    decode.add_argument("compressor")
    decode.add_argument("bitstream", type=Path)
    decode.add_argument("-o", "--output", type=Path, required=True)
    _add_settings(decode)

    folder = commands.add_parser("folder", help="a prepared data set at one quality (used by the workflow)")
    folder.add_argument("compressor")
    folder.add_argument("manifest", type=Path, help="NAME.csv, beside its folder NAME/ of prepared images")
    folder.add_argument("-q", "--quality", type=int, required=True)
    folder.add_argument(
        "-o", "--output", type=Path, required=True, help="X.csv of bits, hashes and versions; images go to X/ beside it"
    )
    folder.add_argument("--workers", type=int, default=1)
    _add_settings(folder)

    options = parser.parse_args(arguments)
    try:
        {"list": _list, "encode": _encode, "decode": _decode, "folder": _folder}[options.command](options)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the compressor; `list` shows them",
    )


def _find(options: argparse.Namespace) -> tuple[ModuleType, Any]:
    """Return the chosen compressor and its settings; raise ValueError if either is unknown."""
    module = plugins.find("compressors", options.compressor)
    for choice in options.set:
        if "=" not in choice:
            raise ValueError(f"--set {choice} has no value: write NAME=VALUE")
    return module, interface.configure(module, dict(choice.split("=", 1) for choice in options.set))


def _list(options: argparse.Namespace) -> None:
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


def _encode(options: argparse.Namespace) -> None:
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


def _decode(options: argparse.Namespace) -> None:
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


def _folder(options: argparse.Namespace) -> None:
    from qebench.coding import processes

    processes.prepare(f"compressors.{options.compressor}")
    from qebench.coding import folder

    module, settings = _find(options)
    interface.check_quality(module, options.quality)
    folder.compress(module, options.quality, settings, options.manifest, options.output, options.workers)


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    main()
