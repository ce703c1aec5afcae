"""The commands that turn measurements into tables, figures and pages."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qebench.commands import arguments

if TYPE_CHECKING:
    from qebench.evaluation.results import Results


def add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")
    _add_results(parser)
    parser.add_argument("--contributed", type=Path, nargs="*", default=[], help="archives of other people")
    parser.add_argument("--kept", type=Path, nargs="*", default=[], help="archives of benchmarks/measured")


def run_table(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from qebench.common import plugins, typesetting
    from qebench.publishing import contributed, kept

    results, module = _results(options), plugins.find("benchmarks/tables", options.name)
    protocol = options.config.get("protocol", {})
    results = kept.read(options.kept, results, protocol)
    results = replace(results, contributed=contributed.read(options.contributed, results, protocol))
    marked = module.marked(results) if hasattr(module, "marked") else None
    frame = module.tabulate(results)
    places, parts = (getattr(module, name)(frame) if hasattr(module, name) else None for name in ("places", "parts"))
    written = typesetting.write(frame, module.note(results), options.output, marked, places, parts)
    inputs = [*options.complexity, *options.latency, *options.kept, *options.contributed]
    _record(written, inputs, options)


def add_results_keep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="of data set and machine, as kodak-epyc-9xx5-2-cores")
    parser.add_argument("--results", type=Path, required=True, help="of a run on that data set, as results/kodak")


def run_results_keep(options: argparse.Namespace) -> None:
    from qebench.publishing import kept

    print(kept.keep(options.name, options.results))


def add_figure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name")
    _add_results(parser, needed=False)  # a figure of costs takes --complexity alone
    _add_fonts(parser)


def run_figure(options: argparse.Namespace) -> None:
    from matplotlib import rc_context

    from qebench.common import plugins, style

    results = _results(options)
    with rc_context(style.FONTS[options.fonts]):
        drawn = style.write(plugins.find("benchmarks/figures", options.name).draw(results), options.output)
    _record(drawn, [*options.complexity, *options.latency], options)


def add_reproduction(parser: argparse.ArgumentParser) -> None:
    _add_results(parser)
    parser.add_argument("--survey", type=Path, required=True, help="complexity.csv of all networks")
    parser.add_argument("--literature", type=Path, nargs="*", default=[], help="files of jpeg-literature -o")
    parser.add_argument("--follows", default="", help="the paper's protocol that the run follows (default: none)")


def run_reproduction(options: argparse.Namespace) -> None:
    from qebench.common import files
    from qebench.publishing import ours, reproduction, scoreboard, trends

    results = _results(options)
    found = ours.collect(results, files.read_csv(options.survey), [*map(files.read_csv, options.literature)])
    table = reproduction.compare(found, options.follows, options.methods)
    files.write_csv(table.round({"ours": 5, "difference": 5, "tolerance": 5}), options.output)
    tested = trends.judge(results)
    files.write_csv(tested, options.output.with_name("trends.csv"))
    with files.replacing(options.output.with_suffix(".md")) as temporary:
        temporary.write_text(scoreboard.page(table, options.protocol, tested), encoding="utf-8")
    published = [options.output, options.output.with_suffix(".md"), options.output.with_name("trends.csv")]
    _record(published, [*options.complexity, *options.latency, options.survey, *options.literature], options)


def add_reproduce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", type=Path, nargs="?", help="with folders of classic5, LIVE1, Kodak, DIV2K, RAISE, in part"
    )
    parser.add_argument("--weights", type=Path, help="a folder with official files, such as DnCNN3.mat and q10.mat")
    parser.add_argument("--cores", default="all", help="(default: all)")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/scoreboard.csv"), help="X.csv, beside X.md")


def run_reproduce(options: argparse.Namespace) -> None:
    from qebench.publishing import reproducing

    print(reproducing.run(options.data, options.weights, options.cores, options.output))


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--measurements", type=Path, required=True)
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="X.csv, beside X.md")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="PNG files")
    parser.add_argument("--examples", type=Path, nargs="*", default=[], help="COMPRESSOR.csv, beside COMPRESSOR/")
    parser.add_argument("--thresholds", nargs="+", default=[], metavar="COMPRESSOR=T[/T...]")
    parser.add_argument("--methods", nargs="+", required=True, help="in the order to show")
    parser.add_argument("--protocol", required=True, help="in words")
    parser.add_argument("--config", required=True, help="as text")
    parser.add_argument("-o", "--output", type=Path, required=True)


def run_report(options: argparse.Namespace) -> None:
    import pandas as pd
    import yaml

    from qebench.common import provenance
    from qebench.evaluation import measurements
    from qebench.evaluation.results import Results
    from qebench.publishing import report

    rows, records = measurements.read(options.measurements)
    native, costs = measurements.native(rows), pd.DataFrame()
    thresholds = arguments.thresholds(options.thresholds)
    results = Results(native, costs, costs, thresholds, options.methods, options.protocol, rows)
    shown = report.Shown(options.tables, options.figures, options.examples)
    report.write(results, records, shown, options.config, options.output)
    shown_files = [*options.tables, *options.figures, *options.examples]
    provenance.write([options.output], [options.measurements, *shown_files], yaml.safe_load(options.config), records)


def add_strips(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("examples", type=Path, help="COMPRESSOR.csv, beside COMPRESSOR/")
    parser.add_argument("--measurements", type=Path, required=True, help="that the examples are from")
    parser.add_argument("--config", type=json.loads, default={}, help="what decides the measurements, as JSON")
    arguments.add_iqam(parser)
    _add_fonts(parser)
    parser.add_argument("-o", "--output", type=Path, required=True)


def run_strips(options: argparse.Namespace) -> None:
    from matplotlib import rc_context

    from qebench.common import style
    from qebench.publishing import qualitative

    with rc_context(style.FONTS[options.fonts]):
        drawn = style.write(qualitative.draw(options.examples, options.block_size, options.iqam), options.output)
    _record(drawn, [options.examples], options)


def _add_results(parser: argparse.ArgumentParser, needed: bool = True) -> None:
    parser.add_argument("--measurements", type=Path, required=needed)
    parser.add_argument("--complexity", type=Path, nargs="+", required=True)
    parser.add_argument("--latency", type=Path, nargs="+", default=[], required=needed)
    parser.add_argument("--thresholds", nargs="+", default=[], required=needed, metavar="COMPRESSOR=T[/T...]")
    parser.add_argument("--exit-rules", nargs="*", default=[], help="to judge (default: all)")
    parser.add_argument("--timed", type=Path, nargs="*", default=[], help="files of exit-latency")
    parser.add_argument("--methods", nargs="+", default=[], required=needed, help="in the order to print")
    parser.add_argument("--protocol", default="", required=needed, help="in words")
    parser.add_argument("--config", type=json.loads, default={}, help="what decides the measurements, as JSON")
    parser.add_argument("-o", "--output", type=Path, required=True)


def _add_fonts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fonts", choices=["sans", "stix"], default="sans", help="stix: like a paper's Times")


def _results(options: argparse.Namespace) -> "Results":
    import pandas as pd

    from qebench.common import files
    from qebench.evaluation import measurements
    from qebench.evaluation.results import Results

    complexity, latency, timed = (
        pd.concat(map(files.read_csv, paths), ignore_index=True) if paths else pd.DataFrame()
        for paths in (options.complexity, options.latency, options.timed)
    )
    rows = pd.DataFrame(columns=measurements.COLUMNS)
    records: list[dict] = []
    if options.measurements:
        rows, records = measurements.read(options.measurements)
    thresholds = arguments.thresholds(options.thresholds)
    native = measurements.native(rows)
    return Results(
        native,
        complexity,
        latency,
        thresholds,
        options.methods,
        options.protocol,
        rows,
        options.exit_rules,
        timed,
        records,
    )


def _record(published: list[Path], inputs: Iterable[Path], options: argparse.Namespace) -> None:
    from qebench.common import provenance
    from qebench.evaluation import measurements

    records = measurements.read(options.measurements)[1] if options.measurements else []
    provenance.write(published, [*filter(None, [options.measurements]), *inputs], options.config, records)
