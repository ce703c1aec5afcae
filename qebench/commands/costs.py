"""The commands that count and time networks: complexity, survey and all of latency."""

import argparse
from pathlib import Path

from qebench.commands import arguments
from qebench.networks.thresholds import threshold


def add_complexity(parser: argparse.ArgumentParser) -> None:
    arguments.add_form(parser)
    arguments.add_size(parser)


def run_complexity(options: argparse.Namespace) -> None:
    from qebench.common import files
    from qebench.cost import complexity

    records = complexity.measure(options.method, options.channels, options.height, options.width, options.weights)
    files.write_csv(records, options.output)


def add_survey(parser: argparse.ArgumentParser) -> None:
    arguments.add_size(parser)


def run_survey(options: argparse.Namespace) -> None:
    from qebench.common import provenance, typesetting
    from qebench.cost import complexity

    frame = complexity.survey(options.height, options.width)
    places, parts = complexity.places(frame), complexity.PARTS
    written = typesetting.write(frame, complexity.NOTE, options.output, places=places, parts=parts)
    provenance.write(written, [], {}, [])


def add_latency(parser: argparse.ArgumentParser) -> None:
    arguments.add_form(parser)
    parser.add_argument("--block-size", type=int, choices=[4, 8], default=4, help="of the IQAM")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments.add_device(parser)
    arguments.add_precision(parser)


def run_latency(options: argparse.Namespace) -> None:
    from qebench.common import files
    from qebench.cost import latency

    device = arguments.device(options)
    records = latency.measure(
        options.method, options.channels, options.block_size, device, options.weights, options.precision
    )
    files.write_csv(records, options.output)


def add_exit_latency(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--compressor", required=True)
    arguments.add_decoded(parser)
    arguments.add_iqam(parser)
    parser.add_argument("--threshold", type=threshold, required=True, metavar="T[/T...]", help="of iqam")
    parser.add_argument("--rules", nargs="*", default=["iqam"], help="of early exit; those with settings are timed")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments.add_device(parser)
    arguments.add_precision(parser)


def run_exit_latency(options: argparse.Namespace) -> None:
    from qebench.common import files
    from qebench.cost import exit_latency

    device = arguments.device(options)
    known = exit_latency.rules(options.method, options.compressor, options.block_size, options.threshold, options.iqam)
    timed = [known[name] for name in options.rules if name in known]
    records = exit_latency.measure(
        options.method, options.weights, options.compressor, options.decoded, timed, device, options.precision
    )
    files.write_csv(records, options.output)
    print(exit_latency.text(records))


def add_latency_grid(parser: argparse.ArgumentParser) -> None:
    arguments.add_form(parser)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments.add_device(parser)


def run_latency_grid(options: argparse.Namespace) -> None:
    from qebench.common import files
    from qebench.cost import latency_grid

    device = arguments.device(options)
    records: list[dict] = []
    so_far = options.output.with_suffix(".partial.csv")  # another name: what is called `output` is whole
    for record in latency_grid.measure(options.method, options.channels, device, options.weights):
        records.append(record)
        files.write_csv(records, so_far)
    if not records:
        raise ValueError(f"{options.method}: {device} has too little memory for the smallest image of the grid")
    so_far.replace(options.output)


def add_latency_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", type=Path, nargs="+", help="measured on this machine")
    parser.add_argument("--measured", type=Path, nargs="*", default=[], help="files of benchmarks/measured")
    parser.add_argument("-o", "--output", type=Path, required=True)


def run_latency_table(options: argparse.Namespace) -> None:
    from qebench.cost import measured

    measured.write(measured.combine(options.inputs, options.measured), options.output)


def add_latency_keep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="of the machine, as epyc-9xx5-2-cores")
    parser.add_argument("--latency", type=Path, default=Path("results/latency.csv"))


def run_latency_keep(options: argparse.Namespace) -> None:
    from qebench.cost import measured

    print(measured.keep(options.name, options.latency))
