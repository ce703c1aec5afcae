"""The commands about finished results: verify, compare, export."""

import argparse
from pathlib import Path

from qebench.commands import arguments


def add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path)
    parser.add_argument("--sample", type=int, default=8, metavar="N", help="images to measure again (default: 8)")
    arguments.add_device(parser)


def run_verify(options: argparse.Namespace) -> None:
    from qebench.publishing.verify import verify

    device = arguments.device(options)
    broken = 0
    for what, problems in verify(options.results, options.sample, device):
        print(f"{what}: {'ok' if not problems else f'{len(problems)} no longer hold'}", flush=True)
        for problem in problems:
            print(f"  {problem}", flush=True)
        broken += len(problems)
    if broken:
        raise ValueError(f"{options.results}: {broken} findings, see above; `snakemake` makes results anew")


def add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)


def run_compare(options: argparse.Namespace) -> None:
    from qebench.publishing import comparison

    print(comparison.compare(options.before, options.after))


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path)
    parser.add_argument("output", type=Path, help="X.zip")


def run_export(options: argparse.Namespace) -> None:
    from qebench.publishing import archive

    archive.write(options.results, options.output)
