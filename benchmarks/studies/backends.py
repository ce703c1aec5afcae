"""The time of a luma network by PyTorch, ONNX Runtime and OpenVINO, as a share of the time of RBQE's last exit."""

import argparse
import os
from pathlib import Path

import pandas as pd

from qebench.common import files
from qebench.cost import backends
from qebench.networks import loading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--int8", type=Path, help="an ONNX file of the same weights by `qebench export --onnx --int8`")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")
    parser.add_argument("-o", "--output", type=Path, help="also as CSV, with the columns of results/latency.csv")


def run(options: argparse.Namespace) -> None:
    loading.choose_device("cpu", options.threads)
    rows = pd.DataFrame(backends.measure(options.method, options.weights, options.int8))
    if options.output:
        files.write_csv(rows, options.output)
    print(text(rows))


def text(rows: pd.DataFrame) -> str:
    """Return the least milliseconds of each way, and their share of the first row's."""
    from tabulate import tabulate

    shares = rows["min_ms"] / rows["min_ms"].iat[0]
    table = rows[["method", "execution", "min_ms"]].assign(share=shares)
    note = f"512x512 luma, {rows['threads'].iat[0]} threads of {rows['device'].iat[0]}"
    return (
        tabulate(table, ["method", "execution", "ms", "share of RBQE"], showindex=False, floatfmt=".3f") + f"\n\n{note}"
    )
