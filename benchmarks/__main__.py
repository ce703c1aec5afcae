"""python -m benchmarks complexity rbqe -o rbqe.csv

The measuring steps of the workflow, each also by hand.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable
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
    prepare.add_argument("--dataset", default="", help="check that the pictures are of it: raise, div2k, kodak, ...")
    prepare.add_argument("--split", type=Path, help="take only the test part of this split file")

    dataset = steps.add_parser("dataset", help="what a known data set is, whether a folder holds it, how to get it")
    dataset.add_argument("name", help="raise, div2k, kodak, live1 or classic5")
    dataset.add_argument("folder", type=Path, nargs="?", help="with its pictures, to check every one")
    obtain = dataset.add_mutually_exclusive_group()
    obtain.add_argument("--download", metavar="PART", help="get this part into the folder first, from its source")
    obtain.add_argument("--zip", type=Path, metavar="FILE", help="unpack this official archive into the folder first")

    shard = steps.add_parser("shard", help="the manifest of a part of a data set")
    shard.add_argument("manifest", type=Path, help="X.csv, beside X/")
    shard.add_argument("number", type=int, help="from 1")
    shard.add_argument("count", type=int)
    shard.add_argument("-o", "--output", type=Path, required=True, help="Y.csv; beside it Y, a link to X/")

    evaluate = steps.add_parser("evaluate", help="measure one method on one compressor")
    evaluate.add_argument("method")
    evaluate.add_argument("--weights", type=Path)
    evaluate.add_argument("--originals", type=Path, required=True, help="X.csv, beside X/")
    evaluate.add_argument("--decoded", type=Path, nargs="+", required=True, help="QUALITY.csv, beside QUALITY/")
    evaluate.add_argument("--keys", nargs=2, required=True, metavar=("DATASET", "COMPRESSOR"))
    evaluate.add_argument("--trained-on", default="", metavar="COMPRESSOR", help="the one that the weights are for")
    evaluate.add_argument("--metrics", nargs="+", required=True)
    evaluate.add_argument("--block-size", type=int, choices=[4, 8], required=True, help="of the IQAM")
    evaluate.add_argument("--iqam", choices=["matlab", "powerqe"], default="matlab", help="variant (default: matlab)")
    evaluate.add_argument("-o", "--output", type=Path, required=True)
    _add_device(evaluate)

    merge = steps.add_parser("merge", help="several files of measurements to one")
    merge.add_argument("inputs", type=Path, nargs="+")
    merge.add_argument("--whole", type=Path, help="the manifest of the data set, if they are of its parts")
    merge.add_argument("-o", "--output", type=Path, required=True)

    examples = steps.add_parser("examples", help="a few images to look at, enhanced again, beside what was measured")
    examples.add_argument("--measurements", type=Path, required=True)
    examples.add_argument("--originals", type=Path, required=True, help="X.csv, beside X/")
    examples.add_argument("--decoded", type=Path, nargs="+", required=True, help="QUALITY.csv, beside QUALITY/")
    examples.add_argument("--keys", nargs=2, required=True, metavar=("DATASET", "COMPRESSOR"))
    examples.add_argument(
        "--methods", nargs="+", required=True, metavar="METHOD[=WEIGHTS]", help="in the order to show"
    )
    examples.add_argument("--thresholds", nargs="+", default=[], metavar="COMPRESSOR=T")
    examples.add_argument("-o", "--output", type=Path, required=True, help="X.csv; the images go to X/ beside it")
    _add_device(examples)

    complexity = steps.add_parser("complexity", help="parameters and GMACs of one method, per exit")
    complexity.add_argument("method")
    complexity.add_argument("--weights", type=Path, help="decide the form of the network (default: its first)")
    complexity.add_argument("--channels", type=int, choices=[1, 3], default=1)
    _add_size(complexity)

    _add_size(steps.add_parser("survey", help="the table of complexity: every form of every network in methods/"))

    latency = steps.add_parser("latency", help="milliseconds per exit, at 512x512")
    latency.add_argument("method")
    latency.add_argument("--weights", type=Path, help="decide the form of the network (default: its first)")
    latency.add_argument("--channels", type=int, choices=[1, 3], default=1)
    latency.add_argument("--block-size", type=int, choices=[4, 8], default=4, help="of the IQAM")
    latency.add_argument("-o", "--output", type=Path, required=True)
    _add_device(latency)

    exit_latency = steps.add_parser("exit-latency", help="milliseconds of decoded pictures, with early exit or not")
    exit_latency.add_argument("method")
    exit_latency.add_argument("--weights", type=Path)
    exit_latency.add_argument("--compressor", required=True)
    exit_latency.add_argument("--decoded", type=Path, nargs="+", required=True, help="QUALITY.csv, beside QUALITY/")
    exit_latency.add_argument("--block-size", type=int, choices=[4, 8], required=True, help="of the IQAM")
    exit_latency.add_argument("--iqam", choices=["matlab", "powerqe"], default="matlab", help="(default: matlab)")
    exit_latency.add_argument("--threshold", type=float, required=True, help="of early exit")
    exit_latency.add_argument("-o", "--output", type=Path, required=True)
    _add_device(exit_latency)

    grid = steps.add_parser("latency-grid", help="milliseconds over batches, sizes, precisions, eager and compiled")
    grid.add_argument("method")
    grid.add_argument("--weights", type=Path, help="decide the form of the network (default: its first)")
    grid.add_argument("--channels", type=int, choices=[1, 3], default=1)
    grid.add_argument("-o", "--output", type=Path, required=True)
    _add_device(grid)

    combine = steps.add_parser("latency-table", help="files of latency to one, as CSV and Markdown")
    combine.add_argument("inputs", type=Path, nargs="+", help="measured on this machine")
    combine.add_argument("--measured", type=Path, nargs="*", default=[], help="files of benchmarks/measured")
    combine.add_argument("-o", "--output", type=Path, required=True)

    keep = steps.add_parser("latency-keep", help="what was measured here to benchmarks/measured/NAME.csv")
    keep.add_argument("name", help="of the machine, as epyc-9xx5-2-cores")
    keep.add_argument("--latency", type=Path, default=Path("results/latency.csv"))

    literature = steps.add_parser("jpeg-literature", help="a method beside published numbers on classic5 and LIVE1")
    literature.add_argument("method")
    literature.add_argument("--weights", type=Path)
    literature.add_argument("--classic5", type=Path, help="the folder of its 5 pictures")
    literature.add_argument("--live1", type=Path, help="the folder of its 29 pictures")
    literature.add_argument("-o", "--output", type=Path, help="X.csv, for `reproduction` (default: print alone)")
    _add_device(literature)

    _add_device(steps.add_parser("iqam-speed", help="the IQAM against a per-block loop, as ratios"))
    rbqe_speed = steps.add_parser("rbqe-speed", help="RBQE against itself run plainly and as released, as ratios (CPU)")
    rbqe_speed.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")
    folder_speed = steps.add_parser("folder-speed", help="compression of a folder by two processes against one")
    folder_speed.add_argument("compressors", nargs="+")
    folder_speed.add_argument("--pictures", type=int, default=24, help="how many, of the demo's (default: 24)")
    exit_cost = steps.add_parser("exit-cost", help="stopping at an exit against computing it alone, as ratios")
    exit_cost.add_argument("--method", default="rbqe")
    _add_device(exit_cost)

    exit_check = steps.add_parser("exit-check", help="do images really stop where the measurements of a run say?")
    exit_check.add_argument("method")
    exit_check.add_argument("--weights", required=True, help="with {compressor} for its name")
    exit_check.add_argument("--results", type=Path, default=Path("results"), help="of the run (default: results)")
    exit_check.add_argument("--thresholds", nargs="+", metavar="COMPRESSOR=T", help="(default: those of default.yaml)")
    _add_device(exit_check)

    for kind in ("table", "figure"):
        publish = steps.add_parser(kind, help=f"one {kind} of benchmarks/{kind}s/")
        publish.add_argument("name")
        needed = kind == "table"  # a figure of costs takes --complexity alone
        _add_results(publish, needed)

    reproduction = steps.add_parser("reproduction", help="every published number against ours, with a verdict")
    _add_results(reproduction)
    reproduction.add_argument("--survey", type=Path, required=True, help="complexity.csv of all networks")
    reproduction.add_argument("--literature", type=Path, nargs="*", default=[], help="files of jpeg-literature -o")
    reproduction.add_argument("--follows", default="", help="the paper's protocol that the run follows (default: none)")

    report = steps.add_parser("report", help="the page of tables, plots, images and provenance")
    report.add_argument("--measurements", type=Path, required=True)
    report.add_argument("--tables", type=Path, nargs="+", required=True, help="X.csv, beside X.md")
    report.add_argument("--figures", type=Path, nargs="*", default=[], help="PNG files")
    report.add_argument("--examples", type=Path, nargs="*", default=[], help="COMPRESSOR.csv, beside COMPRESSOR/")
    report.add_argument("--thresholds", nargs="+", default=[], metavar="COMPRESSOR=T")
    report.add_argument("--methods", nargs="+", required=True, help="in the order to show")
    report.add_argument("--protocol", required=True, help="in words")
    report.add_argument("--config", required=True, help="as text")
    report.add_argument("-o", "--output", type=Path, required=True)

    strips = steps.add_parser("strips", help="the figure of the examples of one compressor")
    strips.add_argument("examples", type=Path, help="COMPRESSOR.csv, beside COMPRESSOR/")
    strips.add_argument("--measurements", type=Path, required=True, help="that the examples are from")
    strips.add_argument("--config", type=json.loads, default={}, help="what decides the measurements, as JSON")
    strips.add_argument("--block-size", type=int, choices=[4, 8], required=True, help="of the IQAM")
    strips.add_argument("--iqam", choices=["matlab", "powerqe"], default="matlab", help="variant (default: matlab)")
    strips.add_argument("-o", "--output", type=Path, required=True)

    verify = steps.add_parser("verify", help="do results still hold? checksums of all, and a sample measured again")
    verify.add_argument("results", type=Path)
    verify.add_argument("--sample", type=int, default=8, metavar="N", help="images to measure again (default: 8)")
    _add_device(verify)

    compare = steps.add_parser("compare", help="what changed between two folders of results")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)

    export = steps.add_parser("export", help="tables, figures, measurements as one archive with an RO-Crate")
    export.add_argument("results", type=Path)
    export.add_argument("output", type=Path, help="X.zip")

    options = parser.parse_args(arguments)
    try:
        globals()[f"_{options.step.replace('-', '_')}"](options)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")


def _add_results(parser: argparse.ArgumentParser, needed: bool = True) -> None:
    parser.add_argument("--measurements", type=Path, required=needed)
    parser.add_argument("--complexity", type=Path, nargs="+", required=True)
    parser.add_argument("--latency", type=Path, nargs="+", default=[], required=needed)
    parser.add_argument("--thresholds", nargs="+", default=[], required=needed, metavar="COMPRESSOR=T")
    parser.add_argument("--methods", nargs="+", default=[], required=needed, help="in the order to print")
    parser.add_argument("--protocol", default="", required=needed, help="in words")
    parser.add_argument("--config", type=json.loads, default={}, help="what decides the measurements, as JSON")
    parser.add_argument("-o", "--output", type=Path, required=True)


def _add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--height", type=int, default=512, help="of the image, pixels (default: 512)")
    parser.add_argument("--width", type=int, default=512, help="of the image, pixels (default: 512)")
    parser.add_argument("-o", "--output", type=Path, required=True)


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")


def _prepare(options: argparse.Namespace) -> None:
    from benchmarks import datasets

    folder = None if options.folder == "demo" else Path(options.folder)
    sources = datasets.choose(options.dataset, folder, options.split)
    protocol = datasets.Protocol(options.colour, options.crop, options.scale)
    datasets.write(sources, protocol, options.output.with_suffix(""), options.output, options.dataset)


def _dataset(options: argparse.Namespace) -> None:
    from benchmarks import collections, fetch

    collection = collections.find(options.name)
    if options.folder is None:
        if options.download or options.zip:
            raise ValueError("there is no folder to put the pictures into: name one after the data set")
        print(collections.text(collection))
        return
    if options.download:
        fetch.download(options.name, options.download, options.folder)
    elif options.zip:
        fetch.unpack(options.name, options.zip, options.folder)
    print(fetch.verify(options.name, options.folder))


def _shard(options: argparse.Namespace) -> None:
    from benchmarks import shards

    shards.write(options.manifest, options.number, options.count, options.output)


def _evaluate(options: argparse.Namespace) -> None:
    from benchmarks import measurements
    from benchmarks.evaluate import evaluate
    from methods import network

    device = network.choose_device(options.device, options.threads)
    rows, records, pace = evaluate(
        options.method,
        options.weights,
        options.originals,
        options.decoded,
        options.metrics,
        options.block_size,
        options.iqam,
        device,
    )
    dataset, compressor = options.keys
    keys = {"dataset": dataset, "compressor": compressor, "method": options.method, "trained_on": options.trained_on}
    measurements.write(rows.assign(**keys), [keys | record for record in records], options.output)
    print(pace, file=sys.stderr)


def _merge(options: argparse.Namespace) -> None:
    from benchmarks import measurements

    measurements.merge(options.inputs, options.output, options.whole)


def _examples(options: argparse.Namespace) -> None:
    from benchmarks import examples, measurements
    from methods import network

    device = network.choose_device(options.device, options.threads)
    rows = measurements.native(measurements.read(options.measurements)[0])
    dataset, compressor = options.keys
    rows = rows[(rows["dataset"] == dataset) & (rows["compressor"] == compressor)]
    named = (name.partition("=")[::2] for name in options.methods)
    weights = {method: Path(path) if path else None for method, path in named}
    sources = examples.Sources(options.originals, options.decoded, weights)
    examples.write(rows, _thresholds(options.thresholds), sources, device, options.output)


def _complexity(options: argparse.Namespace) -> None:
    from benchmarks import complexity

    records = complexity.measure(options.method, options.channels, options.height, options.width, options.weights)
    _write_csv(records, options.output)


def _survey(options: argparse.Namespace) -> None:
    from benchmarks import complexity, provenance, tables

    written = tables.write(complexity.survey(options.height, options.width), complexity.NOTE, options.output)
    provenance.write(written, [], {}, [])


def _latency(options: argparse.Namespace) -> None:
    from benchmarks import latency
    from methods import network

    device = network.choose_device(options.device, options.threads)
    records = latency.measure(options.method, options.channels, options.block_size, device, options.weights)
    _write_csv(records, options.output)


def _exit_latency(options: argparse.Namespace) -> None:
    from benchmarks import exit_latency
    from methods import network

    device = network.choose_device(options.device, options.threads)
    rule = exit_latency.Rule(options.block_size, options.threshold, options.iqam)
    records = exit_latency.measure(options.method, options.weights, options.compressor, options.decoded, rule, device)
    _write_csv(records, options.output)
    print(exit_latency.text(records))


def _latency_grid(options: argparse.Namespace) -> None:
    from benchmarks import latency_grid
    from methods import network

    device = network.choose_device(options.device, options.threads)
    _write_csv(latency_grid.measure(options.method, options.channels, device, options.weights), options.output)


def _latency_table(options: argparse.Namespace) -> None:
    from benchmarks import measured

    measured.write(measured.combine(options.inputs, options.measured), options.output)


def _latency_keep(options: argparse.Namespace) -> None:
    from benchmarks import measured

    print(measured.keep(options.name, options.latency))


def _jpeg_literature(options: argparse.Namespace) -> None:
    from benchmarks import literature
    from methods import network

    named = {"classic5": options.classic5, "live1": options.live1}
    folders = {dataset: folder for dataset, folder in named.items() if folder is not None}
    if not folders:
        raise ValueError("there is nothing to measure on: name a folder by --classic5, --live1 or both")
    device = network.choose_device(options.device, options.threads)
    found = literature.compare(options.method, options.weights, folders, device)
    if options.output:
        _write_csv(found.to_dict("records"), options.output)
    print(literature.text(found))


def _iqam_speed(options: argparse.Namespace) -> None:
    from benchmarks import speed
    from methods import network

    print(speed.iqam_speed(network.choose_device(options.device, options.threads)))


def _rbqe_speed(options: argparse.Namespace) -> None:
    from benchmarks import rbqe_speed
    from methods import network

    network.choose_device("cpu", options.threads)
    print(rbqe_speed.text())


def _folder_speed(options: argparse.Namespace) -> None:
    from benchmarks import folder_speed

    print(folder_speed.text(options.compressors, options.pictures))


def _exit_cost(options: argparse.Namespace) -> None:
    from benchmarks import speed
    from methods import network

    print(speed.exit_cost(options.method, network.choose_device(options.device, options.threads)))


def _exit_check(options: argparse.Namespace) -> None:
    from benchmarks import config, exit_check, measurements
    from methods import network

    rows, _ = measurements.read(options.results / "measurements.parquet")
    compressors = config.default()["compressors"]
    for name, threshold in _thresholds(options.thresholds or []).items():
        if name not in compressors:
            raise ValueError(f"--thresholds names {name!r}: choose from {', '.join(compressors)}")
        compressors[name]["threshold"] = threshold
    device = network.choose_device(options.device, options.threads)
    table = exit_check.compare(rows, options.method, options.weights, options.results / "decoded", compressors, device)
    print(exit_check.text(table))


def _table(options: argparse.Namespace) -> None:
    from benchmarks import plugins, tables

    results, module = _results(options), plugins.find("benchmarks/tables", options.name)
    marked = module.marked(results) if hasattr(module, "marked") else None
    frame = module.tabulate(results)
    places = module.places(frame) if hasattr(module, "places") else None
    written = tables.write(frame, module.note(results), options.output, marked, places)
    _record(written, [*options.complexity, *options.latency], options)


def _figure(options: argparse.Namespace) -> None:
    from benchmarks import figures, plugins

    drawn = figures.write(plugins.find("benchmarks/figures", options.name).draw(_results(options)), options.output)
    _record(drawn, [*options.complexity, *options.latency], options)


def _record(published: list[Path], inputs: Iterable[Path], options: argparse.Namespace) -> None:
    from benchmarks import measurements, provenance

    records = measurements.read(options.measurements)[1] if options.measurements else []
    provenance.write(published, [*filter(None, [options.measurements]), *inputs], options.config, records)


def _verify(options: argparse.Namespace) -> None:
    from benchmarks.verify import verify
    from methods import network

    device = network.choose_device(options.device, options.threads)
    broken = 0
    for what, problems in verify(options.results, options.sample, device):
        print(f"{what}: {'ok' if not problems else f'{len(problems)} no longer hold'}", flush=True)
        for problem in problems:
            print(f"  {problem}", flush=True)
        broken += len(problems)
    if broken:
        raise ValueError(f"{options.results}: {broken} findings, see above; `snakemake` makes results anew")


def _compare(options: argparse.Namespace) -> None:
    from benchmarks import comparison

    print(comparison.compare(options.before, options.after))


def _export(options: argparse.Namespace) -> None:
    from benchmarks import crate

    crate.write(options.results, options.output)


def _reproduction(options: argparse.Namespace) -> None:
    import pandas as pd

    from benchmarks import files, ours, reproduction

    results = _results(options)
    found = ours.collect(results, pd.read_csv(options.survey), [pd.read_csv(path) for path in options.literature])
    table = reproduction.compare(found, options.follows, options.methods)
    _write_csv(table.round({"ours": 5, "difference": 5, "tolerance": 5}).to_dict("records"), options.output)
    with files.replacing(options.output.with_suffix(".md")) as temporary:
        temporary.write_text(reproduction.page(table, options.protocol), encoding="utf-8")
    published = [options.output, options.output.with_suffix(".md")]
    _record(published, [*options.complexity, *options.latency, options.survey, *options.literature], options)


def _report(options: argparse.Namespace) -> None:
    import pandas as pd
    import yaml

    from benchmarks import measurements, provenance, report
    from benchmarks.tables import Results

    rows, records = measurements.read(options.measurements)
    native, costs = measurements.native(rows), pd.DataFrame()
    thresholds = _thresholds(options.thresholds)
    results = Results(native, costs, costs, thresholds, options.methods, options.protocol, rows)
    shown = report.Shown(options.tables, options.figures, options.examples)
    report.write(results, records, shown, options.config, options.output)
    shown_files = [*options.tables, *options.figures, *options.examples]
    provenance.write([options.output], [options.measurements, *shown_files], yaml.safe_load(options.config), records)


def _strips(options: argparse.Namespace) -> None:
    from benchmarks import figures, qualitative

    drawn = figures.write(qualitative.draw(options.examples, options.block_size, options.iqam), options.output)
    _record(drawn, [options.examples], options)


def _results(options: argparse.Namespace):
    import pandas as pd

    from benchmarks import measurements
    from benchmarks.tables import Results

    complexity, latency = (
        pd.concat(map(pd.read_csv, paths), ignore_index=True) if paths else pd.DataFrame()
        for paths in (options.complexity, options.latency)
    )
    rows = pd.DataFrame(columns=measurements.COLUMNS)
    if options.measurements:
        rows, _ = measurements.read(options.measurements)
    thresholds = _thresholds(options.thresholds)
    native = measurements.native(rows)
    return Results(native, complexity, latency, thresholds, options.methods, options.protocol, rows)


def _thresholds(pairs: list[str]) -> dict[str, float]:
    return {name: float(value) for name, value in (pair.split("=") for pair in pairs)}


def _write_csv(records: list[dict], path: Path) -> None:
    import pandas as pd

    from benchmarks import files

    with files.replacing(path) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False, lineterminator="\n")


if __name__ == "__main__":
    allocator.settle()
    main()
