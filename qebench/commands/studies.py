"""The commands of single questions, outside the workflow: literature, speed-ups, whether images stop early."""

import argparse
import os
from pathlib import Path

from qebench.commands import arguments


def add(steps: arguments.Steps) -> None:
    """Add these commands."""
    _add_jpeg_literature(
        steps.add_parser("jpeg-literature", help="a method beside published numbers on classic5 and LIVE1")
    )
    _add_iqam_speed(steps.add_parser("iqam-speed", help="the IQAM against a per-block loop, as ratios"))
    _add_rbqe_speed(
        steps.add_parser("rbqe-speed", help="RBQE against itself run plainly and as released, as ratios (CPU)")
    )
    _add_folder_speed(steps.add_parser("folder-speed", help="compression of a folder by two processes against one"))
    _add_training_speed(
        steps.add_parser("training-speed", help="milliseconds in which networks learn from a batch, as written or not")
    )
    _add_exit_cost(steps.add_parser("exit-cost", help="stopping at an exit against computing it alone, as ratios"))
    _add_exit_check(steps.add_parser("exit-check", help="do images really stop where the measurements of a run say?"))


def _add_jpeg_literature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--classic5", type=Path, help="the folder of its 5 pictures")
    parser.add_argument("--live1", type=Path, help="the folder of its 29 pictures")
    parser.add_argument("-o", "--output", type=Path, help="X.csv, for `reproduction` (default: print alone)")
    arguments.add_device(parser)
    parser.set_defaults(run=_jpeg_literature)


def _jpeg_literature(options: argparse.Namespace) -> None:
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


def _add_iqam_speed(parser: argparse.ArgumentParser) -> None:
    arguments.add_device(parser)
    parser.set_defaults(run=_iqam_speed)


def _iqam_speed(options: argparse.Namespace) -> None:
    from benchmarks.studies import exit_cost

    print(exit_cost.iqam_speed(arguments.device(options)))


def _add_rbqe_speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")
    parser.set_defaults(run=_rbqe_speed)


def _rbqe_speed(options: argparse.Namespace) -> None:
    from benchmarks.studies import rbqe_speed
    from qebench.networks import loading

    loading.choose_device("cpu", options.threads)
    print(rbqe_speed.text())


def _add_folder_speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("compressors", nargs="+")
    parser.add_argument(
        "--pictures",
        type=int,
        default=24,
        help="how many, of the demo's (default: 24, for slow codecs; fast ones need 1,000 for the start not to count)",
    )
    parser.set_defaults(run=_folder_speed)


def _folder_speed(options: argparse.Namespace) -> None:
    from benchmarks.studies import folder_speed

    print(folder_speed.text(options.compressors, options.pictures))


def _add_training_speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("methods", nargs="+", help="of luma images")
    arguments.add_device(parser)
    parser.set_defaults(run=_training_speed)


def _training_speed(options: argparse.Namespace) -> None:
    from benchmarks.studies import training_speed

    print(training_speed.text(options.methods, arguments.device(options)))


def _add_exit_cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="rbqe")
    arguments.add_device(parser)
    parser.set_defaults(run=_exit_cost)


def _exit_cost(options: argparse.Namespace) -> None:
    from benchmarks.studies import exit_cost

    print(exit_cost.exit_cost(options.method, arguments.device(options)))


def _add_exit_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method")
    parser.add_argument("--weights", required=True, help="with {compressor} for its name")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the run (default: results)")
    parser.add_argument(
        "--thresholds", nargs="+", metavar="COMPRESSOR=T[/T...]", help="(default: those of default.yaml)"
    )
    arguments.add_device(parser)
    parser.set_defaults(run=_exit_check)


def _exit_check(options: argparse.Namespace) -> None:
    from benchmarks.studies import exit_check
    from qebench import config
    from qebench.evaluation import measurements

    rows, _ = measurements.read(options.results / "measurements.parquet")
    compressors = config.default()["compressors"]
    for name, threshold in arguments.thresholds(options.thresholds or []).items():
        if name not in compressors:
            raise ValueError(f"--thresholds names {name!r}: choose from {', '.join(compressors)}")
        compressors[name]["threshold"] = threshold
    device = arguments.device(options)
    table = exit_check.compare(rows, options.method, options.weights, options.results / "decoded", compressors, device)
    print(exit_check.text(table))
