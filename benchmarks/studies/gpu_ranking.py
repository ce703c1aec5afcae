"""The whole ranking on a GPU that is at hand for minutes: every network on as many pixels, in the time there is.

Networks compute in bfloat16 where that does no harm, else in float32 without TF32, and their gradients are replayed as
CUDA graphs where that works. If the time is too short for the recipe's pixels, all networks get the same smaller
number. The same command goes on with what is not finished.
"""

import argparse
import time
from pathlib import Path

from qebench.commands import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", default="ranking_gpu", help="of workflow/recipes/ (default: ranking_gpu)")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="packs to train on, one for each codec")
    parser.add_argument("--validation", type=Path, nargs="+", required=True, help="packs to validate on, likewise")
    parser.add_argument(
        "--minutes", type=float, default=10, help="after which weights so far are written (default: 10)"
    )
    parser.add_argument("--licence", default="", help="of the training pictures, for the model cards")
    arguments.add_device(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of weights, checkpoints and plans")


def run(options: argparse.Namespace) -> None:
    from qebench.common import provenance
    from qebench.training import equal, pair_files, recipes

    end = time.monotonic() + 60 * options.minutes
    recipe = recipes.read(options.protocol)
    device = arguments.device(options)
    print(f"{provenance.device_name(device)}, {options.threads} threads, without TF32", flush=True)
    training = pair_files.opened(options.data, recipe, recipe.varied, options.threads, options.output / "pairs")
    validation = pair_files.opened(options.validation, recipe, False, options.threads, options.output / "pairs")
    if training.keys() != validation.keys():
        given = " and ".join(", ".join(found) for found in (training, validation))
        raise ValueError(f"--data and --validation are for other codecs, {given}: give a pack of each to both")
    data = {codec: (training[codec], validation[codec]) for codec in training}
    seen = equal.train_all(recipe, data, options.output, device, end, {"licence": options.licence})
    for stem, pixels in seen.items():
        print(f"{stem}: " + ("not begun" if pixels is None else f"{pixels:,.0f} million pixels"))
