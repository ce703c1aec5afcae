"""The commands that make and check data sets: prepare, dataset, shard."""

import argparse
from pathlib import Path


def add_prepare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="a folder of pictures, or demo")
    parser.add_argument("-o", "--output", type=Path, required=True, help="X.csv; the images go to X/ beside it")
    parser.add_argument("--colour", choices=["luma", "rgb"], required=True)
    parser.add_argument("--crop", type=int, help="largest side of the centre crop (default: no crop)")
    parser.add_argument("--scale", type=int, default=1, help="factor of down-scaling (default: 1)")
    parser.add_argument("--dataset", default="", help="check that the pictures are of it: raise, div2k, kodak, ...")
    parser.add_argument("--split", type=Path, help="take only the test part of this split file")


def run_prepare(options: argparse.Namespace) -> None:
    from qebench.datasets import originals

    folder = None if options.folder == "demo" else Path(options.folder)
    sources = originals.choose(options.dataset, folder, options.split)
    protocol = originals.Protocol(options.colour, options.crop, options.scale)
    originals.write(sources, protocol, options.output.with_suffix(""), options.output, options.dataset)


def add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="raise, div2k, kodak, live1 or classic5")
    parser.add_argument("folder", type=Path, nargs="?", help="with its pictures, to check every one")
    obtain = parser.add_mutually_exclusive_group()
    obtain.add_argument("--download", metavar="PART", help="get this part into the folder first, from its source")
    obtain.add_argument("--zip", type=Path, metavar="FILE", help="unpack this official archive into the folder first")


def run_dataset(options: argparse.Namespace) -> None:
    from qebench.datasets import fetch, known

    collection = known.find(options.name)
    if options.folder is None:
        if options.download or options.zip:
            raise ValueError("there is no folder to put the pictures into: name one after the data set")
        print(known.text(collection))
        return
    if options.download:
        fetch.download(options.name, options.download, options.folder)
    elif options.zip:
        fetch.unpack(options.name, options.zip, options.folder)
    print(fetch.verify(options.name, options.folder))


def add_shard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path, help="X.csv, beside X/")
    parser.add_argument("number", type=int, help="from 1")
    parser.add_argument("count", type=int)
    parser.add_argument("-o", "--output", type=Path, required=True, help="Y.csv; beside it Y, a link to X/")


def run_shard(options: argparse.Namespace) -> None:
    from qebench.datasets import shards

    shards.write(options.manifest, options.number, options.count, options.output)
