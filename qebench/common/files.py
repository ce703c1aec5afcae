"""Write files so that no half of one ever passes for a whole, and identify them by content."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ADVICE = {
    errno.ENOSPC: "free some space there, or name another place (TMPDIR for temporary files), and run again",
    errno.EDQUOT: "free some of your quota there, or name another place, and run again",
    errno.EROFS: "name another place, or mount it to be written to",
    errno.EACCES: "name another place, or let yourself write there",
}
# Columns of our tables that hold names and texts.
NAMES = {"dataset", "image", "picture", "source", "compressor", "method", "form", "version", "settings", "told"}
NAMES |= {"sha256", "sha256_source", "rule", "trained_on"}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there takes its place if the block ends without error.

    Raises OSError that names the path and what to do if it cannot be written.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
    finally:
        with suppress(OSError):  # where nothing can be written, nothing was
            temporary.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what is raised because `path`, a file or folder, is on a full disk or write-protected into an OSError.

    It says what to do; the libraries that write tell little.
    """
    try:
        yield
    except Exception as error:
        code = getattr(error, "errno", None)
        if code not in ADVICE and not isinstance(error, ValueError) and _is_full(Path(path)):
            code = errno.ENOSPC  # not told by Pillow, PyTorch, safetensors and external programs
        if code not in ADVICE:
            raise
        raise OSError(f"{path} cannot be written: {os.strerror(code)}: {ADVICE[code]}") from error


def named(path: Path) -> str:
    """Return a path as it was given, and where it leads to if that is written otherwise."""
    resolved = str(Path(path).resolve())
    return resolved if resolved == str(path) else f"{path} ({resolved})"


def temporary_name(path: Path) -> Path:
    """Return a hidden name beside `path` for this process alone, and remove what killed ones left by such a name."""
    for leftover in _leftovers(path.parent.absolute()):
        named = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.tmp", leftover.name)
        if named and not _runs(int(named[1])):
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def set_aside(paths: list[Path], folder: Path) -> list[Path]:
    """Move those files and folders in `folder` that are there to `folder`/.superseded, and return them.

    What an earlier call moved there under the same name is replaced.
    """
    found = [path for path in paths if path.exists()]
    for path in found:
        place = folder / ".superseded" / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            shutil.rmtree(place)
        path.replace(place)
    return found


def write_csv(rows: "pd.DataFrame | list[dict]", path: Path) -> None:
    """Write a table without its index, or records with one key per column, whole or not at all."""
    import pandas as pd  # late: common.smk and the command lines import this module without needing it

    with replacing(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")


def read_csv(path: Path, text: bool = False) -> "pd.DataFrame":
    """Return a table of ours: NAMES as text whatever they look like, other columns as numbers unless `text` is asked.

    Empty cells alone are missing: a picture may be called NA, null or 007. Raises ValueError with the file's name if
    it is no table.
    """
    import pandas as pd

    try:
        return pd.read_csv(
            path, keep_default_na=False, na_values=[""], dtype=str if text else dict.fromkeys(NAMES, str)
        )
    except ValueError as error:  # pandas does not name the file
        raise ValueError(f"{path} is no table ({error}): delete it and run again") from None


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache  # listed once: a folder of thousands of pictures on a network drive takes its time
def _leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(".*.tmp"))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _is_full(path: Path) -> bool:
    folder = path if path.is_dir() else path.parent
    return folder.is_dir() and shutil.disk_usage(folder).free == 0
