"""Model cards: the history that a weights file of ours carries in its own metadata, as Markdown."""

import json
from pathlib import Path

from benchmarks import files


def card(weights: Path) -> str:
    """Return the card of a safetensors file that `training.train` or `conversion.convert` wrote.

    Raises FileNotFoundError if it is missing, and ValueError if it is no safetensors file or has no history.
    """
    metadata = _metadata(weights)
    if "training" in metadata:
        return _trained(weights, json.loads(metadata["training"]))
    if "import" in metadata:
        return _imported(weights, json.loads(metadata["import"]))
    raise ValueError(f"{weights} carries no history: neither `python -m methods train` nor `import` wrote it")


def _metadata(weights: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{weights} is no safetensors file: `python -m methods import` makes one of others") from error


def _trained(weights: Path, record: dict) -> str:
    from tabulate import tabulate

    data, settings, initial = record["training_images"], record["settings"], record.get("initial")
    facts = {
        "network": f"{record['method']}, {record['parameters']:,} parameters",
        "trained on": f"{data['images']} images, {data['folder']}, {data['colour']}{_copies(data)}",
        "validated on": f"{record['validation_images']['images']} images, {record['validation_images']['folder']}",
        "compressor": f"{data['compressor']} at {data['qualities']}, {data['version']}, {data['settings']}",
        "started from": f"{initial['file']} (sha256 {initial['sha256'][:16]}…)" if initial else "LSUV start values",
        "settings": ", ".join(f"{name} {value}" for name, value in settings.items()),
        "time": f"{record['seconds']} s ({record['patches_per_second']} patches/s) on {record['device']}",
        "commit": record["commit"],
        "libraries": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "sha256": files.sha256(weights),
    }
    gains = [[quality, *(f"{gain:+.3f}" for gain in row)] for quality, row in record["delta_psnr"].items()]
    exits = [f"exit {number}" for number in range(1, len(gains[0]))]
    table = tabulate(gains, ["quality", *exits], "pipe", disable_numparse=True)
    return _list(weights, facts) + "\n\nPSNR gain on the validation images (dB):\n\n" + table


def _copies(data: dict) -> str:
    grain = float(data.get("grain", 0))  # as pairs were varied before there was "varied"
    if grain:
        return f"; every second one once more with noise of up to {grain:g} of 255"
    return "; every one once more, softened or grainy" if data.get("varied") == "True" else ""


def _imported(weights: Path, record: dict) -> str:
    form = f", form {record['form']}" if record["form"] else ""
    colour = {1: "1 channel (luma)", 3: "3 channels (RGB)"}[record["channels"]]
    facts = {
        "network": f"{record['method']}{form}, {colour}, {record['parameters']:,} parameters",
        "imported from": f"{record['source']['file']} (sha256 {record['source']['sha256']})",
        "changed": record["changes"],
        "commit": record["commit"],
        "sha256": files.sha256(weights),
    }
    return _list(weights, facts)


def _list(weights: Path, facts: dict[str, str]) -> str:
    return f"## {weights.name}\n\n" + "\n".join(f"- {name}: {value}" for name, value in facts.items())
