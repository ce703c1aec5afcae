"""Check the workflow's configuration when it is read, in sentences, and answer what the rules ask of it."""

import difflib
from pathlib import Path

import compressors
from benchmarks import datasets, plugins

SCHEMA = plugins.ROOT / "workflow/schemas/config.schema.yaml"


def check(config: dict) -> None:
    """Raise ValueError in one sentence for the first thing in `config` that cannot work.

    That is a key or value outside the schema, a name without a plug-in, a quality outside its codec's range, missing
    weights, or a data set without pictures.
    """
    _check_schema(config)
    if "demo" in config["folders"]:
        raise ValueError("folders: demo is the name of the built-in pictures: choose another for yours")
    if config["dataset"] not in ["demo", *config["folders"]]:
        raise ValueError(f"dataset is {config['dataset']!r}: choose demo or a name under folders")
    for path in datasets.sources(source(config, config["dataset"])):
        if "{" in str(path):
            raise ValueError(f"{path} has braces in its name, which Snakemake takes for a wildcard: rename it")
    for name, settings in config["compressors"].items():
        plugins.check("compressors", name)
        module = plugins.find("compressors", name)
        try:
            module.version(compressors.configure(module, settings.get("settings", {})))
            for quality in settings["qualities"]:
                compressors.check_quality(module, quality)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"compressors: {error}") from None
    for kind in ("metrics", "tables", "figures"):
        for name in config[kind]:
            plugins.check(f"benchmarks/{kind}", name)
    for name in methods(config):
        plugins.check("methods", name)
        for compressor in (config["methods"].get(name) or {}).get("compressors", []):
            if compressor not in config["compressors"]:
                raise ValueError(
                    f"methods: {name} is for {compressor!r}, but the compressors are {', '.join(config['compressors'])}"
                )
        for compressor in config["compressors"]:
            for path in weights(config, name, compressor):
                if not Path(path).is_file():
                    raise ValueError(
                        f"methods: {name} for {compressor} needs {path}, which is missing: methods/weights/README.md "
                        "says where weights come from and how to train them"
                    )


def default() -> dict:
    """Return the configuration in workflow/config/default.yaml."""
    import yaml

    return yaml.safe_load((plugins.ROOT / "workflow/config/default.yaml").read_text())


def methods(config: dict) -> list[str]:
    """Return the methods to run in the config's order: those of `only`, or all; `decoded`, the zero, always.

    Raises ValueError for a name in `only` that is not under `methods`.
    """
    only = [config["only"]] if isinstance(config["only"], str) else config["only"]
    for name in only:
        if name not in config["methods"]:
            raise ValueError(f"only names {name!r}, which is not under methods: {', '.join(config['methods'])}")
    chosen = [name for name in config["methods"] if name in only or not only]
    return ["decoded", *(name for name in chosen if name != "decoded")]


def is_for(config: dict, method: str, compressor: str) -> bool:
    """Return whether a method runs on what a compressor decodes: always, unless its `compressors` leave it out."""
    return compressor in (config["methods"].get(method) or {}).get("compressors", [compressor])


def weights(config: dict, method: str, compressor: str) -> list[str]:
    """Return the weights file of a method for a compressor, as a list of none or one."""
    if not is_for(config, method, compressor):
        return []
    pattern = (config["methods"].get(method) or {}).get("weights")
    try:
        return [pattern.format(compressor=compressor, colour=config["protocol"]["colour"])] if pattern else []
    except (KeyError, IndexError, ValueError):
        raise ValueError(f"methods: {method}: weights {pattern!r} takes {{compressor}} and {{colour}}") from None


def source(config: dict, dataset: str) -> Path | None:
    """Return the folder of a data set, None for the demo."""
    return None if dataset == "demo" else Path(config["folders"][dataset])


def describe(config: dict) -> str:
    """Return the protocol in words, for the notes under tables."""
    protocol = config["protocol"]
    colour = {"luma": "BT.601 limited-range luma", "rgb": "RGB"}[protocol["colour"]]
    crop = f"centre crops of at most {protocol['crop']}x{protocol['crop']}" if protocol["crop"] else "whole pictures"
    score = "" if protocol["iqam"] == "matlab" else f", IQAM as in {protocol['iqam']}"
    scale = f", scaled down by {protocol['scale']}" if protocol["scale"] > 1 else ""
    return f"{colour}{scale}, {crop}{score}"


def gpus(config: dict) -> int:
    """Return how many GPUs a job takes: 1 if the config wants one, or leaves it open and there is an NVIDIA driver."""
    driver = Path("/proc/driver/nvidia/version").exists()
    return int(config["device"].startswith("cuda") or (config["device"] == "auto" and driver))


def _check_schema(config: dict) -> None:
    import yaml
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
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
    guesses = difflib.get_close_matches(unknown, known, 1)
    advice = f"did you mean {guesses[0]!r}?" if guesses else f"it has {', '.join(known)}"
    raise ValueError(f"{unknown!r} is no key of {place}: {advice}")
