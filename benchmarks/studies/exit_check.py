"""Do images really stop where the query on the measurements says? Both ways, image by image."""

import argparse
from itertools import chain
from pathlib import Path

import pandas as pd

from qebench.commands import arguments
from qebench.datasets import originals, shards
from qebench.evaluation import early_exit
from qebench.networks import loading, multi_exit, pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("--weights", required=True, help="with {compressor} for its name")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the run (default: results)")
    parser.add_argument(
        "--thresholds", nargs="+", metavar="COMPRESSOR=T[/T...]", help="(default: those of default.yaml)"
    )
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    from qebench import config
    from qebench.evaluation import measurements

    rows, _ = measurements.read(options.results / "measurements.parquet")
    compressors = config.default()["compressors"]
    for name, threshold in arguments.thresholds(options.thresholds or []).items():
        if name not in compressors:
            raise ValueError(f"--thresholds names {name!r}: choose from {', '.join(compressors)}")
        compressors[name]["threshold"] = threshold
    device = arguments.device(options)
    table = compare(rows, options.method, options.weights, options.results / "decoded", compressors, device)
    print(text(table))


def compare(
    rows: pd.DataFrame,
    method: str,
    weights: str,
    decoded: Path,
    compressors: dict[str, dict],
    device: str,
) -> pd.DataFrame:
    """Return where each image of the measurements `rows` stops: early_exit.KEYS, `queried` and `stopped`.

    `decoded` is the workflow's folder results/decoded; `weights` names the file of a {compressor}; `compressors` are
    those of the config, with their threshold and iqam_block_size. The score is the IQAM's variant "matlab".

    Raises ValueError if the method was not measured, or a compressor has no threshold or block size.
    """
    if method not in set(rows["method"]):
        raise ValueError(f"{method} was not measured: the run has {', '.join(rows['method'].unique())}")
    thresholds = {name: settings["threshold"] for name, settings in compressors.items() if "threshold" in settings}
    queried = early_exit.chosen(rows[rows["method"] == method], thresholds).rename(columns={"exit": "queried"})
    found = []
    keys = ["dataset", "compressor", "quality", "trained_on"]
    for (dataset, compressor, quality, trained_on), _ in queried.groupby(keys, sort=False):
        codec = trained_on or compressor
        network = loading.load(method, _file(weights, codec), device)
        if network.exit_count == 1:
            raise ValueError(f"{method} has one exit: name a method that has several")
        if "iqam_block_size" not in compressors[codec]:
            raise ValueError(f"the IQAM's block size for {codec} is not in the config: run with one that has it")
        rule = multi_exit.Rule(compressors[codec]["iqam_block_size"], thresholds[codec])
        manifests = shards.manifests(decoded, dataset, f"{compressor}/{quality}.csv")
        pictures = (originals.load(manifest.with_suffix(""), manifest) for manifest in manifests)
        for name, image in chain.from_iterable(pictures):
            x = pixels.to_tensor([image], device)
            exit = multi_exit.stop(network, network.planes(x), rule).exit
            found.append([dataset, name, compressor, quality, method, trained_on, exit])
    stopped = pd.DataFrame(found, columns=[*early_exit.KEYS, "stopped"])
    return queried.merge(stopped, on=early_exit.KEYS, how="outer", validate="one_to_one")


def _file(weights: str, compressor: str) -> Path:
    try:
        return Path(weights.format(compressor=compressor))
    except (KeyError, IndexError, ValueError, AttributeError):
        raise ValueError(f"--weights {weights!r}: {{compressor}} alone may stand in braces in it") from None


def text(table: pd.DataFrame) -> str:
    """Return how many images of each compressor stop elsewhere than the query says, and list those."""
    other = table[table["queried"] != table["stopped"]]
    counts = table.assign(other=table["queried"] != table["stopped"]).groupby("compressor", sort=False)["other"]
    lines = [f"{name}: {int(other.sum())} of {len(other)} images stop elsewhere" for name, other in counts]
    return "\n".join(lines + ([other.to_string(index=False)] if len(other) else []))
