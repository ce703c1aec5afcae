"""python -m benchmarks complexity rbqe -o rbqe.csv

The measuring steps of the workflow, each also by hand.
"""

import argparse
import os
import sys
from pathlib import Path

from benchmarks import allocator


def main(arguments: list[str] | None = None) -> None:
    """Run one step; see `python -m benchmarks --help`."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True)

    prepare = steps.add_parser("prepare", help="pictures to the originals of a protocol")
    prepare.add_argument("folder", help="a folder of pictures, or demo")
    prepare.add_argument("-o", "--output", type=Path, required=True, help="X.csv; the images go to X/ beside it")
    prepare.add_argument("--colour", choices=["luma", "rgb"], required=True)
    prepare.add_argument("--crop", type=int, help="largest side of the centre crop (default: no crop)")
    prepare.add_argument("--scale", type=int, default=1, help="factor of down-scaling (default: 1)")

    evaluate = steps.add_parser("evaluate", help="measure one method on one compressor and quality")
    evaluate.add_argument("method")
    evaluate.add_argument("--weights", type=Path)
    evaluate.add_argument("--originals", type=Path, required=True, help="X.csv, beside X/")
    evaluate.add_argument("--decoded", type=Path, required=True, help="X.csv, beside X/")
    evaluate.add_argument("--keys", nargs=3, required=True, metavar=("DATASET", "COMPRESSOR", "QUALITY"))
    evaluate.add_argument("--metrics", nargs="+", required=True)
    evaluate.add_argument("--block-size", type=int, choices=[4, 8], required=True, help="of the IQAM")
    evaluate.add_argument("--iqam", choices=["matlab", "powerqe"], default="matlab", help="variant (default: matlab)")
    evaluate.add_argument("-o", "--output", type=Path, required=True)
    _add_device(evaluate)

    merge = steps.add_parser("merge", help="several files of measurements to one")
    merge.add_argument("inputs", type=Path, nargs="+")
    merge.add_argument("-o", "--output", type=Path, required=True)

    complexity = steps.add_parser("complexity", help="parameters and GMACs per exit, at 512x512")
    complexity.add_argument("method")
    complexity.add_argument("--channels", type=int, choices=[1, 3], default=1)
    complexity.add_argument("-o", "--output", type=Path, required=True)

    latency = steps.add_parser("latency", help="milliseconds per exit, at 512x512")
    latency.add_argument("method")
    latency.add_argument("--channels", type=int, choices=[1, 3], default=1)
    latency.add_argument("--block-size", type=int, choices=[4, 8], default=4, help="of the IQAM")
    latency.add_argument("-o", "--output", type=Path, required=True)
    _add_device(latency)

    _add_device(steps.add_parser("iqam-speed", help="the IQAM against a per-block loop, as ratios"))
    exit_cost = steps.add_parser("exit-cost", help="stopping at an exit against computing it alone, as ratios")
    exit_cost.add_argument("--method", default="rbqe")
    _add_device(exit_cost)

    for kind in ("table", "figure"):
        publish = steps.add_parser(kind, help=f"one {kind} of benchmarks/{kind}s/")
        publish.add_argument("name")
        publish.add_argument("--measurements", type=Path, required=True)
        publish.add_argument("--complexity", type=Path, nargs="+", required=True)
        publish.add_argument("--latency", type=Path, nargs="+", required=True)
        publish.add_argument("--thresholds", nargs="+", required=True, metavar="COMPRESSOR=T")
        publish.add_argument("--methods", nargs="+", required=True, help="in the order to print")
        publish.add_argument("--protocol", required=True, help="in words")
        publish.add_argument("-o", "--output", type=Path, required=True)

    options = parser.parse_args(arguments)
    try:
        globals()[f"_{options.step.replace('-', '_')}"](options)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")


def _prepare(options: argparse.Namespace) -> None:
    from benchmarks import datasets

    sources = datasets.sources(None if options.folder == "demo" else Path(options.folder))
    protocol = datasets.Protocol(options.colour, options.crop, options.scale)
    datasets.write(sources, protocol, options.output.with_suffix(""), options.output)


def _evaluate(options: argparse.Namespace) -> None:
    from benchmarks import measurements
    from benchmarks.evaluate import evaluate
    from methods import network

    device = network.choose_device(options.device, options.threads)
    rows, record = evaluate(
        options.method,
        options.weights,
        options.originals,
        options.decoded,
        options.metrics,
        options.block_size,
        options.iqam,
        device,
    )
    dataset, compressor, quality = options.keys
    keys = {"dataset": dataset, "compressor": compressor, "quality": int(quality), "method": options.method}
    measurements.write(rows.assign(**keys), [keys | record], options.output)


def _merge(options: argparse.Namespace) -> None:
    from benchmarks import measurements

    measurements.merge(options.inputs, options.output)


def _complexity(options: argparse.Namespace) -> None:
    from benchmarks import complexity

    _write_csv(complexity.measure(options.method, options.channels), options.output)


def _latency(options: argparse.Namespace) -> None:
    from benchmarks import latency
    from methods import network

    device = network.choose_device(options.device, options.threads)
    _write_csv(latency.measure(options.method, options.channels, options.block_size, device), options.output)


def _iqam_speed(options: argparse.Namespace) -> None:
    from benchmarks import speed
    from methods import network

    print(speed.iqam_speed(network.choose_device(options.device, options.threads)))


def _exit_cost(options: argparse.Namespace) -> None:
    from benchmarks import speed
    from methods import network

    print(speed.exit_cost(options.method, network.choose_device(options.device, options.threads)))


def _table(options: argparse.Namespace) -> None:
    from benchmarks import plugins, tables

    results, module = _results(options), plugins.find("benchmarks/tables", options.name)
    tables.write(module.tabulate(results), module.note(results), options.output)


def _figure(options: argparse.Namespace) -> None:
    from benchmarks import figures, plugins

    figures.write(plugins.find("benchmarks/figures", options.name).draw(_results(options)), options.output)


def _results(options: argparse.Namespace):
    import pandas as pd

    from benchmarks import measurements
    from benchmarks.tables import Results

    complexity, latency = (
        pd.concat(map(pd.read_csv, paths), ignore_index=True) for paths in (options.complexity, options.latency)
    )
    rows, _ = measurements.read(options.measurements)
    thresholds = {name: float(value) for name, value in (pair.split("=") for pair in options.thresholds)}
    return Results(rows, complexity, latency, thresholds, options.methods, options.protocol)


def _write_csv(records: list[dict], path: Path) -> None:
    import pandas as pd

    from benchmarks import files

    with files.replacing(path) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False, lineterminator="\n")


if __name__ == "__main__":
    allocator.settle()
    main()
