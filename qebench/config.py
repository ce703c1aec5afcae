"""Check the workflow's configuration when it is read, in sentences, and answer what the rules ask of it."""

import difflib
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from qebench import runs
from qebench.coding import coded, interface
from qebench.common import plugins
from qebench.datasets import known, originals, splits
from qebench.networks import thresholds

PAPERS = ("eccv2020", "powerqe")  # protocols, files of workflow/config/
SCHEMA = plugins.ROOT / "workflow/schemas/config.schema.yaml"


def check(config: dict) -> None:
    """Raise ValueError in one sentence for the first thing in `config` that cannot work.

    That is a key or value outside the schema, a name without a plug-in, a quality outside its codec's range, missing
    weights, or a data set without pictures.
    """
    _name_datasets(config)
    _check_schema(config)
    runs.check(config["run"])
    if "demo" in config["folders"]:
        raise ValueError("folders: demo is the name of the built-in pictures: choose another for yours")
    if config["dataset"] not in ["demo", *config["folders"]]:
        collection = known.COLLECTIONS.get(config["dataset"])
        advice = f". {collection.source}" if collection else ""
        raise ValueError(f"dataset is {config['dataset']!r}: choose demo or a name under folders{advice}")
    paths = pictures(config, config["dataset"])
    if config["shards"] > len(paths):
        raise ValueError(f"shards is {config['shards']}, but there are {len(paths)} pictures: set it to that or less")
    for path in paths:
        if "{" in str(path):
            raise ValueError(f"{path} has braces in its name, which Snakemake takes for a wildcard: rename it")
    for name, settings in codecs(config).items():
        plugins.check("compressors", name)
        module = plugins.find("compressors", name)
        try:
            module.version(interface.configure(module, settings.get("settings", {})))
            for quality in settings["qualities"]:
                interface.check_quality(module, quality)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"compressors: {error}") from None
    for name in codecs(config):
        for other in weights_of(config, name):
            if "threshold" not in config["compressors"].get(other, {}):
                judged = ", ".join(key for key, settings in config["compressors"].items() if "threshold" in settings)
                raise ValueError(f"compressors: {name} takes weights of {other!r}: choose from {judged}")
    for settings in config["compressors"].values():
        plugins.check("benchmarks/exit_rules", settings.get("exit_rule", "iqam"))
    for kind in ("metrics", "exit_rules", "tables", "figures"):
        for name in config[kind]:
            plugins.check(f"benchmarks/{kind}", name)
    for name in methods(config):
        plugins.check("methods", name)
        for compressor in (config["methods"].get(name) or {}).get("compressors", []):
            if compressor not in config["compressors"]:
                raise ValueError(
                    f"methods: {name} is for {compressor!r}, but the compressors are {', '.join(config['compressors'])}"
                )
        trained = [other for compressor in codecs(config) for other in trained_on(config, name, compressor)]
        if not trained:
            raise ValueError(f"methods: {name} is for none of {', '.join(codecs(config))}: name its compressor in only")
        for compressor in dict.fromkeys(trained):
            for file in weights(config, name, compressor):
                if not Path(file).is_file():
                    raise ValueError(
                        f"methods: {name} for {compressor} needs {file}, which is missing: methods/weights/README.md "
                        "says where weights come from and how to train them"
                    )


def choose(config: dict, paths: Sequence[Path | str]) -> None:
    """Turn names of `methods` and `qualities`, as given on a command line, into the form of the files, in place.

    `methods=dcad,rbqe` are methods of the config's files, `paths`, and replace those of `only`. `qualities=10,50` are
    those of the one compressor that runs, `qualities={jpeg: [10], hevc: 37}` those of each.

    Raises ValueError for a name that is not there, for what is no quality, and for what `check` finds in the types.
    """
    if isinstance(config["methods"], str | list):
        chosen = _words(config["methods"])
        config["methods"] = _defined(paths)
        for name in chosen:
            if name not in config["methods"]:
                raise ValueError(f"methods names {name!r}, which is not under methods: {', '.join(config['methods'])}")
        config["only"] = [name for name in _words(config["only"]) if name not in config["methods"]] + chosen
    _name_datasets(config)
    _check_schema(config)
    qualities = config.pop("qualities", None)
    if qualities is None:
        return
    names = list(codecs(config))
    if not isinstance(qualities, dict):
        if len(names) > 1:
            raise ValueError(
                f"qualities is one list for {' and '.join(names)}: name one of them in only, or write "
                f"qualities='{{{names[0]}: [...], {names[1]}: [...]}}'"
            )
        qualities = {names[0]: qualities}
    for name, wanted in qualities.items():
        if name not in config["compressors"]:
            raise ValueError(f"qualities names {name!r}, but the compressors are {', '.join(config['compressors'])}")
        config["compressors"][name]["qualities"] = [_quality(word) for word in _words(wanted)]


