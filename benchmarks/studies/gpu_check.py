"""A GPU beside the CPU: do the numbers agree, what does early exit save, how long does what take? Under 6 minutes.

First the golden tests run on the GPU: the numbers of the original networks and of the IQAM. Then the demo is coded by
JPEG and HEVC and measured on the GPU, one picture of it on the CPU, too. Times are those of the default workflow and of
its latency grid (without compiled networks). The rows are kept in benchmarks/measured/, where the latency table finds
them.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.tables import table2
from qebench.commands import arguments
from qebench.common import plugins

GRID = "rbqe"  # the method that the grid is of
AGREE = 1e-4  # dB between the devices
SAVING, SCORING = 0.85, 0.15  # at most: HEVC by early exit over all of it; a score over exit 1
GOLDEN = (  # tests that take --device
    "tests/methods/test_networks.py::test_every_exit_gives_the_original_numbers",
    "tests/methods/test_fbcnn.py::test_image_and_quality_are_the_original_numbers",
    "tests/iqa/test_iqam.py::test_matlab_scores_are_those_of_the_matlab_code",
    "tests/iqa/test_iqam.py::test_powerqe_scores_are_those_of_the_python_code",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_device(parser)
    parser.add_argument("-o", "--output", type=Path, help="(default: benchmarks/measured/NAME-OF-THE-DEVICE.csv)")


def run(options: argparse.Namespace) -> None:
    from qebench import config
    from qebench.common import provenance
    from qebench.cost import measured
    from qebench.datasets import originals

    device, settings = arguments.device(options), config.default()
    name = re.sub(r"[^a-z0-9]+", "-", provenance.device_name(device).lower()).strip("-")
    output = options.output or measured.FOLDER / f"{name}.csv"
    with TemporaryDirectory() as folder:
        found = check(device, settings, originals.sources(None), Path(folder))
    count = keep(found, settings, output)
    print(text(found))
    print(f"\n{count} rows are in {output}")


@dataclass
class Found:
    """What was found; rows of latency have `latency.COLUMNS`."""

    golden: tuple[bool, str] = (False, "")  # see `golden`
    records: list[dict] = field(default_factory=list)  # of provenance
    latency: list[dict] = field(default_factory=list)  # of the device: exits of a photograph, and pictures
    grid: list[dict] = field(default_factory=list)  # of the device
    cpu: list[dict] = field(default_factory=list)  # exits of the photograph
    table: pd.DataFrame = field(default_factory=pd.DataFrame)  # table 2
    differences: pd.Series = field(default_factory=pd.Series)  # at most, dB, of PSNR between both, by method


def check(device: str, config: dict, pictures: list[Path], folder: Path) -> Found:
    """Return what the study finds on a device, with the methods and compressors of a configuration.

    `folder` is empty, for what is coded.
    """
    from qebench import config as asked
    from qebench.cost import complexity, exit_latency, latency, latency_grid
    from qebench.evaluation.results import Results

    found, costs, rows, alone = Found(), [], [], []
    with _told("golden tests"):
        found.golden = golden(device)
    with _told("coding"):
        decoded = _code(config, pictures, folder)
    excerpts = {name: _excerpts(manifests, folder) for name, manifests in decoded.items()}
    for method in asked.methods(config):
        weights = {name: _weights(config, method, name) for name in decoded}
        first = next(iter(weights.values()))
        with _told(f"{method}: measuring"):
            for name, manifests in decoded.items():
                whole = _evaluate(config, method, weights[name], folder / "originals.csv", manifests, name, device)
                rows.append(whole[0])
                found.records += whole[1]
                listed = folder / "one.csv", excerpts[name], name, "cpu"
                alone.append(_evaluate(config, method, weights[name], *listed)[0])
        costs += complexity.measure(method, 1, weights=first)
        with _told(f"{method}: timing"):
            found.latency += latency.measure(method, 1, 8, device, first)
            found.cpu += latency.measure(method, 1, 8, "cpu", first)
            for name, manifests in decoded.items():
                entry = config["compressors"][name]
                scoring = entry["iqam_block_size"], entry["threshold"], config["protocol"]["iqam"]
                known = exit_latency.rules(method, name, *scoring)
                rules = [known[rule] for rule in config["exit_rules"] if rule in known]
                found.latency += exit_latency.measure(method, weights[name], name, manifests, rules, device)
    frame, exits = pd.concat(rows, ignore_index=True), pd.DataFrame(found.latency)
    thresholds = {name: config["compressors"][name]["threshold"] for name in decoded}
    exits = exits[exits["compressor"].isna()]
    results = Results(frame, pd.DataFrame(costs), exits, thresholds, asked.methods(config), asked.describe(config))
    found.table, found.differences = table2.tabulate(results), _differences(frame, pd.concat(alone))
    with _told("the grid"):
        weights_of_grid = _weights(config, GRID, next(iter(decoded)))
        found.grid += latency_grid.measure(GRID, 1, device, weights_of_grid, compiled=False)
    return found


def keep(found: Found, config: dict, output: Path) -> int:
    """Write the rows of the device to `output` (.csv), with their provenance beside it; return how many they are."""
    from qebench import config as asked
    from qebench.common import files, provenance

    rows = [*found.latency, *found.grid]
    files.write_csv(rows, output)
    provenance.write([output], [], asked.measured(config), found.records)
    return len(rows)


def golden(device: str) -> tuple[bool, str]:
    """Return whether networks and IQAM give the original programs' numbers on a device, and how many tests say so.

    If tests fail, what they say goes to stderr.
    """
    if find_spec("pytest") is None:
        return False, "golden tests: not run, as pytest is not installed: make setup"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--device={device}", *GOLDEN]
    done = subprocess.run(command, cwd=plugins.ROOT, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    *_, last = ["nothing", *filter(None, map(str.strip, done.stdout.splitlines()))]
    return done.returncode == 0, f"golden tests of networks and IQAM: {last}"


def text(found: Found) -> str:
    """Return table 2, the ratios of the CPU's times to the device's, and what holds."""
    from qebench.common import typesetting

    ours, cpu = pd.DataFrame(found.latency), pd.DataFrame(found.cpu)
    keys = ["method", "early_exit", "exit"]
    both = ours[ours["compressor"].isna()].merge(cpu[[*keys, "median_ms"]], on=keys, suffixes=("", "_cpu"))
    ratios = both[[*keys, "median_ms", "median_ms_cpu"]].assign(faster=both["median_ms_cpu"] / both["median_ms"])
    frames = (found.table, ratios.round(3))
    tables = [typesetting.markdown(frame.astype(object).apply(typesetting.aligned)) for frame in frames]
    lines = [f"{'holds' if good else 'DOES NOT HOLD'}: {line}" for good, line in verdicts(found)]
    return "\n\n".join([*tables, "\n".join(lines)])


def verdicts(found: Found) -> list[tuple[bool, str]]:
    """Return whether it holds, and what with its number, of all that a GPU should show."""
    frame = pd.DataFrame(found.latency)
    lines = [found.golden]
    lines += [
        (difference <= AGREE, f"{method}: PSNR differs by at most {difference:.1e} dB from the CPU's (up to {AGREE:g})")
        for method, difference in found.differences.items()
    ]
    pictures = frame[frame["compressor"] == "hevc"]
    whole = pictures[~pictures["early_exit"]].groupby("method")["mean_ms"].mean()
    early = pictures[pictures["early_exit"]].groupby(["method", "rule"])["mean_ms"].mean()
    photograph = frame[frame["compressor"].isna()]
    times = photograph.set_index(["method", "early_exit", "exit"])[["median_ms", "score_share"]]
    for method in frame.loc[frame["early_exit"], "method"].unique():
        if method in early.index.unique("method"):
            ratios = (early[method] / whole[method]).sort_values()
            listed = ", ".join(f"{rule} {ratio:.3f}" for rule, ratio in ratios.items())
            saving = f"{method}: early exit over all of it, HEVC, by the best rule: {listed} (up to {SAVING})"
            lines.append((ratios.iat[0] <= SAVING, saving))
        score = times.loc[(method, True, 1), "score_share"] * times.loc[(method, True, 1), "median_ms"]
        share = score / times.loc[(method, False, 1), "median_ms"]
        lines.append((share < SCORING, f"{method}: a score takes {share:.3f} of exit 1 (under {SCORING})"))
    if {"rbqe", "dcad"} <= set(photograph["method"]):
        last = times["median_ms"].xs(False, level="early_exit").groupby("method").last()
        lines.append((last["rbqe"] < last["dcad"], f"rbqe takes {last['rbqe']:.1f} ms, dcad {last['dcad']:.1f}"))
    return lines


def _code(config: dict, pictures: list[Path], folder: Path) -> dict[str, list[Path]]:
    """Prepare the pictures and code them at every quality; return the manifests by compressor."""
    import os

    from qebench import config as asked
    from qebench.coding import folder as coding
    from qebench.coding import interface
    from qebench.datasets import originals

    protocol = originals.Protocol("luma", config["protocol"]["crop"])
    originals.write(pictures, protocol, folder / "originals", folder / "originals.csv")
    decoded: dict[str, list[Path]] = {}
    for name, entry in asked.codecs(config).items():
        module = plugins.find("compressors", name)
        chosen = interface.configure(module, entry.get("settings", {}))
        for quality in entry["qualities"]:
            manifest = folder / name / f"{quality}.csv"
            coding.compress(module, quality, chosen, folder / "originals.csv", manifest, os.cpu_count() or 1)
            decoded.setdefault(name, []).append(manifest)
    return decoded


def _excerpts(manifests: list[Path], folder: Path) -> list[Path]:
    """Return manifests of the first picture alone; that of the original becomes one.csv."""
    from qebench.common import files
    from qebench.datasets import shards

    first = str(files.read_csv(folder / "originals.csv")["image"].iat[0])
    shards.excerpt(folder / "originals.csv", first, folder / "one.csv")
    paths = [path.parent / "one" / path.name for path in manifests]
    for path, excerpt in zip(manifests, paths, strict=True):
        shards.excerpt(path, first, excerpt)
    return paths


def _evaluate(
    config: dict,
    method: str,
    weights: Path | None,
    originals: Path,
    decoded: list[Path],
    compressor: str,
    device: str,
) -> tuple[pd.DataFrame, list[dict]]:
    from qebench.evaluation import measurements
    from qebench.evaluation.evaluate import evaluate

    scoring = config["compressors"][compressor]["iqam_block_size"], config["protocol"]["iqam"]
    rows, records, _ = evaluate(method, weights, originals, decoded, config["metrics"], *scoring, device)
    trained_on = compressor if weights else ""
    keys = {"dataset": "demo", "compressor": compressor, "method": method, "trained_on": trained_on}
    return rows.assign(**keys)[measurements.COLUMNS], [keys | record for record in records]


def _weights(config: dict, method: str, compressor: str) -> Path | None:
    from qebench import config as asked

    return next((plugins.ROOT / path for path in asked.weights(config, method, compressor)), None)


def _differences(ours: pd.DataFrame, cpu: pd.DataFrame) -> pd.Series:
    """Return the largest difference of PSNR (unrounded) in dB by method."""
    keys = ["image", "compressor", "quality", "method", "exit"]
    both = [frame[frame["metric"] == "psnr_unrounded"].set_index(keys)["value"] for frame in (ours, cpu)]
    return (both[0].reindex(both[1].index) - both[1]).abs().groupby("method", sort=False).max()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say on stderr what was done, and in how many seconds."""
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr)
