"""Snakemake in copies of the tree: as users start it, or by a fork of a process that has imported it, in less time.

Started as a program this is that process. It reads one run per line from its input, as JSON with `folder`, `words`,
`environment` and the file `log` for all that the run prints, and answers with the exit status of each.
"""

import atexit
import gc
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SECONDS = 300  # after which a run is ended
COMMAND = str(Path(sys.executable).with_name("snakemake"))
IMPORTS = ["snakemake.cli", "snakemake.report.html_reporter", "snakemake_logger_plugin_rich", "smart_open", "numpy"]
IMPORTS += ["pandas", "yaml", "jsonschema", "av", "imagecodecs", "PIL.Image", "pillow_heif", "simplejpeg", "tifffile"]


def environment(**more: str) -> dict[str, str]:
    """Return ours with `more`, without what a Snakemake around us has set.

    CPU threads wait asleep: on a busy machine latency jobs take 20 s otherwise.
    """
    ours = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
    return ours | {"OMP_WAIT_POLICY": "passive"} | more


def run(folder: Path, *words: str, seconds: int = SECONDS, **more: str) -> subprocess.CompletedProcess:
    """Run Snakemake in a folder as users do, in an environment with `more`; what it prints is in `stdout`."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run([COMMAND, *words], cwd=folder, env=environment(**more), timeout=seconds, **streams)


def fork(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess:
    """Return what `run` does, by a fork: the folder's rules and modules are read anew, those of others are there."""
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        order = {"folder": str(folder), "words": words, "environment": environment(**more), "log": log.name}
        server = _server()
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        return subprocess.CompletedProcess([COMMAND, *words], int(server.stdout.readline()), log.read(), "")


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """Return how many jobs of each rule a run or dry run announced."""
    statistics = re.search(r"^Job stats:\n.*?^total +\d+$", done.stdout, re.M | re.S)
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", statistics[0], re.M) if rule != "total"}


@cache
def _server() -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server = subprocess.Popen([sys.executable, "-P", __file__], cwd="/", env=environment(), **pipes)
    atexit.register(server.communicate)  # it ends with its input
    return server


def _serve() -> None:
    """Answer runs until the input ends. None of our modules is imported: each run takes them from its own folder."""
    for name in IMPORTS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # no fork looks at all that once more
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            sys.exit(_snakemake(**order))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _snakemake(folder: str, words: list[str], environment: dict[str, str], log: str) -> int | None:
    """Become what the shell starts by the name of `snakemake`."""
    for stream, path in ((0, os.devnull), (1, log), (2, log)):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.alarm(SECONDS)
    sys.argv, sys.path[:0] = [COMMAND, *words], [str(Path(COMMAND).parent)]
    return importlib.import_module("snakemake.cli").main()


if __name__ == "__main__":
    _serve()
