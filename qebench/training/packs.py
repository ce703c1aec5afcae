"""Packs: the originals, lossless, and bitstreams of training pairs in one ZIP file, to train where neither is at hand.

A pack is an eighth of the size of the pairs and decodes to the same pixels, which its checksum proves. The 274 pictures
of CID22 and CLIC with five JPEG or HEVC qualities in luma take 57 or 50 MB; varied copies double that.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from qebench.common import files, plugins
from qebench.training import pair_sources, pairs
from qebench.training.pair_sources import Recipe

DESCRIPTION = "pairs.json"


def pack(recipe: Recipe, workers: int, path: Path) -> None:
    """Compress the images of a recipe and write them to `path`: lossless WebP, bitstreams, and a description."""
    if path.suffix != pair_sources.PACK:
        raise ValueError(f"{path}: packs are ZIP files, so the name must end in {pair_sources.PACK}")
    pictures, description = pair_sources.compress(recipe, workers)
    checksum = pairs.sha256(pair_sources.decode(pictures, recipe, workers))
    with files.replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        content = {"description": description, "count": len(pictures), "sha256": checksum}
        archive.writestr(DESCRIPTION, json.dumps(content, indent=1))
        for number, (original, bitstreams) in enumerate(pictures):
            for name, file in zip(_names(recipe, number), [_to_webp(original), *bitstreams], strict=True):
                archive.writestr(name, file)


def unpack(recipe: Recipe, workers: int, path: Path) -> None:
    """Decode the pack that is the recipe's only folder and write its pairs to `path`, the same as `pairs.build` would.

    Raises ValueError if it is no pack, holds other pairs than the recipe's, or decodes to other pixels here.
    """
    (source,) = recipe.folders
    with _reading(source), zipfile.ZipFile(source) as archive:
        content = json.loads(archive.read(DESCRIPTION))
        description = content["description"]
        _check(source, description, recipe)
        entries = [[archive.read(name) for name in _names(recipe, number)] for number in range(content["count"])]
    pictures = [(_from_webp(original, recipe.colour), bitstreams) for original, *bitstreams in entries]
    pixels = pair_sources.decode(pictures, recipe, workers)
    if pairs.sha256(pixels) != content["sha256"]:
        version = plugins.find("compressors", recipe.compressor).version()
        raise ValueError(f"{source} decodes to other pixels with {version} than with {description['version']}")
    pair_sources.write(path, pixels, pictures, description)


def recipe_of(path: Path) -> Recipe:
    """Return the recipe whose pairs a pack holds; errors as in `unpack`."""
    with _reading(path), zipfile.ZipFile(path) as archive:
        made = json.loads(archive.read(DESCRIPTION))["description"]
        qualities, varied, scale = json.loads(made["qualities"]), made["varied"] == "True", int(made["scale"])
        return Recipe([path], made["compressor"], qualities, made["colour"], varied, scale, made.get("coded", "luma"))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what is raised because `path` is no pack into ValueError."""
    try:
        yield
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{path} is no whole pack of pairs: `qebench pack` makes one") from error


def _check(source: Path, description: dict[str, str], recipe: Recipe) -> None:
    luma = {"coded": "luma"}  # which descriptions leave out
    for name, wanted in (luma | pair_sources.choices(recipe)).items():
        if (packed := (luma | description)[name]) != wanted:
            raise ValueError(f"{source} was packed with {name} {packed}, but {wanted} is asked for")


def _names(recipe: Recipe, number: int) -> list[str]:
    suffix = plugins.find("compressors", recipe.compressor).SUFFIX
    return [f"{number:05}/original.webp", *(f"{number:05}/{quality}{suffix}" for quality in recipe.qualities)]


def _to_webp(image: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(image).convert("RGB").save(file, "WEBP", lossless=True, quality=100, method=4)
    return file.getvalue()


def _from_webp(content: bytes, colour: str) -> np.ndarray:
    image = np.asarray(Image.open(BytesIO(content), formats=["WEBP"]))
    return image[..., 0] if colour == "luma" else image
