"""python -m compressors encode jpeg photo.png -q 10 -o photo.jpg

Encode and decode single images, or compress a prepared data set.
"""

import argparse
import sys
from pathlib import Path

import compressors
from benchmarks import plugins


def main(arguments: list[str] | None = None) -> None:
    """Run one command of the compressors; see `python -m compressors --help`."""
    parser = argparse.ArgumentParser(prog="python -m compressors", description=__doc__, formatter_class=_Raw)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the compressors, their qualities and versions")

    encode = commands.add_parser("encode", help="one image to a bitstream")
    encode.add_argument("compressor")
    encode.add_argument("image", type=Path)
    encode.add_argument("-q", "--quality", type=int, required=True, help="QP or QF")
    encode.add_argument("-o", "--output", type=Path, required=True)
    encode.add_argument("--colour", choices=["luma", "rgb"], default="rgb", help="what is coded (default: rgb)")

    decode = commands.add_parser("decode", help="one bitstream to a PNG image")
    decode.add_argument("compressor")
    decode.add_argument("bitstream", type=Path)
    decode.add_argument("-o", "--output", type=Path, required=True)

    folder = commands.add_parser("folder", help="a prepared data set at one quality (used by the workflow)")
    folder.add_argument("compressor")
    folder.add_argument("manifest", type=Path, help="NAME.csv, beside its folder NAME/ of prepared images")
    folder.add_argument("-q", "--quality", type=int, required=True)
    folder.add_argument(
        "-o", "--output", type=Path, required=True, help="X.csv of bits, hashes and versions; images go to X/ beside it"
    )
    folder.add_argument("--workers", type=int, default=1)

    options = parser.parse_args(arguments)
    try:
        {"list": _list, "encode": _encode, "decode": _decode, "folder": _folder}[options.command](options)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")


def find(name: str, quality: int):
    """Return the compressor module `name`; raise ValueError if it is unknown or does not take `quality`."""
    module = plugins.find("compressors", name)
    compressors.check_quality(module, quality)
    return module


def _list(options: argparse.Namespace) -> None:
    from tabulate import tabulate

    rows = []
    for name in plugins.names("compressors"):
        module = plugins.find("compressors", name)
        span = f"{module.QUALITY} {module.QUALITIES[0]}..{module.QUALITIES[-1]}"
        rows.append([name, span, module.version(), plugins.summary("compressors", name)])
    print(tabulate(rows, ["name", "quality", "version", "what"], "simple"))


def _encode(options: argparse.Namespace) -> None:
    from benchmarks import datasets, files, images

    module = find(options.compressor, options.quality)
    image = datasets.prepare(images.read(options.image), datasets.Protocol(options.colour, None, 1))
    bitstream = module.encode(image, options.quality)
    with files.replacing(options.output) as path:
        path.write_bytes(bitstream)
    bits = 8 * len(bitstream)
    print(f"{bits} bits ({bits / image.shape[0] / image.shape[1]:.4f} bpp), {module.version()}")


def _decode(options: argparse.Namespace) -> None:
    from benchmarks import images

    module = plugins.find("compressors", options.compressor)
    bitstream = options.bitstream.read_bytes()
    try:
        image = module.decode(bitstream)
    except ValueError as error:
        raise ValueError(f"{options.bitstream}: {error}") from None
    images.write(options.output, image)
    print(f"{8 * len(bitstream)} bits, {module.version()}")


def _folder(options: argparse.Namespace) -> None:
    from compressors import folder

    module = find(options.compressor, options.quality)
    folder.compress(module, options.quality, options.manifest, options.output, options.workers)


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    main()
