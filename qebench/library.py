"""The functions of `import qebench`: load a network, enhance a picture, score it, code it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qebench import config
from qebench.checkpoints import cards
from qebench.checkpoints.cards import TrainedOn
from qebench.coding import interface
from qebench.common import colour, plugins
from qebench.common.quantisation import Quantisation
from qebench.iqa import iqam as scoring
from qebench.networks import catalogue, loading, own_pictures, pixels, rules, tiling
from qebench.networks.multi_exit import Rule
from qebench.networks.network import Network
from qebench.networks.own_pictures import Enhanced

OWN_PICTURES = {"jpeg": "pixelunet"}  # by codec, what gains most on validation pictures; of others USUAL does
OWN_COLOUR = {"jpeg": "pixelunet-colour"}  # the same for pictures in colour whose chroma was halved (4:2:0)
SAFE = {"pixelunet-colour": 90}  # QF of weights that ship: above it some validation pictures lose (docs/pixelunet.md)
USUAL = "rbqe"


@dataclass(frozen=True)
class Trained:
    """A network with its weights, the rule that stops it at an exit, and the torch device that both run on.

    `trained_on` is the codec and the range of qualities that the weights are for, None if they do not tell.
    """

    network: Network
    rule: Rule
    device: str
    trained_on: TrainedOn | None = None


def load(
    method: str, weights: str | Path, compressor: str | None = None, device: str = "cpu", rule: str | None = None
) -> Trained:
    """Return a method's network with weights, ready for `enhance`.

    `weights` is the name of a codec, for the weights that ship ("jpeg", "hevc", "bpg"), or a file. `rule` is an exit
    rule of benchmarks/exit_rules/; its settings, and the rule unless one is named, are the default configuration's for
    `compressor`: that codec, or the one that the file was trained for.

    Raises ValueError if there is no such method or rule, no weights or settings ship for the codec, if a file does not
    tell its codec, and the errors of the method's own `load`.
    """
    plugins.check("methods", method)
    file = shipped(method, str(weights))
    if file is None and Path(weights).suffix:
        file, compressor = Path(weights), compressor or _trained_for(Path(weights))
    compressor = compressor or str(weights)
    settings = config.preset("rgb") if file and "-rgb-" in file.name else config.default()
    judged = {name: entry for name, entry in settings["compressors"].items() if "threshold" in entry}
    if compressor not in judged:
        raise ValueError(f"compressor {compressor!r}: weights ship for {', '.join(judged)}")
    try:
        network = loading.load(method, file, device)
    except ValueError as error:
        if file is not None:
            raise
        raise ValueError(
            f"no weights of {method} for {compressor} ship: name a file by --weights; "
            "methods/weights/README.md says where to get one and how to train it"
        ) from error
    judged_by, trained_on = _rule(rule, method, compressor, settings), cards.trained_on(file) if file else None
    if file and trained_on and method in SAFE and file.parent == catalogue.WEIGHTS:
        trained_on = replace(trained_on, highest=min(trained_on.highest, SAFE[method]))
    return Trained(network, judged_by, device, trained_on)


def _rule(name: str | None, method: str, compressor: str, settings: dict) -> Rule:
    """Return an exit rule with the settings for a method and a codec; without a name, the configuration's."""
    entry = settings["compressors"][compressor]
    known = {"iqam": entry["threshold"], **rules.shipped(method, compressor)}
    usual = entry.get("exit_rule", "iqam")
    name = name or (usual if usual in known else "iqam")
    plugins.check(rules.FOLDER, name)
    if name not in known:
        raise ValueError(
            f"no settings of the exit rule {name} ship for {method} and {compressor}: take {', '.join(known)}"
        )
    return Rule(entry["iqam_block_size"], known[name], settings["protocol"]["iqam"], name)


def enhance(
    picture: np.ndarray,
    trained: Trained,
    exit: int | None = None,
    strength: float = 1.0,
    track: tiling.Track = iter,
    *,
    quality: float | None = None,
    subsampling: tuple[int, int] = (2, 2),
    quantisation: Quantisation | None = None,
) -> Enhanced:
    """Enhance a decoded picture, uint8 (H, W) or (H, W, 3): return the picture, the exit it took, the scores.

    It stops where the network's rule says, which may know the codec's `quality` of the picture (QF or QP), or at
    `exit`, counted from 1. A luma network also enhances the chroma of a picture in colour; `subsampling` are the rows
    and columns of pixels that shared one sample of it: (2, 2) for 4:2:0. With the `quantisation` of a JPEG file,
    luma keeps to what the file allows; the picture is the whole of it, as `qebench.common.images.load` reads both.
    `strength` blends from the decoded picture (0) to the enhanced one (1). A large picture goes by tiles; `track` is
    given the list of them and iterates over it, as `tqdm.tqdm` does.

    Raises ValueError if there is no such exit, or the network takes RGB and the picture is gray, or the quantisation is
    of other planes than the picture's.
    """
    rule = trained.rule if quality is None else replace(trained.rule, quality=quality)
    how = (exit, trained.device, strength, track, subsampling, quantisation)
    return own_pictures.enhance(trained.network, picture, rule, *how)


def iqam(picture: np.ndarray, block_size: int = 8) -> float:
    """Return the IQAM score of a picture, uint8 (H, W) or (H, W, 3), of which the luma is scored; larger is better.

    `block_size` is 8 for what JPEG decoded and 4 for HEVC. Raises ValueError for another one.
    """
    luma = colour.luma(picture) if picture.ndim == 3 else picture
    return float(scoring.score(pixels.stack([luma], "cpu"), block_size)[0])


def compress(
    picture: np.ndarray, compressor: str, quality: int, settings: Mapping[str, Any] | None = None
) -> tuple[np.ndarray, int]:
    """Code a picture, uint8 (H, W) or (H, W, 3); return what it decodes to, and the bits of the file.

    `quality` is a QF or QP, `settings` are the codec's own (`qebench compressors` lists both). Raises ValueError for an
    unknown codec, quality or setting, and FileNotFoundError if the codec's program is missing.
    """
    module = plugins.find("compressors", compressor)
    chosen = interface.configure(module, settings or {})
    interface.check_quality(module, quality)
    bitstream, _ = interface.encoded(module, picture, quality, chosen)
    return module.decode(bitstream, chosen), 8 * len(bitstream)


def shipped(method: str, compressor: str) -> Path | None:
    """Return the weights file that ships for a method and a codec; None if there is none.

    Luma comes before RGB, and weights for more qualities (`-wide`) before those that tables are made of.
    """
    names = (f"{method}-{colour}-{compressor}{span}" for colour in ("luma", "rgb") for span in ("-wide", ""))
    paths = (catalogue.WEIGHTS / f"{name}.safetensors" for name in names)
    return next((path for path in paths if path.exists()), None)


def usual_method(compressor: str, halved: bool = False) -> str:
    """Return the method for people's own pictures of a codec; `halved` says that they are in colour, in 4:2:0."""
    return (OWN_COLOUR if halved else {}).get(compressor) or OWN_PICTURES.get(compressor, USUAL)


def _trained_for(weights: Path) -> str:
    """Return the codec that a weights file of ours was trained for, from its own record."""
    record = json.loads(cards.metadata(weights).get("training", "{}")) if weights.suffix == ".safetensors" else {}
    codec = record.get("training_images", {}).get("compressor")
    if codec is None:
        raise ValueError(f"{weights} does not tell which codec it was trained for: name it (compressor, --compressor)")
    return codec
