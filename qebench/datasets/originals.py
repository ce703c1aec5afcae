"""Turn a folder of pictures, or the demo, into the originals that a protocol measures on, listed with checksums.

The manifest is what other stages depend on: a prepared image that is not the listed one is refused.
"""

import csv
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from qebench.common import colour, files, images
from qebench.datasets import manifests, membership, splits
from qebench.datasets.known import COLLECTIONS

# The photographs in the scikit-image wheel (public domain or CC0; motorcycle: Middlebury 2014 stereo, two views of one
# scene). Traces of JPEG were looked for on version 0.26: of the 64 places for a grid of 8x8 DCTs, the one at (0, 0) has
# at most 1.4 % more coefficients below 0.5 than the others have; saved once at JPEG quality 98, 43 to 172 % more.
# chelsea has 47 %, as after a mild JPEG (its luma shows no block borders), and is kept because the field knows it.
# Left out: coins with 304 %, grass with 766 %.
DEMO = ("astronaut", "brick", "camera", "chelsea", "coffee", "gravel", "motorcycle_left", "motorcycle_right")

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg", ".webp", ".avif", ".heic")
STRANGE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of control characters, surrogates, ends of lines
LONGEST = 180  # bytes of a name, out of the 255 of file systems: the examples add quality, method and exit
COLUMNS = ("image", "source", "sha256_source", "sha256", "height", "width")


@dataclass(frozen=True)
class Protocol:
    """What is done to a picture before it is measured: scaled down, then cropped, then reduced to luma if asked."""

    colour: str  # luma or rgb
    crop: int | None = None  # largest side of the centre crop, pixels
    scale: int = 1  # factor by which it is scaled down

    def __post_init__(self) -> None:
        if self.colour not in ("luma", "rgb"):
            raise ValueError(f"colour is {self.colour!r}: choose luma or rgb")
        if self.scale < 1 or (self.crop is not None and self.crop < images.SMALLEST):
            raise ValueError(f"scale is {self.scale} and crop {self.crop}: they start at 1 and {images.SMALLEST}")


