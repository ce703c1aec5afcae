"""Decide which files `enhance` reads and writes, and find what is wrong with them, before the first is enhanced."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from qebench.common import files, images
from qebench.datasets import originals

READABLE = {*originals.SUFFIXES, ".jfif", ".jpe", ".heif", ".hif"}


@dataclass(frozen=True)
class Item:
    """A file that was asked for: where its result goes, what compressed it, or the reason why it can't be enhanced.

    `halved` says that it is a JPEG file in colour, in 4:2:0.
    """

    source: Path
    output: Path
    compressor: str = ""
    halved: bool = False
    reason: str = ""


def survey(inputs: list[Path], output: Path, recursive: bool, compressor: str | None) -> list[Item]:
    """Return the pictures among `inputs`, files and folders, each read once to see whether it can be enhanced.

    A folder's pictures are those files in it that any program calls pictures by their suffix, and broken links; its
    sub-folders count as what can't be enhanced unless `recursive`. `compressor` is for files that do not tell theirs.

    Raises ValueError if the output can't be: a file for several pictures, one of another format than PNG, one of the
    sources, the same for two of them, or where nothing can be written.
    """
    found = [pair for path in inputs for pair in (_within(path, output, recursive) if path.is_dir() else [(path, "")])]
    if not found:
        raise ValueError(f"{files.named(inputs[0])} has no pictures: put files in it that end in {', '.join(READABLE)}")
    outputs = _outputs(found, output)
    items = []
    for (source, _), path in zip(found, outputs, strict=True):
        try:
            items.append(Item(source, path, *_coding(source, compressor)))
        except (ValueError, OSError) as error:
            items.append(Item(source, path, reason=str(error)))
    return items


def _within(folder: Path, output: Path, recursive: bool) -> Iterator[tuple[Path, str]]:
    """Yield what a folder holds that may be a picture, with the path of its sub-folder, "" for the folder itself."""
    pictures = READABLE | set(Image.registered_extensions()) | {".jxl"}
    for path in sorted(folder.iterdir()):
        if path.name[0] == "." or path.resolve() == output.resolve():
            continue
        if path.is_dir() and recursive:
            yield from ((inner, os.path.join(path.name, place)) for inner, place in _within(path, output, True))
        elif path.is_dir() or path.is_symlink() or path.suffix.lower() in pictures:
            yield path, ""


def _coding(source: Path, compressor: str | None) -> tuple[str, bool]:
    """Return the compressor whose weights suit a picture file, and whether it is JPEG in 4:2:0.

    Raises ValueError or OSError if it can't be enhanced.
    """
    if source.is_dir():
        raise ValueError(f"{files.named(source)} is a folder: add --recursive")
    if not source.exists():
        what = "is a link to a file that is not there" if source.is_symlink() else "is not there"
        raise FileNotFoundError(f"{files.named(source)} {what}")
    originals.check_name(source)
    container = images.container(source)
    picture = images.load(source)
    chosen = compressor or {"JPEG": "jpeg", "HEIF": "hevc"}.get(container)
    if chosen is None:
        raise ValueError(
            f"{files.named(source)} is {container}, which does not tell what compressed it: add --compressor"
        )
    in_colour = picture.quantisation is not None and len(picture.quantisation.steps) == 3
    return chosen, in_colour and picture.subsampling == (2, 2)


def _outputs(found: list[tuple[Path, str]], output: Path) -> list[Path]:
    """Return a PNG path per source; raise ValueError if one can't be written or would replace another picture."""
    suffix = output.suffix.lower()
    if suffix == ".png" and not output.is_dir():
        if len(found) > 1:
            raise ValueError(f"{files.named(output)} is one file, but there are {len(found)} pictures: name a folder")
        paths = [output]
    elif suffix in READABLE | set(Image.registered_extensions()) and not output.is_dir():
        raise ValueError(f"{files.named(output)} is no name for a PNG file: name one in .png, as enhance writes PNG")
    elif output.exists() and not output.is_dir():
        raise ValueError(f"{files.named(output)} is a file: name a folder, or NAME.png")
    else:
        paths = [output / place / f"{source.stem}.png" for source, place in found]
    there = next(folder for folder in [output, *output.absolute().parents] if folder.exists())
    if not os.access(there, os.W_OK):
        raise ValueError(f"{files.named(output)} cannot be written: {there} is write-protected; name another place")
    counts = Counter(path for (source, _), path in zip(found, paths, strict=True) if not source.is_dir())
    sources = {source.resolve(): source for source, _ in found}
    for (source, _), path in zip(found, paths, strict=True):
        if counts[path] > 1:
            raise ValueError(f"two pictures would be written as {files.named(path)}: rename {files.named(source)}")
        same = sources.get(path.resolve())
        if same is None and path.exists() and source.exists() and path.samefile(source):
            same = source
        if same is not None:
            which = "the picture itself" if same == source else f"the picture {files.named(same)}"
            raise ValueError(f"{files.named(path)} is {which}: name another file or folder")
    return paths
