"""Settings of the calibrated exit rules, from a run on pictures for calibration, in the form that ships."""

import argparse
import json
from pathlib import Path

import pandas as pd

from qebench.common import files, plugins
from qebench.evaluation import exit_cases, measurements, null_test
from qebench.evaluation.exit_cases import Cases
from qebench.networks.rules import FOLDER, Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("compressor")
    parser.add_argument("--measurements", type=Path, nargs="+", default=[Path("results/measurements.parquet")])
    parser.add_argument("--complexity", type=Path, help="(default: results/complexity/METHOD.csv)")
    parser.add_argument("--protocol", default="", help="how the originals were made of the pictures, for the record")
    parser.add_argument("-o", "--output", type=Path, help="(default: benchmarks/exit_rules/settings/METHOD-...)")


def run(options: argparse.Namespace) -> None:
    method, compressor = options.method, options.compressor
    parts, provenance = zip(*map(measurements.read, options.measurements), strict=True)
    complexity = files.read_csv(options.complexity or Path("results/complexity", f"{method}.csv"))
    rows = measurements.native(pd.concat(parts, ignore_index=True))
    untimed = pd.DataFrame(columns=["method", "exit", "early_exit", "median_ms"])
    cases = exit_cases.collect(rows, complexity, untimed, method, compressor)
    origin = [record for records in provenance for record in records]
    weights = next(
        record["weights"] for record in origin if (record["method"], record["compressor"]) == (method, compressor)
    )
    found = {
        "calibrated_on": {
            "dataset": ", ".join(rows["dataset"].unique()),
            "protocol": options.protocol,
            "count": len(set(cases.pictures)),
            "pictures": sorted(set(cases.pictures)),
            "qualities": sorted(set(cases.evidence.quality.tolist())),
            "weights": weights,
        },
        "settings": calibrate(cases),
    }
    output = options.output or plugins.ROOT / FOLDER / "settings" / f"{method}-{compressor}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(output) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{output}: {', '.join(found['settings'])}, on {len(set(cases.pictures))} pictures")


def calibrate(cases: Cases) -> dict[str, Settings]:
    """Return the settings of every calibrated rule: the cheapest within null_test.ALLOWED dB of the last exit."""
    found = {}
    for name in plugins.names(FOLDER):
        rule = plugins.find(FOLDER, name)
        if rule.CALIBRATED and exit_cases.usable(rule, cases):
            settings = rule.candidates(cases.evidence, cases.gains, cases.cost)
            found[name] = settings[null_test.cheapest(null_test.play(rule, settings, cases), cases)]
    return found
