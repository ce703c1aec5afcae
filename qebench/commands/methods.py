"""python -m methods enhance photo.jpg -o enhanced.png

List the methods, enhance pictures, train a method, or take over official weights.
"""

import argparse
import os
import sys
from pathlib import Path

from qebench.common import memory, plugins
from qebench.networks import thresholds


def main(arguments: list[str] | None = None) -> None:
    """Run one command of the methods; see `python -m methods --help`."""
    parser = argparse.ArgumentParser(
        prog="python -m methods", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the methods, their forms, parameters, exits, weights and sources")

    own_pictures = commands.add_parser("enhance", help="your own pictures")
    own_pictures.add_argument("inputs", type=Path, nargs="+", help="pictures, or folders of them")
    own_pictures.add_argument("-o", "--output", type=Path, required=True, help="a folder, or NAME.png for one picture")
    own_pictures.add_argument("--method", default="rbqe")
    own_pictures.add_argument("--compressor", help="whose weights (default: jpeg for JPEG files, hevc for HEIC files)")
    own_pictures.add_argument("--weights", type=Path, help="your own (default: those that ship)")
    own_pictures.add_argument(
        "--threshold", type=thresholds.threshold, metavar="T[/T...]", help="of early exit (default: the compressor's)"
    )
    own_pictures.add_argument("--exit", type=int, help="always take this exit")
    _add_device(own_pictures)

    command = commands.add_parser("train", help="train a method, blind over the qualities of one compressor")
    command.add_argument("method")
    command.add_argument("--protocol", default="default", help="of workflow/recipes/: settings and kind of pictures")
    _add_pairs(command)
    command.add_argument(
        "--validation", type=Path, nargs="+", required=True, help="folders of other pictures, or a pack"
    )
    command.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    command.add_argument("--form", help="of the network, as in `python -m methods list` (default: the protocol's)")
    command.add_argument("--initial", type=Path, help="weights to start from, e.g. those for another compressor")
    command.add_argument("--licence", help="of the training pictures, for the model card")
    command.add_argument("--budget", type=float, help="minutes: stop then with status 75; the same command goes on")
    _add_device(command)
    command.set_defaults(threads=None)  # all cores, shared by the processes of torchrun
    command.add_argument("-o", "--output", type=Path, required=True, help="weights, .safetensors")
    settings = command.add_argument_group("settings", "in place of the protocol's")
    settings.add_argument("--steps", type=int)
    settings.add_argument("--batch", type=int, help="crops per step, of all processes together")
    settings.add_argument("--patch", type=int, help="side of a crop, a multiple of 32")
    settings.add_argument("--learning-rate", type=float)
    settings.add_argument("--warmup", type=int, help="steps")
    settings.add_argument("--ema", type=float, help="decay of the weights' average")
    settings.add_argument("--clip", type=float, help="largest norm of the gradient")
    settings.add_argument("--loss", choices=["relative", "mse", "charbonnier"], help="relative: to the decoded crop's")
    settings.add_argument("--optimizer", choices=["adam", "muon"], help="methods/optimizers.py")
    settings.add_argument("--exit-weights", choices=["paper", "raised", "equal"], help="of the loss: methods/losses.py")
    settings.add_argument("--half", action=argparse.BooleanOptionalAction, help="bfloat16 where it is faster")
    settings.add_argument("--seed", type=int)

    pack = commands.add_parser("pack", help="compress pictures into one small file to train with elsewhere")
    pack.add_argument("--protocol", default="default", help="of workflow/recipes/: kind of pictures")
    _add_pairs(pack)
    pack.add_argument("--threads", type=int, default=os.cpu_count())
    pack.add_argument("-o", "--output", type=Path, required=True, help=".zip, to be given as --data or --validation")

    export = commands.add_parser("export", help="copy weights to ship: in less room if harmless, card and curves")
    export.add_argument("weights", type=Path)
    export.add_argument("--validation", type=Path, nargs="+", required=True, help="folders of pictures, or a pack")
    export.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    export.add_argument(
        "--blend", nargs=2, metavar=("FILE", "SHARE"), help="average with other weights, such as those it started from"
    )
    _add_device(export)
    export.add_argument("-o", "--output", type=Path, required=True, help="METHOD-COLOUR-COMPRESSOR.safetensors")

    curves = commands.add_parser("curves", help="draw the validation gains of training runs")
    curves.add_argument("tables", type=Path, nargs="+", help="X.safetensors.csv, as training writes them")
    curves.add_argument("-o", "--output", type=Path, required=True, help="folder, in which figures are X.png")

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


def _add_pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--compressor", required=True)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--qualities", type=int, nargs="+", help="from best to worst (default: 50..10 or 22..42)")
    chosen.add_argument("--quality", type=int, help="one only: not blind")
    parser.add_argument("--colour", choices=["luma", "rgb"], help="(default: the protocol's)")
    parser.add_argument("--varied", action="store_true", help="add a softened or grainy copy of every picture")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of pictures, or a pack")


