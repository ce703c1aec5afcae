"""Get a data set into a folder, from its source or a zip archive at hand, and check that a folder holds it."""

import os
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from qebench.common import files, images
from qebench.datasets import membership, originals
from qebench.datasets.known import COLLECTIONS


def verify(name: str, folder: Path) -> str:
    """Read every picture in a folder and return in words how much of the data set `name` it is.

    Raises ValueError, or what `images.read` raises, for the first that is not of it, and for two that are the same.
    """
    paths = originals.choose(name, folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(lambda path: membership.identify(name, path, images.read(path)), paths)
        found = dict(zip(tqdm(jobs, total=len(paths), unit="picture", disable=None), paths, strict=True))
    if len(found) < len(paths):
        twin = next(path for path in paths if path not in found.values())
        raise ValueError(f"{twin} has the pixels of another picture in its folder: remove one of them")
    missing = [picture for picture in membership.pictures(name) if picture not in found]
    return f"{membership.describe(name, len(paths))}" + (f"; missing: {', '.join(missing)}" if missing else "")


def download(name: str, part: str, folder: Path) -> None:
    """Download one part of a data set from its official address into a folder, and unpack it there.

    Raises ValueError if the data set has no such part to download, or if what comes has another checksum.
    """
    import pooch

    collection = COLLECTIONS[name]
    archives = [archive for archive in collection.archives if archive.part == part]
    if not archives:
        parts = dict.fromkeys(archive.part for archive in collection.archives)
        can = f"its parts are {', '.join(parts)}" if parts else f"it cannot be downloaded. {collection.source}"
        raise ValueError(f"{collection.title} has no part {part!r} to download: {can}")
    pooch.get_logger().setLevel("WARNING")
    for archive in archives:
        try:
            file = Path(pooch.retrieve(archive.url, archive.sha256, Path(archive.url).name, folder, progressbar=True))
        except OSError as error:
            raise OSError(f"{archive.url} cannot be downloaded: {error}. {collection.source}") from None
        if file.suffix == ".zip":
            _unpack(file, folder)
            file.unlink()


def unpack(name: str, archive: Path, folder: Path) -> None:
    """Unpack the pictures of an official zip archive of a data set into a folder.

    Raises ValueError if it is not that archive, by its SHA-256, or if the data set has none with a known one.
    """
    collection = COLLECTIONS[name]
    known = {known.sha256: known for known in collection.archives if known.sha256}
    if files.sha256(archive) not in known:
        official = " or ".join(Path(known.url).name for known in known.values())
        what = f"is not {official}, by its SHA-256" if official else "is nothing that can be checked"
        raise ValueError(f"{archive} {what}: unpack it yourself and check the folder")
    _unpack(archive, folder)


def _unpack(archive: Path, folder: Path) -> None:
    """Put the pictures in a zip archive into a folder, without its own folders, and none before all are unpacked."""
    temporary = Path(folder) / f".unpacking.{os.getpid()}"
    try:
        temporary.mkdir(parents=True)
        with zipfile.ZipFile(archive) as opened:
            members = [name for name in opened.namelist() if PurePosixPath(name).suffix.lower() in originals.SUFFIXES]
            for member in tqdm(members, unit="picture", disable=None):
                (temporary / PurePosixPath(member).name).write_bytes(opened.read(member))
        for path in temporary.iterdir():
            path.replace(Path(folder) / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
