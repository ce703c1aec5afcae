"""The command for people's own pictures: enhance."""

import argparse
import sys
from pathlib import Path

from qebench.commands import arguments
from qebench.networks import thresholds


def add_enhance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+", help="pictures, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a folder, or NAME.png for one picture")
    parser.add_argument("--method", default="rbqe")
    parser.add_argument("--compressor", help="whose weights (default: jpeg for JPEG files, hevc for HEIC files)")
    parser.add_argument("--weights", type=Path, help="your own (default: those that ship)")
    parser.add_argument(
        "--threshold", type=thresholds.threshold, metavar="T[/T...]", help="of early exit (default: the compressor's)"
    )
    parser.add_argument("--rule", help="of early exit, of benchmarks/exit_rules/ (default: the compressor's)")
    parser.add_argument("--exit", type=int, help="always take this exit")
    arguments.add_device(parser)


def run_enhance(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from tqdm import tqdm

    from qebench import library
    from qebench.common import images
    from qebench.datasets import originals
    from qebench.networks.outputs import WrongOutput

    nested = [originals.sources(path) if path.is_dir() else [path] for path in options.inputs]
    sources = [path for paths in nested for path in paths]
    outputs = _outputs(sources, options.output)
    device = arguments.device(options)
    loaded: dict[str, library.Trained] = {}
    for source, output in tqdm(list(zip(sources, outputs, strict=True)), unit="picture", disable=None):
        compressor = options.compressor or _compressor(source, images.container(source))
        if compressor not in loaded:
            weights = options.weights or compressor
            loaded[compressor] = library.load(options.method, weights, compressor, device, options.rule)
        trained = loaded[compressor]
        if options.threshold is not None:
            trained = replace(trained, rule=replace(trained.rule, name="iqam", settings=options.threshold))
        picture = images.load(source)
        if picture.remark:
            tqdm.write(picture.remark, file=sys.stderr)
        try:
            quality = _quality(source, compressor)
            result = library.enhance(picture.pixels, trained, options.exit, quality=quality)
        except WrongOutput as error:
            raise ValueError(f"{options.method}, image {source}: {error}") from error
        images.write(output, result.picture, picture.about)
        scores = ", ".join(f"{score:.3f}" for score in result.scores)
        tqdm.write(f"{source} -> {output}: exit {result.exit}" + (f", scores {scores}" if scores else ""))


def _quality(source: Path, compressor: str) -> float | None:
    """Return the codec's quality of a picture, if the codec reads it from the file; None otherwise."""
    from qebench.common import plugins

    read = getattr(plugins.find("compressors", compressor), "quality_of_file", None)
    return read(source) if read else None


def _compressor(source: Path, container: str) -> str:
    """Return the compressor whose weights suit a picture file of this format."""
    try:
        return {"JPEG": "jpeg", "HEIF": "hevc"}[container]
    except KeyError:
        raise ValueError(f"{source} is {container}, which does not tell what compressed it: add --compressor") from None


def _outputs(sources: list[Path], output: Path) -> list[Path]:
    """Return a PNG path per source; raise ValueError if two would be one."""
    if output.suffix.lower() == ".png":
        if len(sources) > 1:
            raise ValueError(f"{output} is one file, but there are {len(sources)} pictures: name a folder")
        return [output]
    outputs = [output / f"{source.stem}.png" for source in sources]
    for source, path in zip(sources, outputs, strict=True):
        if outputs.count(path) > 1:
            raise ValueError(f"two pictures would be written as {path}: rename {source}")
        if path.resolve() == source.resolve():
            raise ValueError(f"{path} is the picture itself: name another folder")
    return outputs
