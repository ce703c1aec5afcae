"""Model cards: the history that a weights file of ours carries in its own metadata, as Markdown."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qebench.common import files


@dataclass(frozen=True)
class TrainedOn:
    """The codec that weights were trained for, and the ends of the range of qualities (QP or QF) among the pictures."""

    compressor: str
    lowest: float
    highest: float


def trained_on(weights: Path) -> TrainedOn | None:
    """Return what a weights file says that it was trained on, None if it does not say; errors as in `metadata`."""
    if weights.suffix != ".safetensors":
        return None
    data = json.loads(metadata(weights).get("training", "{}")).get("training_images", {})
    qualities = json.loads(data.get("qualities", "[]"))
    return TrainedOn(data["compressor"], min(qualities), max(qualities)) if qualities and "compressor" in data else None


def million_pixels(weights: Path) -> float | None:
    """Return how many million pixels the training run of a weights file saw; None if the file does not say.

    Those of a run before, whose weights it started from, do not count.
    """
    with suppress(ValueError):  # of another format
        record = json.loads(metadata(weights).get("training", "null"))
        return _million_pixels(record) if record else None
    return None


def card(weights: Path) -> str:
    """Return the card of a safetensors file that `training.train` or `conversion.convert` wrote.

    Raises FileNotFoundError if it is missing, and ValueError if it is no safetensors file or has no history.
    """
    found = metadata(weights)
    if "training" in found:
        return _trained(weights, json.loads(found["training"]))
    if "import" in found:
        return _imported(weights, json.loads(found["import"]))
    raise ValueError(f"{weights} carries no history: neither `qebench train` nor `import` wrote it")


def metadata(weights: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; errors as in `card`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{weights} is no safetensors file: `qebench import` makes one of others") from error


def _trained(weights: Path, record: dict) -> str:
    from tabulate import tabulate

    data, settings, initial = record["training_images"], record["settings"], record.get("initial")
    facts = {
        "network": f"{record['method']}, {record['parameters']:,} parameters",
        "trained on": f"{data['images']} images, {data['folder']}, {data['colour']}{_copies(data)}{_licence(record)}",
        "validated on": f"{record['validation_images']['images']} images, {record['validation_images']['folder']}",
        "compressor": f"{data['compressor']} at {data['qualities']}, {data['version']}, {data['settings']}",
        **_started(record, initial),
        "settings": ", ".join(f"{name} {value}" for name, value in settings.items()),
        **_searched(record),
        **_stage(record),
        "time": f"{record['seconds']} s ({_speed(record)}) on {record['device']}",
        **_precision(record),
        **_blended(record),
        "commit": record["commit"],
        "libraries": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "sha256": files.sha256(weights),
    }
    gains = [[quality, *(f"{gain:+.3f}" for gain in row)] for quality, row in record["delta_psnr"].items()]
    exits = [f"exit {number}" for number in range(1, len(gains[0]))]
    table = tabulate(gains, ["quality", *exits], "pipe", disable_numparse=True)
    curves = f"\n\n![Validation gains in the course of training]({record['curves']})" if "curves" in record else ""
    return _list(weights, facts) + "\n\nPSNR gain on the validation images (dB):\n\n" + table + curves


def _copies(data: dict) -> str:
    grain = float(data.get("grain", 0))  # as pairs were varied before there was "varied"
    if grain:
        return f"; every second one once more with noise of up to {grain:g} of 255"
    return "; every one once more, softened or grainy" if data.get("varied") == "True" else ""


def _licence(record: dict) -> str:
    return f"; licence: {record['licence']}" if record.get("licence") else ""


def _searched(record: dict) -> dict[str, str]:
    """Return what the search before the training tried, if there was one: each candidate, and which was chosen."""
    found = record.get("search")
    if not found:
        return {}
    gains = ["diverged" if row["gain"] is None else f"{row['gain']:+.3f} dB" for row in found["candidates"]]
    tried = [f"{_named(row)} {gain}" for row, gain in zip(found["candidates"], gains, strict=True)]
    return {"searched": f"{found['steps']} steps each: {', '.join(tried)}; chosen: {_named(found['chosen'])}"}


def _named(candidate: dict) -> str:
    return f"{candidate['optimizer']} {candidate['learning_rate']:g}"


def _stage(record: dict) -> dict[str, str]:
    """Return how much the network saw, and after which step weights were taken, if not after the last."""
    steps, step = record["settings"]["steps"], _step(record)
    seen = {"seen": f"{_million_pixels(record):,.0f} million pixels in this run"}
    if step == steps:
        return seen
    return seen | {"taken after": f"{step} of {steps} steps, with the largest gain on crops for validation"}


def _step(record: dict) -> int:
    return record.get("step", record["settings"]["steps"])  # records did not always tell


def _million_pixels(record: dict) -> float:
    return _step(record) * record["settings"]["batch"] * record["settings"]["patch"] ** 2 / 1e6


def _blended(record: dict) -> dict[str, str]:
    """Return with what other weights these were averaged."""
    other = record.get("blended")
    return {"blended": f"with {other['share']:g} of {other['file']} (sha256 {other['sha256'][:16]}…)"} if other else {}


def _started(record: dict, initial: dict | None) -> dict[str, str]:
    """Return what the training started from, or which weights were put together, each as it is."""
    if parts := [f"{part['file']} (sha256 {part['sha256'][:16]}…)" for part in record.get("joined", [])]:
        return {"joined of": f"{', '.join(parts)}; what follows is of the last"}
    return {"started from": f"{initial['file']} (sha256 {initial['sha256'][:16]}…)" if initial else "LSUV start values"}


def _speed(record: dict) -> str:
    waiting = f", {record['waiting_share']:.1%} of the time waiting for them" if "waiting_share" in record else ""
    return f"{record['patches_per_second']} patches/s{waiting}"


def _precision(record: dict) -> dict[str, str]:
    """Return what records tell of precision since they do: that of training, and what less than float32 costs."""
    facts = {"trained in": record["precision"]} if "precision" in record else {}
    if stored := record.get("stored") or _stored_before(record):
        kind = "float32, since float16 costs too much" if stored["as"] == "float32" else stored["as"]
        facts["stored in"] = f"{kind}: at most {stored['cost']:.4f} dB less on {stored['images']} images"
    return facts


def _stored_before(record: dict) -> dict | None:
    """Return "stored" of a record from when there was no int8."""
    half = record.get("half")
    return half and {**half, "as": "float16" if half["stored"] else "float32"}


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
