"""python -m methods enhance photo.jpg -o enhanced.png

List the methods, enhance pictures, train a method, or take over official weights.
"""

import argparse
import os
import sys
from pathlib import Path

import compressors
from benchmarks import allocator, plugins


def main(arguments: list[str] | None = None) -> None:
    """Run one command of the methods; see `python -m methods --help`."""
    parser = argparse.ArgumentParser(
        prog="python -m methods", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the methods, their forms, parameters, exits, weights and sources")

    enhance = commands.add_parser("enhance", help="your own pictures")
    enhance.add_argument("inputs", type=Path, nargs="+", help="pictures, or folders of them")
    enhance.add_argument("-o", "--output", type=Path, required=True, help="a folder, or NAME.png for one picture")
    enhance.add_argument("--method", default="rbqe")
    enhance.add_argument("--compressor", help="whose weights (default: jpeg for JPEG files, hevc for HEIC files)")
    enhance.add_argument("--weights", type=Path, help="your own (default: those that ship)")
    enhance.add_argument("--threshold", type=float, help="of early exit (default: the compressor's)")
    enhance.add_argument("--exit", type=int, help="always take this exit")
    _add_device(enhance)

    train = commands.add_parser("train", help="train a method, blind over the qualities of one compressor")
    train.add_argument("method")
    train.add_argument("--compressor", required=True)
    train.add_argument("--qualities", type=int, nargs="+", help="from best to worst (default: 50..10 or 22..42)")
    train.add_argument("--data", type=Path, nargs="+", required=True, help="folders of pictures to train on")
    train.add_argument("--validation", type=Path, nargs="+", required=True, help="folders of other pictures")
    train.add_argument("--colour", choices=["luma", "rgb"], default="luma")
    train.add_argument("--varied", action="store_true", help="train on a softened or grainy copy of every picture, too")
    train.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    train.add_argument("--steps", type=int, default=20_000)
    train.add_argument("--batch", type=int, default=16, help="crops per step")
    train.add_argument("--patch", type=int, default=64, help="side of a crop, a multiple of 32")
    train.add_argument("--learning-rate", type=float, default=1e-3)
    train.add_argument("--initial", type=Path, help="weights to start from, e.g. those for another compressor")
    train.add_argument("--warmup", type=int, default=200, help="steps")
    train.add_argument("--ema", type=float, default=0.999, help="decay of the weights' average")
    train.add_argument("--equal-exits", action="store_true", help="weigh all exits alike, not as the paper does")
    train.add_argument("--seed", type=int, default=0)
    _add_device(train)
    train.add_argument("-o", "--output", type=Path, required=True, help="weights, .safetensors")

    convert = commands.add_parser("import", help="convert official weights to safetensors, with a model card beside")
    convert.add_argument("file", type=Path, help=".pt, .pth, .ckpt, .mat (MatConvNet) or .safetensors")
    convert.add_argument("--method", required=True)
    convert.add_argument("-o", "--output", type=Path, required=True, help="X.safetensors; the card goes to X.md")

    card = commands.add_parser("card", help="print the history that a weights file of ours carries")
    card.add_argument("weights", type=Path, nargs="+")

    options = parser.parse_args(arguments)
    try:
        globals()[f"_{options.command}"](options)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")


def _list(options: argparse.Namespace) -> None:
    from methods import catalogue

    print(catalogue.table())
    print("\nweights: methods/weights/METHOD-....safetensors")


def _import(options: argparse.Namespace) -> None:
    from methods import cards, conversion

    conversion.convert(options.file, options.method, options.output)
    print(cards.card(options.output))


def _enhance(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from benchmarks import datasets, images
    from methods import enhance, network

    nested = [datasets.sources(path) if path.is_dir() else [path] for path in options.inputs]
    sources = [path for paths in nested for path in paths]
    outputs = _outputs(sources, options.output)
    device = network.choose_device(options.device, options.threads)
    models: dict[str, tuple] = {}
    for source, output in tqdm(list(zip(sources, outputs, strict=True)), unit="picture", disable=None):
        compressor = options.compressor or _compressor(source, images.container(source))
        if compressor not in models:
            models[compressor] = _model(options, compressor, device)
        model, settings = models[compressor]
        threshold = settings["threshold"] if options.threshold is None else options.threshold
        result = enhance.enhance(
            model, images.read(source), settings["iqam_block_size"], threshold, options.exit, device
        )
        images.write(output, result.picture)
        scores = ", ".join(f"{score:.3f}" for score in result.scores)
        tqdm.write(f"{source} -> {output}: exit {result.exit}" + (f", scores {scores}" if scores else ""))


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


def _model(options: argparse.Namespace, compressor: str, device: str) -> tuple:
    """Return the network for a compressor, and the compressor's settings in the default configuration."""
    import torch

    from benchmarks import config

    default = config.default()
    if compressor not in default["compressors"]:
        raise ValueError(f"compressor {compressor!r}: weights ship for {', '.join(default['compressors'])}")
    plugins.check("methods", options.method)
    shipped = config.weights(default, options.method, compressor)
    weights = options.weights or (plugins.ROOT / shipped[0] if shipped else None)
    model = plugins.find("methods", options.method).load(weights, device)
    return model.to(memory_format=torch.channels_last), default["compressors"][compressor]


def _train(options: argparse.Namespace) -> None:
    import torch

    from methods import network, training

    plugins.check("methods", options.method)
    if options.output.suffix != ".safetensors":
        raise ValueError(f"{options.output}: weights are written as .safetensors, so the name must end so")
    device = network.choose_device(options.device, options.threads)
    settings = training.Settings(
        options.steps,
        options.batch,
        options.patch,
        options.learning_rate,
        options.warmup,
        options.ema,
        seed=options.seed,
        equal_exits=options.equal_exits,
    )
    training_pairs = _pairs(options, options.data, options.varied)
    validation_pairs = _pairs(options, options.validation)
    torch.manual_seed(options.seed)
    model = plugins.find("methods", options.method).load(None, "cpu")
    training.train(model, training_pairs, validation_pairs, settings, options.output, device, options.initial)
    _card(argparse.Namespace(weights=[options.output]))


def _pairs(options: argparse.Namespace, folders: list[Path], varied: bool = False):
    """Return the pairs of folders, compressed now or, if their pictures are the same, at an earlier call."""
    from methods import pairs

    module = plugins.find("compressors", options.compressor)
    qualities = options.qualities or pairs.QUALITIES[module.QUALITY]
    for quality in qualities:
        compressors.check_quality(module, quality)
    recipe = pairs.Recipe(folders, options.compressor, qualities, options.colour, varied)
    return pairs.cached(recipe, options.threads, options.pairs)


def _card(options: argparse.Namespace) -> None:
    from methods import cards

    print("\n\n".join(cards.card(path) for path in options.weights))


if __name__ == "__main__":
    allocator.settle()
    main()
