"""The command for people's own pictures: enhance."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qebench.commands import arguments
from qebench.networks import thresholds

if TYPE_CHECKING:
    from qebench import library
    from qebench.commands.own_files import Item


def add_enhance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+", help="pictures, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a folder, or NAME.png for one picture")
    parser.add_argument("--recursive", action="store_true", help="also the sub-folders of folders")
    parser.add_argument("--strict", action="store_true", help="enhance nothing unless all can be")
    parser.add_argument("--force", action="store_true", help="also outside the qualities that the weights know")
    parser.add_argument(
        "--method",
        help="(default: pixelunet for JPEG, in 4:2:0 pixelunet-colour; else, or with own weights or exits, rbqe)",
    )
    parser.add_argument("--compressor", help="whose weights (default: jpeg for JPEG files, hevc for HEIC files)")
    parser.add_argument("--weights", type=Path, help="your own (default: those that ship)")
    parser.add_argument(
        "--threshold", type=thresholds.threshold, metavar="T[/T...]", help="of early exit (default: the compressor's)"
    )
    parser.add_argument("--rule", help="of early exit, of benchmarks/exit_rules/ (default: the compressor's)")
    parser.add_argument("--exit", type=int, help="always take this exit")
    parser.add_argument(
        "--strength", type=_strength, default=1.0, metavar="0..1", help="how far from the decoded picture (default: 1)"
    )
    arguments.add_device(parser)


def run_enhance(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from qebench.commands import own_files

    items = own_files.survey(options.inputs, options.output, options.recursive, options.compressor)
    ready, refused = [item for item in items if not item.reason], [item for item in items if item.reason]
    if refused and (options.strict or not ready):
        raise ValueError(refused[0].reason + (f" (and {len(refused) - 1} others)" if len(refused) > 1 else ""))
    if refused:
        print(f"{len(refused)} of {len(items)} cannot be enhanced:", file=sys.stderr)
        print("\n".join(f"  {item.reason}" for item in refused), file=sys.stderr)
    device = arguments.device(options)
    kinds = [(item.compressor, _method(item, options)) for item in ready]
    trained = {kind: _load(options, *kind, device) for kind in dict.fromkeys(kinds)}
    for item, kind in zip(tqdm(ready, unit="picture", disable=None), kinds, strict=True):
        tqdm.write(_enhance(item, trained[kind], options))
    if refused:
        raise ValueError(f"{len(refused)} of {len(items)} were not enhanced, for the reasons above")


def _method(item: "Item", options: argparse.Namespace) -> str:
    """Return the method for a picture: the one that was asked for, else RBQE for its exits, else what gains most."""
    from qebench import library

    by_exits = options.exit is not None or options.rule or options.threshold is not None
    if options.method or by_exits or options.weights:
        return options.method or library.USUAL
    return library.usual_method(item.compressor, item.halved)


def _load(options: argparse.Namespace, compressor: str, method: str, device: str) -> "library.Trained":
    from dataclasses import replace

    from qebench import library

    trained = library.load(method, options.weights or compressor, compressor, device, options.rule)
    count = trained.network.exit_count
    if options.exit is not None and not 1 <= options.exit <= count:
        raise ValueError(f"{method} has no exit {options.exit}: choose 1 to {count}")
    if options.threshold is not None:
        trained = replace(trained, rule=replace(trained.rule, name="iqam", settings=options.threshold))
        thresholds.per_exit(options.threshold, count)
    return trained


def _enhance(item: "Item", trained: "library.Trained", options: argparse.Namespace) -> str:
    """Write one picture, enhanced or as it is, and return the line that says which."""
    from tqdm import tqdm

    from qebench import library
    from qebench.common import files, images
    from qebench.networks.outputs import WrongOutput

    picture = images.load(item.source)
    if picture.remark:
        tqdm.write(picture.remark, file=sys.stderr)
    told, outside, quality = _judge(item, trained)
    if outside and not options.force:
        images.write(item.output, picture.pixels, picture.about)
        return f"{item.source} -> {item.output}: {told}, left as it is: {outside} (--force enhances all the same)"
    try:
        result = library.enhance(
            picture.pixels,
            trained,
            options.exit,
            options.strength,
            _count_tiles,
            quality=quality,
            subsampling=picture.subsampling,
            quantisation=picture.quantisation if item.compressor == "jpeg" else None,
        )
    except WrongOutput as error:
        raise ValueError(f"{trained.network.name}, image {files.named(item.source)}: {error}") from error
    images.write(item.output, result.picture, picture.about)
    scores = ", ".join(f"{score:.3f}" for score in result.scores)
    several = f", exit {result.exit}" if trained.network.exit_count > 1 else ""
    told = (f"{told}, " if told else "") + trained.network.name + several
    return f"{item.source} -> {item.output}: {told}" + (f", scores {scores}" if scores else "")


def _judge(item: "Item", trained: "library.Trained") -> tuple[str, str, float | None]:
    """Return the quality of a file in words, why the weights are not for it ("" if they are), and the quality.

    Warns on stderr if the file, or the weights, do not tell.
    """
    from tqdm import tqdm

    from qebench.coding import interface
    from qebench.common import files

    known = trained.trained_on
    if known is None:
        tqdm.write(
            f"warning: the weights for {files.named(item.source)} do not tell which qualities they are for: "
            "they may make it worse",
            file=sys.stderr,
        )
        return "", "", None
    name, quality = interface.quality_of_file(known.compressor, item.source)
    span = f"the weights are for {name} {known.lowest:g} to {known.highest:g}"
    if quality is None:
        tqdm.write(
            f"warning: {files.named(item.source)} does not tell its {name}, and {span}: they may make it worse",
            file=sys.stderr,
        )
        return "", "", None
    return f"{name} {quality:.3g}", "" if known.lowest <= quality <= known.highest else span, quality


def _count_tiles(tiles: list) -> Iterable:
    from tqdm import tqdm

    return tqdm(tiles, unit="tile", leave=False, disable=None) if len(tiles) > 1 else tiles


def _strength(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number from 0 (the decoded picture) to 1")
    return value
