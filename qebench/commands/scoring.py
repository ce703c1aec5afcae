"""The command that compares files: score."""

import argparse
import sys
from pathlib import Path


def add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", type=Path, help="a picture, or a folder of them")
    parser.add_argument("image", type=Path, help="what to compare with it; files of folders are matched by name")
    parser.add_argument("--metrics", nargs="+", help="of benchmarks/metrics (default: all that can be measured here)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every single number to it")


def run_score(options: argparse.Namespace) -> None:
    import pandas as pd
    import torch
    from tqdm import tqdm

    from qebench.common import files, plugins
    from qebench.evaluation import score

    torch.set_num_threads(1)  # metrics are thousands of small sums: two threads take five times as long on busy cores
    known, remarks = score.available()
    for name in options.metrics or []:
        plugins.check("benchmarks/metrics", name)
    metrics = options.metrics or known
    found, left_out = score.pairs(options.reference, options.image)
    for line in [*left_out, *([] if options.metrics else remarks)]:
        print(line, file=sys.stderr)

    rows, reasons = [], []
    for pair in tqdm(found, unit="pair", disable=None if len(found) > 1 else True):
        scores, missing = score.score(*pair.read(), metrics)
        rows.append(pd.DataFrame(scores).assign(image=pair.name))
        reasons += [f"{pair.name}: {reason}" for reason in missing]
    for line in reasons:
        print(line, file=sys.stderr)
    table = pd.concat(rows, ignore_index=True)
    if options.csv:
        files.write_csv(table[["image", *table.columns.drop("image")]], options.csv)
    if options.reference.is_dir():
        print(f"means over n = {len(found)} pairs of {options.reference} and {options.image}\n")
    print(score.text(table, metrics))
