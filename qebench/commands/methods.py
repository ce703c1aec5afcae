"""The commands of methods and their weights: methods, import, card, export."""

import argparse
from pathlib import Path

from qebench.commands import arguments


def add_methods(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""


def run_methods(options: argparse.Namespace) -> None:
    from qebench.networks import catalogue

    print(catalogue.table())
    print("\nweights: methods/weights/METHOD-....safetensors")


def add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help=".pt, .pth, .ckpt, .mat (MatConvNet) or .safetensors")
    parser.add_argument("--method", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="X.safetensors; the card goes to X.md")


def run_import(options: argparse.Namespace) -> None:
    from qebench.checkpoints import cards
    from qebench.networks import conversion

    conversion.convert(options.file, options.method, options.output)
    print(cards.card(options.output))


def add_card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, nargs="+")


def run_card(options: argparse.Namespace) -> None:
    from qebench.checkpoints import cards

    print("\n\n".join(cards.card(path) for path in options.weights))


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path)
    parser.add_argument("--validation", type=Path, nargs="+", required=True, help="folders of pictures, or a pack")
    parser.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    parser.add_argument(
        "--blend", nargs=2, metavar=("FILE", "SHARE"), help="average with other weights, such as those it started from"
    )
    arguments.add_device(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="METHOD-COLOUR-COMPRESSOR.safetensors")


def run_export(options: argparse.Namespace) -> None:
    from qebench.checkpoints import cards
    from qebench.training import export

    device = arguments.device(options)
    blend = _blend(*options.blend) if options.blend else None
    export.export(options.weights, options.validation, options.output, options.pairs, device, options.threads, blend)
    print(cards.card(options.output))


def _blend(file: str, share: str) -> tuple[Path, float]:
    try:
        return Path(file), float(share)
    except ValueError:
        raise ValueError(f"--blend {file} {share}: the share is a number between 0 and 1, such as 0.3") from None
