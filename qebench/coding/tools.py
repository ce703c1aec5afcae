"""Find and run the external programs of codecs that no Python package carries."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qebench.common import files

TIME_LIMIT = 600  # seconds for one picture
LAST_LINES = 5  # of a failed program's words that its error repeats


def find(name: str, variable: str, source: str) -> Path:
    """Return the program that the environment variable `variable` names, or else `name` on PATH.

    Raises FileNotFoundError that ends with `source`, a sentence about where the program comes from.
    """
    chosen = os.environ.get(variable)
    found = shutil.which(chosen or name)
    if found:
        return Path(found).resolve()
    if chosen:
        raise FileNotFoundError(f"{variable} is {chosen}, which is no program that can be run. {source}")
    raise FileNotFoundError(f"{name} is not installed: put it on PATH, or its path into {variable}. {source}")


def run(
    command: list[str | Path], limit: float = TIME_LIMIT, input: bytes = b"", folder: Path | None = None
) -> subprocess.CompletedProcess:
    """Run a program, with `input` on its standard input, in `folder`, and return what it wrote (bytes).

    Raises RuntimeError with the program's last words if it cannot be started, fails or takes over `limit` seconds; it
    and what it started are then killed.
    """
    name = Path(command[0]).name
    try:
        with subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(input, timeout=limit)
            except BaseException as error:  # an interrupt, too: nothing is left running
                os.killpg(process.pid, 9)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise RuntimeError(f"{name} took over {limit:g} s and was stopped") from None
                raise
    except OSError as error:
        raise RuntimeError(f"{name} could not be started: {error}") from None
    if process.returncode:
        reason = f"signal {-process.returncode}" if process.returncode < 0 else f"exit status {process.returncode}"
        raise RuntimeError(f"{name} failed with {reason}{_last_words(stderr or stdout)}")
    return subprocess.CompletedProcess(command, 0, stdout, stderr)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give an empty folder for a program's files, which is removed afterwards; TMPDIR decides where.

    Raises OSError that says what to do if there is no space left.
    """
    with tempfile.TemporaryDirectory() as name, files.writing(Path(name)):
        yield Path(name)


def _last_words(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()[-LAST_LINES:]
    return ": " + " | ".join(line.strip() for line in lines) if lines else " and said nothing"
