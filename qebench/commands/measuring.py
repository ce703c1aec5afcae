"""The steps that measure images: check, evaluate, merge, examples."""

import argparse
import sys
from pathlib import Path

from qebench.commands import arguments


def add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", nargs="*", metavar="METHOD=FILE")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:1 (default: cpu)")
    arguments.add_precision(parser)


def run_check(options: argparse.Namespace) -> None:
    from qebench.common import plugins
    from qebench.networks import loading, precision

    precision.use(options.precision, loading.choose_device(options.device, 1))
    for method, _, file in (name.partition("=") for name in options.weights):
        plugins.find("methods", method).load(Path(file), "meta")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("--weights", type=Path)
    arguments.add_pictures(parser)
    parser.add_argument("--trained-on", default="", metavar="COMPRESSOR", help="the one that the weights are for")
    parser.add_argument("--metrics", nargs="+", required=True)
    arguments.add_iqam(parser)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments.add_device(parser)
    arguments.add_precision(parser)


def run_evaluate(options: argparse.Namespace) -> None:
    from qebench.evaluation import measurements
    from qebench.evaluation.evaluate import evaluate

    device = arguments.device(options)
    rows, records, pace = evaluate(
        options.method,
        options.weights,
        options.originals,
        options.decoded,
        options.metrics,
        options.block_size,
        options.iqam,
        device,
        options.precision,
    )
    dataset, compressor = options.keys
    keys = {"dataset": dataset, "compressor": compressor, "method": options.method, "trained_on": options.trained_on}
    measurements.write(rows.assign(**keys), [keys | record for record in records], options.output)
    print(pace, file=sys.stderr)


def add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+")
    parser.add_argument("--whole", type=Path, help="the manifest of the data set, if they are of its parts")
    parser.add_argument("-o", "--output", type=Path, required=True)


def run_merge(options: argparse.Namespace) -> None:
    from qebench.evaluation import measurements

    measurements.merge(options.inputs, options.output, options.whole)


def add_examples(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--measurements", type=Path, required=True)
    arguments.add_pictures(parser)
    parser.add_argument("--methods", nargs="+", required=True, metavar="METHOD[=WEIGHTS]", help="in the order to show")
    parser.add_argument("--thresholds", nargs="+", default=[], metavar="COMPRESSOR=T[/T...]")
    parser.add_argument("-o", "--output", type=Path, required=True, help="X.csv; the images go to X/ beside it")
    arguments.add_device(parser)
    arguments.add_precision(parser)


def run_examples(options: argparse.Namespace) -> None:
    from qebench.evaluation import examples, measurements

    device = arguments.device(options)
    rows = measurements.native(measurements.read(options.measurements)[0])
    dataset, compressor = options.keys
    rows = rows[(rows["dataset"] == dataset) & (rows["compressor"] == compressor)]
    named = (name.partition("=")[::2] for name in options.methods)
    weights = {method: Path(path) if path else None for method, path in named}
    sources = examples.Sources(options.originals, options.decoded, weights)
    examples.write(rows, arguments.thresholds(options.thresholds), sources, device, options.output, options.precision)
