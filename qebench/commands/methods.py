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
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--validation", type=Path, nargs="+", help="folders of pictures, or a pack")
    kind.add_argument("--onnx", action="store_true", help="write an ONNX file instead, for any program to run")
    parser.add_argument(
        "--int8",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="ONNX in 8-bit integers, whose ranges these pictures show",
    )
    parser.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    parser.add_argument(
        "--blend", nargs=2, metavar=("FILE", "SHARE"), help="average with other weights, such as those it started from"
    )
    arguments.add_device(parser)
    name = "METHOD-COLOUR-COMPRESSOR.safetensors, or X.onnx"
    parser.add_argument("-o", "--output", type=Path, required=True, help=name)


def run_export(options: argparse.Namespace) -> None:
    from qebench.checkpoints import cards
    from qebench.training import export

    if options.int8 and not options.onnx:
        raise ValueError("--int8 is for ONNX files: add --onnx")
    if options.onnx:
        _export_onnx(options)
        return
    device = arguments.device(options)
    blend = _blend(*options.blend) if options.blend else None
    export.export(options.weights, options.validation, options.output, options.pairs, device, options.threads, blend)
    print(cards.card(options.output))


def _export_onnx(options: argparse.Namespace) -> None:
    from qebench.networks import onnx_export
    from qebench.training import export

    method = export.method_of(options.weights.stem)
    difference = onnx_export.export(method, options.weights, options.output)
    print(f"{options.output}: opset {onnx_export.OPSET}, at most {difference:.1g} from PyTorch's images")
    if options.int8:
        from qebench.training import onnx_pictures

        print(onnx_pictures.quantize(options.weights, options.output, options.int8, options.pairs, options.threads))


def _blend(file: str, share: str) -> tuple[Path, float]:
    try:
        return Path(file), float(share)
    except ValueError:
        raise ValueError(f"--blend {file} {share}: the share is a number between 0 and 1, such as 0.3") from None
