"""Recipes: which methods a protocol trains, and how; one YAML file each in workflow/recipes/.

A recipe has the colour and scale of its pictures, whether they are coded as luma (the default) or in colour (`coded`),
whether varied copies are added, the compressors, the settings of all
methods, and the methods in the order of training, each with its form (none: the first) and settings of its own.

A key under `methods` begins the names of the weights files. It is a method, or a method with a suffix and an entry that
names the method (`rbqe-raised: {method: rbqe, exit_weights: raised}`), so one method can be trained in several ways.
`initial: {hevc: jpeg}` starts the training for HEVC from the weights that the same key has for JPEG. `search` has the
learning rates and optimizers of which each training tries every pair for some `steps` before it starts (`search.py`).
"""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, get_origin, get_type_hints

from qebench.common import plugins

if TYPE_CHECKING:
    from qebench.training.run import Settings  # which imports torch, and Snakemake reads recipes in every job

FOLDER = plugins.ROOT / "workflow/recipes"


@dataclass(frozen=True)
class Job:
    """One training of a recipe: the key under `methods`, its method, the codec, and the stem of the weights before."""

    entry: str
    method: str
    compressor: str
    initial: str | None


@dataclass(frozen=True)
class Search:
    """What a search tries: every learning rate with every optimizer, for `steps` steps each."""

    steps: int
    learning_rates: list[float]
    optimizers: list[str]


@dataclass(frozen=True)
class Recipe:
    """The content of a file; `settings`, `methods` and `search` as there.

    They are checked when `settings_of` and `candidates` are asked.
    """

    name: str
    colour: str
    scale: int
    varied: bool
    compressors: list[str]
    settings: dict
    methods: dict[str, dict]
    coded: str = "luma"
    initial: dict[str, str] = field(default_factory=dict)
    search: dict = field(default_factory=dict)

    def jobs(self) -> dict[str, Job]:
        """Return the trainings by the stems of their weights files, in the order of training: codec by codec."""
        return {
            self.stem(entry, compressor): Job(
                entry, self.method_of(entry), compressor, self.initial_of(entry, compressor)
            )
            for compressor in self.compressors
            for entry in self.methods
        }

    def stem(self, entry: str, compressor: str) -> str:
        """Return the stem of the weights file of an entry for a codec."""
        return f"{entry}-{self.colour}-{compressor}"

    def method_of(self, entry: str) -> str:
        """Return the method that an entry trains: the one that it names, or the one whose name it is."""
        return self.methods.get(entry, {}).get("method", entry)

    def initial_of(self, entry: str, compressor: str) -> str | None:
        """Return the stem of the weights that a training starts from, None for start values."""
        return self.stem(entry, self.initial[compressor]) if compressor in self.initial else None

    def form_of(self, entry: str) -> str | None:
        """Return the form in which an entry's method is trained, None for its first."""
        return self.methods.get(entry, {}).get("form")

    def candidates(self, entry: str, **changes: object) -> list["Settings"]:
        """Return the settings that the search of an entry tries, none without a search; `changes` as in `settings_of`.

        They are short runs of the entry's own settings: the warm-up is as large a share of them.
        """
        if not self.search:
            return []
        own = self.settings_of(entry, **changes)
        try:
            search = Search(**self.search)
            warmup = max(1, own.warmup * search.steps // own.steps)
            pairs = [(rate, optimizer) for optimizer in search.optimizers for rate in search.learning_rates]
        except (TypeError, ZeroDivisionError) as error:
            raise ValueError(f"{FOLDER.name}/{self.name}.yaml: search: {error}") from None
        short = changes | {"steps": search.steps, "warmup": warmup}
        return [
            self.settings_of(entry, **short | {"learning_rate": rate, "optimizer": optimizer})
            for rate, optimizer in pairs
        ]

    def settings_of(self, entry: str, **changes: object) -> "Settings":
        """Return the settings for an entry, those of all if there is none, with `changes` that are not None."""
        from qebench.training.run import Settings

        own = {key: value for key, value in self.methods.get(entry, {}).items() if key not in ("form", "method")}
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
    for key, kind in get_type_hints(Recipe).items():
        if not isinstance(getattr(recipe, key), get_origin(kind) or kind):
            raise ValueError(f"{FOLDER.name}/{name}.yaml: {key} is {getattr(recipe, key)!r}, no {kind}")
    for entry, own in recipe.methods.items():
        if not isinstance(own, dict):
            raise ValueError(f"{FOLDER.name}/{name}.yaml: {entry} is {own!r}, no settings: write {entry}: {{}}")
        method = recipe.method_of(entry)
        plugins.check("methods", method)
        if entry != method and not str(entry).startswith(f"{method}-"):
            raise ValueError(f"{FOLDER.name}/{name}.yaml: {entry} is of {method}: name it {method}-{entry} or the like")
    for compressor in [*recipe.compressors, *recipe.initial.values(), *recipe.initial]:
        plugins.check("compressors", compressor)
    return recipe
