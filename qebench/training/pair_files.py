"""Training pairs: kept in files for later runs, made anew when pictures, codec or our code change."""

import fcntl
import hashlib
import json
from dataclasses import astuple
from pathlib import Path

from qebench.common import files, plugins
from qebench.datasets import originals
from qebench.training import pairs, recipes, varying
from qebench.training.pair_sources import PACK, Recipe, compress, decode, write
from qebench.training.pairs import Pairs


def cached(recipe: Recipe, workers: int, cache: Path) -> Pairs:
    """Return the pairs of a recipe from `cache`, making them there first if pictures, codec or our code are new.

    The only folder of a recipe may be a pack instead (`packs`). Processes that want the same pairs wait for each other.
    """
    from qebench.training import packs

    packed = len(recipe.folders) == 1 and recipe.folders[0].suffix == PACK
    path = cache / f"{recipe.name.replace(' + ', '-')}-{recipe.compressor}-{_digest(recipe, packed)}.safetensors"
    if not path.exists():
        lock = path.with_suffix(".lock")
        with files.writing(path):
            cache.mkdir(parents=True, exist_ok=True)
            lock.touch()
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not path.exists():
                (packs.unpack if packed else build)(recipe, workers, path)
    return pairs.read(path)


def build(recipe: Recipe, workers: int, path: Path) -> None:
    """Compress the images of a recipe and write the pairs to `path`; errors name the image that caused them."""
    pictures, description = compress(recipe, workers)
    write(path, decode(pictures, recipe, workers), pictures, description)


def opened(paths: list[Path], training: recipes.Recipe, varied: bool, workers: int, cache: Path) -> dict[str, Pairs]:
    """Return the pairs of packs by codec, decoded before or now; `training` says what they must be.

    Raises ValueError if a pack is for another codec, or was made of other kinds of pictures.
    """
    from qebench.training import packs

    found: dict[str, Pairs] = {}
    for path in paths:
        packed = packs.recipe_of(path)
        if packed.compressor not in training.compressors or packed.compressor in found:
            names = ", ".join(training.compressors)
            raise ValueError(f"{path} is for {packed.compressor}: give one pack for each of {names}, or of some")
        kind = (training.colour, varied, training.scale, training.coded)
        wanted = Recipe([path], packed.compressor, packed.qualities, *kind)
        found[packed.compressor] = cached(wanted, workers, cache)
    return found


def _digest(recipe: Recipe, packed: bool) -> str:
    """Return a name for what decides the pairs: the pictures' bytes, the recipe, the codec, and the code of ours."""
    from qebench.training import packs

    module = plugins.find("compressors", recipe.compressor)
    sources = (
        recipe.folders if packed else [source for folder in recipe.folders for source in originals.sources(folder)]
    )
    contents = [[source.name, files.sha256(source)] for source in sources]
    ours = [pairs.__file__, packs.__file__, varying.__file__, str(module.__file__), __file__]
    code = [files.sha256(Path(file)) for file in ours]
    identity = json.dumps([contents, code, module.version(), *astuple(recipe)[1:]])
    return hashlib.sha256(identity.encode()).hexdigest()[:16]