def sources(folder: Path | None) -> list[Path]:
    """Return the picture files directly in a folder, by name, or those of the demo without one.

    Raises NotADirectoryError if there is no such folder, and ValueError if it has no pictures, one with a name that
    cannot be kept, or two of the same name but for the suffix, which would be one prepared image.
    """
    if folder is None:
        installed = find_spec("skimage")  # finding it does not import it, which takes a second
        if installed is None or installed.origin is None:
            raise ModuleNotFoundError("the demo images come with scikit-image: pip install scikit-image")
        return [Path(installed.origin).parent / "data" / f"{name}.png" for name in DEMO]
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder} is no folder: name one with pictures in it")
    found = [path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    found = sorted((path for path in found if path.is_file()), key=lambda path: path.name)
    if not found:
        raise ValueError(f"{folder} has no pictures: put files in it that end in {', '.join(SUFFIXES)}")
    seen: dict[str, Path] = {}
    for path in found:
        check_name(path)
        # macOS and Windows would not tell Lena.png from lena.png, macOS two ways to write an accent neither
        stem = unicodedata.normalize("NFC", path.stem).casefold()
        if stem in seen:
            raise ValueError(f"{folder} has both {seen[stem].name} and {path.name}: rename or remove one")
        seen[stem] = path
    return found


def check_name(path: Path) -> None:
    """Raise ValueError if a picture's name cannot go into tables and the names of what is made of it."""
    strange = next((sign for sign in path.name if unicodedata.category(sign) in STRANGE), None)
    if strange is not None:
        kind = "a byte that is no UTF-8" if unicodedata.category(strange) == "Cs" else f"the character {strange!r}"
        raise ValueError(f"{str(path)!a} has {kind} in its name, which no table can hold: rename it")
    if len(path.stem.encode()) > LONGEST:
        raise ValueError(f"{path} has a name of over {LONGEST} bytes, to which nothing can be added: rename it")


def choose(name: str, folder: Path | None, split: Path | None = None) -> list[Path]:
    """Return the pictures of the data set `name` in its folder: all of them, or those in the test part of a split file.

    Raises what `sources`, `membership.check_names` and `splits.choose` raise; a data set of `benchmarks.collections`
    that is not there is told with its source.
    """
    try:
        paths = sources(folder)
    except (NotADirectoryError, ValueError) as error:
        if name in COLLECTIONS:
            raise type(error)(f"{error}. {COLLECTIONS[name].source}") from None
        raise
    if name in COLLECTIONS:
        membership.check_names(name, paths)
    return splits.choose(paths, split, "test") if split else paths


def describe(name: str, folder: Path | None, split: Path | None = None) -> str:
    """Return which pictures of a data set of `benchmarks.collections` `choose` gives, in words; "" for other names."""
    if name not in COLLECTIONS:
        return ""
    count = len(choose(name, folder, split))
    if split is None:
        return membership.describe(name, count)
    part = splits.read(split)["test"]
    title, total = COLLECTIONS[name].title, COLLECTIONS[name].count
    if count < part.count:
        return f"subset of {title}, {count:,} of {total:,} pictures where the protocol takes {part.count:,}"
    whose = "" if part.first else ", not those of the paper, which it does not name"
    return f"{count:,} of {total:,} pictures of {title}{whose}"


def prepare(image: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Return the original that a protocol measures on: uint8 (H, W) for luma, (H, W, 3) for rgb.

    `image` is uint8 (H, W), which passes for luma as it is, or (H, W, 3) RGB. Scaling takes the
    means of squares of pixels after dropping the rows and columns over a multiple of the factor (with 2 the same as
    OpenCV's INTER_AREA, by which PowerQE halves DIV2K); the crop is the centre one.

    Raises ValueError if less than 16x16 pixels are left.
    """
    height, width = (size // protocol.scale for size in image.shape[:2])
    images.check_size(min(width, protocol.crop or width), min(height, protocol.crop or height))
    if protocol.scale > 1:
        multiple = image[: height * protocol.scale, : width * protocol.scale]
        image = np.asarray(Image.fromarray(multiple).reduce(protocol.scale))
    if protocol.crop is not None:
        top, left = (max(size - protocol.crop, 0) // 2 for size in (height, width))
        image = image[top : top + protocol.crop, left : left + protocol.crop]
    if protocol.colour == "luma":
        return np.ascontiguousarray(image) if image.ndim == 2 else colour.luma(image)
    return np.ascontiguousarray(image) if image.ndim == 3 else image[..., None].repeat(3, axis=2)


def write(sources: list[Path], protocol: Protocol, folder: Path, manifest: Path, name: str = "") -> None:
    """Prepare every source as `folder`/(its stem).png and list them in `manifest`, a CSV file; replace both if there.

    The manifest names sources without their folders, so it is the same on every machine. `name` is that of the data
    set; the pictures of one of `benchmarks.collections` are checked to be of it.

    Raises what `images.read`, `membership.identify` and `prepare` raise, with the source's name, and then leaves
    neither folder nor manifest.
    Raises ValueError, and touches nothing, if `folder` holds one of the sources or anything but PNG files.
    """
    folder, manifest = Path(folder), Path(manifest)
    _check_replaceable(folder, manifest, sources)
    with files.writing(manifest):
        manifest.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    temporary = files.temporary_name(folder)
    try:
        with files.writing(folder):
            temporary.mkdir(parents=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            rows = list(pool.map(lambda source: _write_one(source, protocol, temporary, name), sources))
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    with files.replacing(manifest) as path, path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([COLUMNS, *rows])


def load(folder: Path, manifest: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and pixels of each prepared image in the manifest's order, read when asked for.

    Raises FileNotFoundError without a manifest, and ValueError if an image is missing or not the one listed.
    """
    for row in manifests.rows(manifest):
        yield row["image"], manifests.read(folder, manifest, row)


def _write_one(source: Path, protocol: Protocol, folder: Path, name: str) -> tuple:
    picture = images.load(source)
    if picture.remark:
        print(picture.remark, file=sys.stderr)
    image = picture.pixels
    if name in COLLECTIONS:
        membership.identify(name, source, image)
    try:
        image = prepare(image, protocol)
    except ValueError as error:
        raise ValueError(f"{source} as the protocol prepares it {error}") from error
    images.write(folder / f"{source.stem}.png", image)
    return source.stem, source.name, files.sha256(source), images.sha256(image), *image.shape[:2]


def _check_replaceable(folder: Path, manifest: Path, sources: list[Path]) -> None:
    """Raise ValueError if replacing the folder would delete what was not prepared."""
    if any(source.resolve().is_relative_to(folder.resolve()) for source in sources):
        raise ValueError(f"{folder} holds the sources and would be replaced: name another folder")
    if folder.is_dir():
        others = [path.name for path in folder.iterdir() if path.suffix != ".png" and path != manifest]
        if others:
            raise ValueError(f"{folder} would be replaced but holds {others[0]}: name another folder or empty it")
