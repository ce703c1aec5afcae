"""Model cards: the history that a weights file of ours carries in its own metadata, as Markdown."""

import json
from pathlib import Path

from benchmarks import files


def card(weights: Path) -> str:
    """Return the card of a safetensors file that `training.train` wrote.

    Raises ValueError if the file has no history.
    """
    from safetensors import safe_open
    from tabulate import tabulate

    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata() or {}
    if "training" not in metadata:
        raise ValueError(f"{weights} carries no history: it was not written by `python -m methods train`")
    record = json.loads(metadata["training"])
    data, settings, initial = record["training_images"], record["settings"], record.get("initial")
    facts = {
        "network": f"{record['method']}, {record['parameters']:,} parameters",
        "trained on": f"{data['images']} images, {data['folder']}, {data['colour']}",
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
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return f"## {weights.name}\n\n{lines}\n\nPSNR gain on the validation images (dB):\n\n" + tabulate(
        gains, ["quality", *exits], "pipe", disable_numparse=True
    )
