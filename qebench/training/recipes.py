"""Recipes: which methods a protocol trains, and how; one YAML file each in workflow/recipes/.

A recipe has the colour and scale of its pictures, whether they are coded as luma (the default) or in colour (`coded`),
whether varied copies are added, the compressors, the settings of all
methods, and the methods in the order of training, each with its form (none: the first) and settings of its own.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, get_origin, get_type_hints

from qebench.common import plugins

if TYPE_CHECKING:
    from qebench.training.run import Settings  # which imports torch, and Snakemake reads recipes in every job

FOLDER = plugins.ROOT / "workflow/recipes"


@dataclass(frozen=True)
class Recipe:
    """The content of a file; `settings` and `methods` as there, and checked when `settings_of` is asked."""

    name: str
    colour: str
    scale: int
    varied: bool
    compressors: list[str]
    settings: dict
    methods: dict[str, dict]
    coded: str = "luma"

    def jobs(self) -> dict[str, tuple[str, str]]:
        """Return the method and compressor of each weights file, in the order of training, by the file's stem."""
        return {
            f"{method}-{self.colour}-{compressor}": (method, compressor)
            for method in self.methods
            for compressor in self.compressors
        }

    def form_of(self, method: str) -> str | None:
        """Return the form in which a method is trained, None for its first."""
        return self.methods.get(method, {}).get("form")

    def settings_of(self, method: str, **changes: object) -> "Settings":
        """Return the settings for a method, those of all if it has no entry, with `changes` that are not None."""
        from qebench.training.run import Settings

        own = {key: value for key, value in self.methods.get(method, {}).items() if key != "form"}
        chosen = self.settings | own | {key: value for key, value in changes.items() if value is not None}
        try:
            settings = Settings(**chosen)
        except TypeError as error:
            raise ValueError(
                f"{FOLDER.name}/{self.name}.yaml: {error}: settings are those of qebench/training/run.py"
            ) from None
        except ValueError as error:
            raise ValueError(f"{FOLDER.name}/{self.name}.yaml: {error}") from None
        for name, value in asdict(Settings()).items():
            found = getattr(settings, name)
            if type(found) is not type(value) and not (type(found) is int and type(value) is float):
                kind = type(value).__name__
                raise ValueError(
                    f"{FOLDER.name}/{self.name}.yaml: {name} is {found!r}, no {kind}: write {value} or the like"
                )
        return settings


def names() -> list[str]:
    """Return the names of all recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name: str) -> Recipe:
    """Return a recipe; raise ValueError in one sentence for what is wrong with it."""
    import yaml

    if name not in names():
        raise ValueError(f"there is no recipe {name!r} in {FOLDER.name}/: it has {', '.join(names())}")
    try:
        content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        recipe = Recipe(name, **content)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise ValueError(f"{FOLDER.name}/{name}.yaml: {error}") from None
    for field, kind in get_type_hints(Recipe).items():
        if not isinstance(getattr(recipe, field), get_origin(kind) or kind):
            raise ValueError(f"{FOLDER.name}/{name}.yaml: {field} is {getattr(recipe, field)!r}, no {kind}")
    for method, own in recipe.methods.items():
        plugins.check("methods", method)
        if not isinstance(own, dict):
            raise ValueError(f"{FOLDER.name}/{name}.yaml: {method} is {own!r}, no settings: write {method}: {{}}")
    for compressor in recipe.compressors:
        plugins.check("compressors", compressor)
    return recipe
