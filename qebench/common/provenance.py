"""Where a number comes from: commit, library versions, device; and, beside a published file, all that it was made of.

`NAME.provenance.json` lies beside NAME.csv, NAME.pdf and the like, and holds

    files     what was published: name and SHA-256
    inputs    what it was made of: path from this folder and SHA-256
    commit    of the code that made it, with "+" if tracked files differ from it; versions, of the libraries
    config    the part of the configuration that decides it
    measured  on which data, by which codecs, weights, devices and commits: see `summarise`
"""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from qebench.common import files, plugins

LIBRARIES = ["torch", "numpy", "scipy", "scikit-image", "pillow", "av", "imageio-ffmpeg", "pandas", "pyarrow", "numba"]
SUFFIX = ".provenance.json"


def commit() -> str:
    """Return the short git commit, with "+" if tracked files differ from it; "unknown" without git."""
    try:
        revision = _git("rev-parse", "--short=12", "HEAD")
        return revision + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Return the versions of Python and of those libraries that decide numbers that are there: training needs few."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def code(module: str) -> str:
    """Return a checksum of the files of a module of ours and of all of ours that it imports, the same on any machine.

    Unlike `plugins.content` it does not depend on the version of Python; comments count.
    """
    return hashlib.sha256(b"".join(path.read_bytes() for path in plugins.sources(module))).hexdigest()


def device_name(device: str) -> str:
    """Return the marketing name of a torch device, "NVIDIA H100 80GB HBM3" or the processor's."""
    if device != "cpu":
        from qebench.common import devices  # torch takes seconds

        return devices.module(device).get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def write(published: list[Path], inputs: list[Path], config: dict, records: list[dict]) -> None:
    """Write what some published files, of one name but for the suffix, come from; `records`: see `summarise`."""
    path = published[0].with_suffix(SUFFIX)
    content = {
        "files": {file.name: files.sha256(file) for file in published},
        "inputs": {Path(os.path.relpath(file, path.parent)).as_posix(): files.sha256(file) for file in inputs},
        "commit": commit(),
        "versions": versions(),
        "config": config,
        "measured": summarise(records),
    }
    with files.replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict:
    """Return the content of a file of `write`; raise ValueError if it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["files"], content["inputs"], content["config"], content["measured"]  # what others ask of it
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged: remove it and make the table or figure again") from None
    return content


def summarise(records: list[dict]) -> dict[str, list]:
    """Return the different values in the provenance records of measurements: data sets with the checksum of their
    manifest, codecs, methods with the checksum of their weights, devices, precisions, commits, library versions.
    """
    kinds = {
        "data": lambda record: {"dataset": record["dataset"], **record["images"]},
        "codecs": lambda record: {"compressor": record["compressor"], **record["codec"]},
        "methods": lambda record: {"method": record["method"], "weights": record["weights"]},
        "devices": lambda record: record["device"],
        "precisions": lambda record: record.get("precision", "float32"),  # of before it was a setting
        "commits": lambda record: record["commit"],
        "versions": lambda record: record["versions"],
    }
    return {kind: distinct(map(value, records)) for kind, value in kinds.items()}


def distinct(values: Iterable) -> list:
    """Return the different values among some that JSON can hold, in the order of their first appearance."""
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=plugins.ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