def default() -> dict:
    """Return the configuration in workflow/config/default.yaml."""
    import yaml

    return yaml.safe_load((plugins.ROOT / "workflow/config/default.yaml").read_text(encoding="utf-8"))


def preset(*names: str) -> dict:
    """Return the configuration of files of workflow/config/ over the default one, as Snakemake lays them."""
    import yaml
    from snakemake.utils import update_config

    merged = default()
    for name in names:
        text = (plugins.ROOT / f"workflow/config/{name}.yaml").read_text(encoding="utf-8")
        update_config(merged, yaml.safe_load(text))
    return merged


def methods(config: dict) -> list[str]:
    """Return the methods to run in the config's order: those of `only`, or all; `decoded`, the zero, always.

    Raises ValueError for a name in `only` that is neither under `methods` nor under `compressors`.
    """
    return ["decoded", *(name for name in _only(config, "methods") if name != "decoded")]


def codecs(config: dict) -> dict[str, dict]:
    """Return the compressors to run, with what the config says of each: those of `only`, or all; errors as above."""
    return {name: config["compressors"][name] for name in _only(config, "compressors")}


def is_for(config: dict, method: str, compressor: str) -> bool:
    """Return whether a method is for a compressor: always, unless its `compressors` leave it out."""
    return compressor in (config["methods"].get(method) or {}).get("compressors", [compressor])


def weights_of(config: dict, compressor: str) -> list[str]:
    """Return the compressors whose weights methods are given for what a compressor decodes: its own, unless it says."""
    return config["compressors"][compressor].get("weights_of", [compressor])


def trained_on(config: dict, method: str, compressor: str) -> list[str]:
    """Return the compressors whose weights a method runs with on what a compressor decodes; [""] if it has no weights.

    A method with `compressors` has weights for those only; one without weights runs on those only.
    """
    if (config["methods"].get(method) or {}).get("weights"):
        return [name for name in weights_of(config, compressor) if is_for(config, method, name)]
    return [""] if is_for(config, method, compressor) else []


def iqam(config: dict, compressor: str, trained_on: str = "") -> dict:
    """Return the entry under `compressors` that has the IQAM's block size and the threshold.

    It is that of the compressor that the weights are for; without weights, the decoded image's own or, if that has
    none, the first of which it is given weights.
    """
    settings = config["compressors"][trained_on or compressor]
    return settings if "threshold" in settings else config["compressors"][settings["weights_of"][0]]


def threshold(config: dict, compressor: str) -> str:
    """Return the threshold of early exit of a compressor as text."""
    return thresholds.text(iqam(config, compressor)["threshold"])


def weights(config: dict, method: str, compressor: str) -> list[str]:
    """Return the weights file of a method for a compressor, as a list of none or one."""
    pattern = (config["methods"].get(method) or {}).get("weights")
    if not pattern or not is_for(config, method, compressor):
        return []
    trained = config["compressors"][compressor].get("weights_as", compressor)
    try:
        return [pattern.format(compressor=trained, colour=config["protocol"]["colour"])]
    except (KeyError, IndexError, ValueError):
        raise ValueError(f"methods: {method}: weights {pattern!r} takes {{compressor}} and {{colour}}") from None


def coding_of(config: dict, compressor: str) -> coded.Coding:
    """Return how pictures are given to a compressor: as luma or colour, cropped before coding or after."""
    protocol = config["protocol"]
    prepared = originals.Protocol(protocol["colour"], protocol["crop"], protocol["scale"])
    return coded.Coding(prepared, protocol["coded"], config["compressors"][compressor].get("crop", "before"))


def source(config: dict, dataset: str) -> Path | None:
    """Return the folder of a data set, None for the demo."""
    return None if dataset == "demo" else Path(config["folders"][dataset])


def split(config: dict, dataset: str) -> Path | None:
    """Return the split file whose test part is taken of a data set, None for all of its pictures."""
    return Path(config["split"]) if dataset == config["dataset"] and config.get("split") else None


def pictures(config: dict, dataset: str) -> list[Path]:
    """Return the pictures of a data set; errors as in `datasets.choose`."""
    return originals.choose(dataset, source(config, dataset), split(config, dataset))


def follows(config: dict) -> str:
    """Return the protocol of a paper that a run follows on all of its pictures, as a name in PAPERS; "" for none."""
    import yaml

    for name in PAPERS:
        paper = yaml.safe_load((plugins.ROOT / f"workflow/config/{name}.yaml").read_text(encoding="utf-8"))
        if all(config[key] == paper[key] for key in ("dataset", "split", "protocol")):
            complete = splits.read(Path(paper["split"]))["test"].count
            return name if len(pictures(config, config["dataset"])) == complete else ""
    return ""


