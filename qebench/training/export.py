"""Weights to ship: in less room where that is harmless, with model card and validation curves beside them."""

import json
from math import inf
from pathlib import Path

from torch import Tensor, nn

from qebench.checkpoints import cards, reading, rounding
from qebench.common import files, plugins
from qebench.networks import outputs
from qebench.training import curves, loop, pair_files, pair_sources, validation

HARMLESS = 0.002  # dB that rounding may cost at any quality and exit
WAYS = {"int8": rounding.integers, "float16": rounding.half}  # to store weights, the smallest first


def export(
    weights: Path,
    folders: list[Path],
    output: Path,
    cache: Path,
    device: str,
    workers: int,
    blend: tuple[Path, float] | None = None,
) -> None:
    """Write trained weights to `output`, its card beside it (.md), and their curves to curves/ if their CSV is there.

    With `blend` they are averaged with those of another file, of which they get that share: with those they started
    from, it keeps what these did better on unusual pictures (Wortsman et al., "Robust fine-tuning of zero-shot models",
    CVPR 2022).

    On the pictures of `folders`, compressed as for training, the gains are measured with the weights as they are and
    rounded, to 8-bit integers and if that does harm to float16 (`storage`). They are stored rounded if no quality and
    exit loses HARMLESS or more; the record tells. These gains go into the record of weights that were blended, or kept
    in the course of training, which has only those of some crops.

    Raises ValueError if `weights` were not written by training, the name of `output` does not begin with a method's, or
    the other weights are for another network.
    """
    record = json.loads(cards.metadata(weights).get("training", "null"))
    if record is None:
        raise ValueError(f"{weights} carries no history of a training: only weights with one are exported")
    module = plugins.find("methods", method_of(output.stem))
    validation_pairs = compressed(record["training_images"], folders, workers, cache)
    model = module.load(weights, device)
    if blend:
        record["blended"] = _blend(model, *blend)
    kind, stored, gains, cost = _smallest(model, validation_pairs, device)
    if blend or record.get("step", record["settings"]["steps"]) < record["settings"]["steps"]:
        record["validation_images"] = validation_pairs.description
        record["delta_psnr"] = gains
    record["stored"] = {"as": kind, "cost": round(cost, 5), "images": validation_pairs.description["images"]}
    table = weights.with_name(weights.name + ".csv")
    if table.exists():
        record["curves"] = f"curves/{output.stem}.png"
        curves.write(table, output.parent / record["curves"])
    loop.write(stored, record, output)
    output.with_suffix(".md").write_text(cards.card(output) + "\n", encoding="utf-8")


def _blend(model: nn.Module, other: Path, share: float) -> dict[str, object]:
    """Move a network's weights towards those of another file, and return the record of it."""
    if not 0 < share < 1:
        raise ValueError(f"{share:g} is no share of {other} to blend in: give one between 0 and 1")
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    reading.load_into(model, other)
    for name, tensor in model.state_dict().items():
        tensor.copy_(own[name].lerp(tensor, share) if tensor.is_floating_point() else own[name])
    return {"file": other.name, "sha256": files.sha256(other), "share": share}


def _smallest(
    model: nn.Module, validation_pairs: pair_files.Pairs, device: str
) -> tuple[str, dict[str, Tensor], validation.Gains, float]:
    """Return the name of the harmless way to store a network that takes least room, so stored weights, and their gains.

    The last is what they lose by that, in dB, or if no way is harmless what they would by float16.
    """
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = validation.gains(model, validation_pairs, device)
    for way, rounded in WAYS.items():
        stored = rounded(state)
        model.load_state_dict(rounding.floats(stored))  # which makes them float32 again
        try:
            after = validation.gains(model, validation_pairs, device)
        except outputs.WrongOutput:  # too large for this way, weights become infinite
            costs = [inf]
            continue
        costs = _costs(before, after)
        if all(cost < HARMLESS for cost in costs):  # false for what is no number
            return way, stored, after, max(costs)
    return "float32", state, before, max(costs)


def method_of(stem: str) -> str:
    """Return the method that a weights file is named after: rbqe-powerqe-v3-rgb-jpeg is not for rbqe."""
    named = [method for method in plugins.names("methods") if stem.startswith(f"{method}-")]
    if not named:
        raise ValueError(f"{stem}: name weights METHOD-COLOUR-COMPRESSOR, with a method of methods/")
    return max(named, key=len)


def _costs(before: validation.Gains, after: validation.Gains) -> list[float]:
    rows = zip(before.values(), after.values(), strict=True)
    return [one - two for row, other in rows for one, two in zip(row, other, strict=True)]


def compressed(made: dict[str, str], folders: list[Path], workers: int, cache: Path) -> pair_files.Pairs:
    """Return the pairs of other pictures, compressed as those that `made`, a record of training pictures, describes."""
    qualities, scale = json.loads(made["qualities"]), int(made.get("scale", 1))
    coded = made.get("coded", "luma")
    return pair_files.cached(
        pair_sources.Recipe(folders, made["compressor"], qualities, made["colour"], scale=scale, coded=coded),
        workers,
        cache,
    )