def _list(options: argparse.Namespace) -> None:
    from qebench.checkpoints import catalogue

    print(catalogue.table())
    print("\nweights: methods/weights/METHOD-....safetensors")


def _import(options: argparse.Namespace) -> None:
    from qebench.checkpoints import cards, conversion

    conversion.convert(options.file, options.method, options.output)
    print(cards.card(options.output))


def _enhance(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from qebench.common import images
    from qebench.datasets import originals
    from qebench.networks import loading, own_pictures

    nested = [originals.sources(path) if path.is_dir() else [path] for path in options.inputs]
    sources = [path for paths in nested for path in paths]
    outputs = _outputs(sources, options.output)
    device = loading.choose_device(options.device, options.threads)
    models: dict[str, tuple] = {}
    for source, output in tqdm(list(zip(sources, outputs, strict=True)), unit="picture", disable=None):
        compressor = options.compressor or _compressor(source, images.container(source))
        if compressor not in models:
            models[compressor] = _model(options, compressor, device)
        model, (block_size, variant, threshold) = models[compressor]
        threshold = threshold if options.threshold is None else options.threshold
        result = own_pictures.enhance(model, images.read(source), block_size, threshold, options.exit, device, variant)
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
    """Return the network for a compressor, and how its exits are chosen: block size, variant and threshold."""
    from qebench import config
    from qebench.checkpoints import catalogue
    from qebench.networks import loading

    plugins.check("methods", options.method)
    named = [f"{options.method}-{colour}-{compressor}.safetensors" for colour in ("luma", "rgb")]
    shipped = next((path for name in named if (path := catalogue.WEIGHTS / name).exists()), None)
    weights = options.weights or shipped
    settings = config.preset("rgb") if shipped and shipped.name == named[1] else config.default()
    judged = [name for name, entry in settings["compressors"].items() if "threshold" in entry]
    if compressor not in judged:
        raise ValueError(f"compressor {compressor!r}: weights ship for {', '.join(judged)}")
    load = plugins.find("methods", options.method).load
    model = load(weights, device)
    if weights is None and loading.is_random(model, load):
        raise ValueError(
            f"no weights of {options.method} for {compressor} ship: name a file by --weights; "
            "methods/weights/README.md says where to get one and how to train it"
        )
    entry = settings["compressors"][compressor]
    return loading.prepare(model), (entry["iqam_block_size"], settings["protocol"]["iqam"], entry["threshold"])


def _train(options: argparse.Namespace) -> None:
    from qebench.training import command

    command.run(options)


def _pack(options: argparse.Namespace) -> None:
    from qebench.training import command, packs, pair_sources, recipes

    recipe = recipes.read(options.protocol)
    colour, varied = options.colour or recipe.colour, options.varied or recipe.varied
    wanted = pair_sources.Recipe(
        options.data, options.compressor, command.qualities(options), colour, varied, recipe.scale
    )
    packs.pack(wanted, options.threads, options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


def _blend(file: str, share: str) -> tuple[Path, float]:
    try:
        return Path(file), float(share)
    except ValueError:
        raise ValueError(f"--blend {file} {share}: the share is a number between 0 and 1, such as 0.3") from None


def _export(options: argparse.Namespace) -> None:
    from qebench.checkpoints import cards
    from qebench.networks import loading
    from qebench.training import export

    device = loading.choose_device(options.device, options.threads)
    blend = _blend(*options.blend) if options.blend else None
    export.export(options.weights, options.validation, options.output, options.pairs, device, options.threads, blend)
    print(cards.card(options.output))


def _curves(options: argparse.Namespace) -> None:
    from qebench.training import curves

    for table in options.tables:
        curves.write(table, options.output / f"{table.name.removesuffix('.csv').removesuffix('.safetensors')}.png")


def _card(options: argparse.Namespace) -> None:
    from qebench.checkpoints import cards

    print("\n\n".join(cards.card(path) for path in options.weights))


if __name__ == "__main__":
    memory.settle()
    main()
