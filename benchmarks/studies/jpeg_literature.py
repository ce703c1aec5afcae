"""A method on classic5 and LIVE1, beside the numbers that the literature on JPEG artifacts prints."""

import argparse
from pathlib import Path

from qebench.commands import arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("--weights", type=Path, help="with {quality} in the name: a file for each")
    parser.add_argument("--classic5", type=Path, help="the folder of its 5 pictures")
    parser.add_argument("--live1", type=Path, help="the folder of its 29 pictures")
    parser.add_argument("-o", "--output", type=Path, help="X.csv, for `reproduction` (default: print alone)")
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    from qebench.common import files
    from qebench.evaluation import literature

    named = {"classic5": options.classic5, "live1": options.live1}
    folders = {dataset: folder for dataset, folder in named.items() if folder is not None}
    if not folders:
        raise ValueError("there is nothing to measure on: name a folder by --classic5, --live1 or both")
    device = arguments.device(options)
    found = literature.compare(options.method, options.weights, folders, device)
    if options.output:
        files.write_csv(found, options.output)
    print(literature.text(found))