def describe(config: dict) -> str:
    """Return the protocol in words, for the notes under tables."""
    protocol = config["protocol"]
    colour = {"luma": "BT.601 limited-range luma", "rgb": "RGB"}[protocol["colour"]]
    if protocol["colour"] == "luma" and protocol["coded"] == "colour":
        colour += " of what was coded in colour"
    crop = _describe_crop(config) if protocol["crop"] else "whole pictures"
    score = "" if protocol["iqam"] == "matlab" else f", IQAM as in {protocol['iqam']}"
    scale = f", scaled down by {protocol['scale']}" if protocol["scale"] > 1 else ""
    name = config["dataset"]
    pictures = originals.describe(name, source(config, name), split(config, name))
    return f"{pictures}{'; ' if pictures else ''}{colour}{scale}, {crop}{score}"


def _describe_crop(config: dict) -> str:
    after = [name for name in codecs(config) if coding_of(config, name).cropped == "after"]
    others = [name for name in codecs(config) if name not in after]
    side = config["protocol"]["crop"]
    crop = f"centre crops of at most {side}x{side}"
    if not after:
        return f"{crop} before coding"
    return f"{crop} after {' and '.join(after)}" + (f", before {' and '.join(others)}" if others else "")


def measured(config: dict) -> dict:
    """Return the part of a configuration that decides what is measured and published, for the record."""
    keys = ("dataset", "split", "protocol", "only", "metrics", "precision")
    folder = source(config, config["dataset"])
    return {key: config.get(key) for key in keys} | {
        "folder": folder and folder.as_posix(),
        "compressors": codecs(config),
        "methods": {name: config["methods"].get(name) for name in methods(config)},
    }


def device(config: dict) -> str:
    """Return the torch device of a run: the config's; for "auto" a GPU, if torch can use one here."""
    if config["device"] != "auto":
        return config["device"]
    return "cuda" if _gpu_count() else "cpu"


def gpus(config: dict) -> int:
    """Return how many GPUs a job takes."""
    return int(device(config).startswith("cuda"))


@cache
def _gpu_count() -> int:
    """Return how many GPUs torch can use; it is asked in a process of its own, as its import takes seconds."""
    if not Path("/proc/driver/nvidia/version").exists():
        return 0
    asked = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)


def _only(config: dict, kind: str) -> list[str]:
    """Return the names under `kind`, "methods" or "compressors": those in `only`, or all if it has none of them."""
    only = _words(config["only"])
    for name in only:
        if name not in config["methods"] and name not in config["compressors"]:
            raise ValueError(
                f"only names {name!r}, which is not under methods: {', '.join(config['methods'])}, nor under "
                f"compressors: {', '.join(config['compressors'])}"
            )
    return [name for name in config[kind] if name in only] or list(config[kind])


def _words(value: object) -> list[str]:
    """Return a list as text, also one that was written without brackets: `dcad,rbqe`, or 10."""
    return [str(word).strip() for word in (value if isinstance(value, list) else str(value).split(","))]


def _quality(word: str) -> int:
    if not word.isdecimal():
        raise ValueError(f"qualities has {word!r}, which is no whole number")
    return int(word)


def _defined(paths: Sequence[Path | str]) -> dict:
    """Return the methods of configuration files, merged with those of the default one as Snakemake does."""
    import yaml
    from snakemake.utils import update_config

    methods = default()["methods"]
    for path in paths:
        found = (yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}).get("methods")
        if isinstance(found, dict):
            update_config(methods, found)
    return methods


def _name_datasets(config: dict) -> None:
    """Turn the names of data sets and of the run into text, in place: YAML takes 2020 for a number."""
    if isinstance(config.get("run"), int):
        config["run"] = str(config["run"])
    if isinstance(config.get("dataset"), int):
        config["dataset"] = str(config["dataset"])
    if isinstance(config.get("folders"), dict):
        config["folders"] = {str(name): folder for name, folder in config["folders"].items()}


def _check_schema(config: dict) -> None:
    import yaml
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    error = min(validator.iter_errors(config), key=lambda error: [str(part) for part in error.path], default=None)
    if error is None:
        return
    place = ".".join(str(part) for part in error.path) or "the top level"
    if error.validator == "required" and place.startswith("compressors."):
        plugins.check("compressors", error.path[1])  # a misspelt one lacks what the default file says of the right one
    if error.validator != "additionalProperties":
        text = isinstance(error.instance, str) and error.instance.replace(".", "", 1).isdigit()
        advice = " (numbers within braces on the command line arrive as text: write them in a file)" if text else ""
        raise ValueError(f"{place}: {error.message}{advice}")
    known = list(error.schema["properties"])
    unknown = next(key for key in error.instance if key not in known)
    guesses = difflib.get_close_matches(str(unknown), known, 1)
    advice = f"did you mean {guesses[0]!r}?" if guesses else f"it has {', '.join(known)}"
    raise ValueError(f"{unknown!r} is no key of {place}: {advice}")
