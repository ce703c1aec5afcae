"""Commands of ours that start within milliseconds and are killed at any moment, and disks that are full or read-only.

As a program this is the process that the commands are forked from: it has imported what they need, or half a second of
work would begin with three of imports.
"""

import atexit
import importlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numba
import pytest

from qebench.common import memory

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = (
    "bjontegaard",
    "matplotlib.backends.backend_pdf",
    "methods.dcad",
    "qebench.iqa.compiled",
    "qebench.training.command",
)
IMPORTED += (
    "torch._dynamo",
    "qebench.cost.complexity",
    "qebench.evaluation.evaluate",
    "benchmarks.figures",
    "qebench.evaluation.measurements",
)


@dataclass
class Ended:
    """How a command ended: its exit status (below 0: by that signal), what it said, and after how many seconds."""

    status: int
    words: str
    seconds: float


class Commands:
    """Run `python -m` commands in a folder, one at a time, each a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        environment = os.environ | memory.SETTINGS | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._parent = subprocess.Popen([sys.executable, __file__], env=environment, cwd=folder, **pipes)

    def run(
        self,
        words: list[str],
        folder: Path,
        after: float | None = None,
        by: int = signal.SIGKILL,
        environment: dict[str, str] | None = None,
        constants: dict[str, float] | None = None,
    ) -> Ended:
        """Run a command, e.g. ["benchmarks", "merge", ...], and end its whole process group by a signal if still there.

        That is `after` seconds, or never. `constants` are those of modules, by full name, that take other values.
        """
        request = [words, str(folder), str(self.log), environment or {}, constants or {}]
        print(json.dumps(request), file=self._parent.stdin, flush=True)
        group, began = int(self._parent.stdout.readline()), time.monotonic()
        if after is not None:
            time.sleep(after)
            os.killpg(group, by)  # the group is there until we answer
        print("ended", file=self._parent.stdin, flush=True)
        status = os.waitstatus_to_exitcode(int(self._parent.stdout.readline()))
        return Ended(status, self.log.read_text(), time.monotonic() - began)

    def close(self) -> None:
        self._parent.stdin.close()
        self._parent.wait()
        self._parent.stdout.close()


@contextmanager
def disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small file system in memory; skip the test where that is not allowed."""
    folder.mkdir()
    if os.geteuid() or not mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder)):
        pytest.skip("mounting a small disk needs root with the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def mount(*options: str) -> bool:
    return shutil.which("mount") is not None and not subprocess.run(["mount", *options], capture_output=True).returncode


def fill(disk: Path) -> Path:
    """Write a file that takes all the space that is left."""
    with (disk / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return Path(file.name)


def _serve() -> None:
    """Fork a command per request; tell its process, and once asked for, how it ended."""
    for module in IMPORTED:
        importlib.import_module(module)
    numba.njit(lambda: 0)()  # which imports a good part of it
    while line := sys.stdin.readline():
        words, folder, log, environment, constants = json.loads(line)
        if not (child := os.fork()):
            _become(words, folder, log, environment, constants)
        os.setpgid(child, child)  # by whichever of both comes first
        print(child, flush=True)
        sys.stdin.readline()
        print(os.waitpid(child, 0)[1], flush=True)


def _become(words: list[str], folder: str, log: str, environment: dict, constants: dict) -> None:
    os.setpgid(0, 0)
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None  # to be chosen by TMPDIR
    streams = [os.open(os.devnull, os.O_RDONLY), *[os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)] * 2]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    sys.argv = words
    status: object = 0
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)  # to take down all that has been imported takes a second


if __name__ == "__main__":
    _serve()
