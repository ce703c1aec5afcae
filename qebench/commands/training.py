"""The commands of training: train, pack, curves."""

import argparse
import os
from pathlib import Path

from qebench.commands import arguments


def add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", help="or an entry of the protocol, as rbqe-raised of `ranking`")
    parser.add_argument("--protocol", default="default", help="of workflow/recipes/: settings and kind of pictures")
    _add_pairs(parser)
    parser.add_argument(
        "--validation", type=Path, nargs="+", required=True, help="folders of other pictures, or a pack"
    )
    parser.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    parser.add_argument("--form", help="of the network, as in `qebench methods` (default: the protocol's)")
    parser.add_argument(
        "--initial", type=Path, help="weights to start from: for another compressor, or for luma to learn RGB"
    )
    parser.add_argument("--licence", help="of the training pictures, for the model card")
    parser.add_argument("--budget", type=float, help="minutes: stop then with status 75; the same command goes on")
    arguments.add_device(parser)
    parser.set_defaults(threads=None)  # all cores, shared by the processes of torchrun
    parser.add_argument("-o", "--output", type=Path, required=True, help="weights, .safetensors")
    settings = parser.add_argument_group("settings", "in place of the protocol's")
    settings.add_argument("--steps", type=int)
    settings.add_argument("--batch", type=int, help="crops per step, of all processes together")
    settings.add_argument("--patch", type=int, help="side of a crop, a multiple of 32")
    settings.add_argument("--learning-rate", type=float)
    settings.add_argument("--warmup", type=int, help="steps")
    settings.add_argument("--ema", type=float, help="decay of the weights' average")
    settings.add_argument("--clip", type=float, help="largest norm of the gradient")
    settings.add_argument("--loss", choices=["relative", "mse", "charbonnier"], help="relative: to the decoded crop's")
    settings.add_argument("--optimizer", choices=["adam", "muon"], help="qebench/training/optimizers.py")
    settings.add_argument("--exit-weights", choices=["paper", "raised", "equal"], help="of the loss")
    settings.add_argument("--half", action=argparse.BooleanOptionalAction, help="bfloat16 where it is faster")
    settings.add_argument("--seed", type=int)


def run_train(options: argparse.Namespace) -> None:
    from qebench.training import command

    command.run(options)


def add_pack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", default="default", help="of workflow/recipes/: kind of pictures")
    _add_pairs(parser)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("-o", "--output", type=Path, required=True, help=".zip, to be given as --data or --validation")


def run_pack(options: argparse.Namespace) -> None:
    from qebench.training import command, packs, pair_sources, recipes

    recipe = recipes.read(options.protocol)
    colour, varied = options.colour or recipe.colour, options.varied or recipe.varied
    kind = (colour, varied, recipe.scale, options.coded or recipe.coded)
    wanted = pair_sources.Recipe(options.data, options.compressor, command.qualities(options), *kind)
    packs.pack(wanted, options.threads, options.output)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")


def add_curves(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tables", type=Path, nargs="+", help="X.safetensors.csv, as training writes them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder, in which figures are X.png")


def run_curves(options: argparse.Namespace) -> None:
    from qebench.training import curves

    for table in options.tables:
        curves.write(table, options.output / f"{table.name.removesuffix('.csv').removesuffix('.safetensors')}.png")


def _add_pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--compressor", required=True)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--qualities", type=int, nargs="+", help="from best to worst (default: 50..10 or 22..42)")
    chosen.add_argument("--quality", type=int, help="one only: not blind")
    parser.add_argument("--colour", choices=["luma", "rgb"], help="(default: the protocol's)")
    parser.add_argument("--coded", choices=["luma", "colour"], help="where luma is enhanced (default: the protocol's)")
    parser.add_argument("--varied", action="store_true", help="add a softened or grainy copy of every picture")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of pictures, or a pack")
