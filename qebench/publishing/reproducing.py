"""One command for all that can be reproduced here: find pictures and official weights, run what they allow, judge.

Data sets are found by their pictures, not by the names of folders. The results are those of the steps of
docs/reproduce.md, under results/; a step that fails costs what it would have measured, and is named.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from qebench.common import files, images, plugins, provenance
from qebench.datasets import known, membership, originals
from qebench.networks import conversion
from qebench.publishing import programs, scoreboard

OFFICIAL = {  # how official files are called, for which method they are, and what ours are called after the compressor
    "DnCNN3.mat": ("dncnn", "luma-jpeg-dncnn3"),
    **{f"q{quality}.mat": ("arcnn", f"luma-jpeg-official-q{quality}") for quality in (10, 20, 30, 40)},
    "fbcnn_gray.pth": ("fbcnn", "luma-jpeg-fbcnn"),
}
LITERATURE = {"dncnn": "luma-jpeg-dncnn3", "arcnn": "luma-jpeg-official-q{quality}", "fbcnn": "luma-jpeg-fbcnn"}
PROTOCOLS = {"raise": "eccv2020", "div2k": "powerqe"}  # the papers' own pictures
OTHERS = ("kodak", "live1")  # the first of them is for the trends; they have scenes in common
RESULTS = plugins.ROOT / "results"


def run(data: Path | None, weights: Path | None, cores: str, output: Path) -> str:
    """Do all that the pictures under `data` and the official files under `weights` allow; return the page's counts.

    The scoreboard is written as `output` (.csv) and beside it as .md; `cores` is for Snakemake.

    Raises NotADirectoryError if a folder is missing, and RuntimeError at the end if a step failed.
    """
    found, failures = find(data and data.resolve()), []
    for name, folder in found.items():
        print(f"{name}: {membership.describe(name, len(originals.sources(folder)))} in {folder}", file=sys.stderr)
    official = _imported(weights)
    for method in official or ["decoded"]:
        failures += _literature(method, found)
    runs = [*(name for name in PROTOCOLS if name in found), next((name for name in OTHERS if name in found), "demo")]
    parts = RESULTS / "reproduction"
    for name in runs:
        failed = _workflow(name, found.get(name), cores)
        failures += failed
        for table in ("reproduction", "trends") if not failed else ():
            parts.mkdir(parents=True, exist_ok=True)
            shutil.copy(RESULTS / f"{table}.csv", parts / f"{name}.{table}.csv")
    held = programs.run(RESULTS / "original_programs.xml")
    return write([parts / f"{name}.reproduction.csv" for name in runs], held, output, failures)


def find(data: Path | None) -> dict[str, Path]:
    """Return the folder of each data set that is under a folder, as far as there are any; none without one.

    A folder is of a data set if all of its pictures have names of it, and the first has its pixels or size.
    """
    if data is None:
        return {}
    if not data.is_dir():
        raise NotADirectoryError(f"{data} is no folder: name the one that your data sets are in")
    found: dict[str, Path] = {}
    for folder in [data, *sorted(path for path in data.rglob("*") if path.is_dir())]:
        for name in known.COLLECTIONS:
            if name not in found and _is_of(name, folder):
                found[name] = folder
    return found


def write(tables: list[Path], held: pd.DataFrame, output: Path, failures: list[str]) -> str:
    """Write the scoreboard of runs (X.reproduction.csv beside X.trends.csv) and original programs; return its counts.

    Raises RuntimeError, after all is written, if a step failed, and if there is no run at all.
    """
    there = [path for path in tables if path.is_file()]
    if not there:
        raise RuntimeError("; ".join(failures) or "nothing was run")
    table = scoreboard.combine([files.read_csv(path) for path in there])
    of_trends = [path.with_name(path.name.replace(".reproduction", ".trends")) for path in there]
    tested = pd.concat([files.read_csv(path) for path in of_trends])
    tested["note"] = tested["note"].fillna("")
    table["note"] = table["note"].fillna("")
    everything = pd.concat([table, held.assign(paper=scoreboard.PROGRAMS, kind="exact")], ignore_index=True)
    files.write_csv(everything, output)
    names = ", ".join(path.name.partition(".")[0] for path in there)
    with files.replacing(output.with_suffix(".md")) as temporary:
        temporary.write_text(scoreboard.page(table, f"data sets {names}", tested, held), encoding="utf-8")
    provenance.write([output, output.with_suffix(".md")], [*there, *of_trends], {}, [])
    if failures:
        raise RuntimeError(f"{output.with_suffix('.md')} is written, but without: {'; '.join(failures)}")
    return f"{scoreboard.counts(table, held).to_string()}\n\n{output.with_suffix('.md')} has all of it"


def _is_of(name: str, folder: Path) -> bool:
    try:
        paths = originals.choose(name, folder)
        membership.identify(name, paths[0], images.read(paths[0]))
    except (ValueError, OSError):
        return False
    return True


def _imported(weights: Path | None) -> list[str]:
    """Import the official files under a folder; return the methods of LITERATURE that have all of theirs."""
    if weights is None:
        return []
    if not weights.is_dir():
        raise NotADirectoryError(f"{weights} is no folder: name the one that has official files of weights")
    for path in sorted(weights.rglob("*")):
        if path.name in OFFICIAL:
            method, rest = OFFICIAL[path.name]
            conversion.convert(path, method, RESULTS / f"weights/{method}-{rest}.safetensors")
    names = {path.stem for path in (RESULTS / "weights").glob("*.safetensors")}
    wanted = {method: {f"{method}-{rest}" for one, rest in OFFICIAL.values() if one == method} for method in LITERATURE}
    return [method for method, stems in wanted.items() if stems <= names]


def _literature(method: str, found: dict[str, Path]) -> list[str]:
    folders = [(f"--{name}", str(found[name])) for name in ("classic5", "live1") if name in found]
    if not folders:
        return []
    command = ["study", "jpeg-literature", method, *(word for pair in folders for word in pair)]
    if method in LITERATURE:
        command += ["--weights", str(RESULTS / f"weights/{method}-{LITERATURE[method]}.safetensors")]
    return _step([sys.executable, "-m", "qebench", *command, "-o", str(RESULTS / f"jpeg_literature/{method}.csv")])


def _workflow(name: str, folder: Path | None, cores: str) -> list[str]:
    """Run the workflow on a data set, by its paper's protocol or the default one."""
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", cores, "results/reproduction.csv"]
    if name in PROTOCOLS:
        command += ["--configfile", f"workflow/config/{PROTOCOLS[name]}.yaml"]
    settings = [] if folder is None else [f"dataset={name}", f"folders={{{name}: '{folder.resolve()}'}}"]
    if name == "raise" and not _has_hm():
        settings.append("only=[jpeg, hevc]")
    return _step([*command, *(["--config", *settings] if settings else [])])


def _has_hm() -> bool:
    try:
        plugins.find("compressors", "hm").version()
    except (FileNotFoundError, ValueError, RuntimeError):
        return False
    return True


def _step(command: list[str]) -> list[str]:
    """Run a command from the repository's root; return what to say of it if it fails, its words being on stderr."""
    print("+", *command, file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=plugins.ROOT, stdout=sys.stderr)
    return [f"{' '.join(command)} (status {done.returncode})"] if done.returncode else []
