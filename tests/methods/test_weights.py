"""The weights that ship: each has its history beside it, and gains at every quality on pictures it never saw."""

import functools
import json

import numpy as np
import pytest
from skimage import data

from benchmarks.metrics import psnr
from qebench import config
from qebench.checkpoints import cards
from qebench.common import colour, plugins
from qebench.common.metrics import of_pictures
from qebench.networks import catalogue, pixels, tiling
from qebench.networks.network import describe

COMPRESSORS = config.preset("rgb")["compressors"]  # and those of luma, over which it lies
PICTURES = {
    "luma": [colour.luma(data.astronaut()[:192, 128:320]), data.camera()[128:320, 128:320]],
    "rgb": [data.astronaut()[:384:2, 128:512:2], data.chelsea()[:256:2, 128:384:2]],
}
SHORT = "a short training from the weights for JPEG: it takes grain for an artifact"
LOSING = {
    ("dcad", "luma-hevc", 22): "trained without softened copies, it loses on grain",
    ("arcnn", "luma-hevc", 22): SHORT,
    ("cbdnet", "luma-hevc", 22): SHORT,
    ("cbdnet", "rgb-bpg", 22): SHORT,
    ("dcad", "luma-hevc-short", 22): SHORT,
    ("dncnn", "luma-hevc", 22): SHORT,
    ("pixelunet", "luma-hevc-equal", 22): SHORT,
    ("qecnn", "luma-hevc", 22): SHORT,
    ("rbqe", "luma-hevc-short", 22): SHORT,
    ("unet", "luma-hevc", 22): SHORT,
    ("rbqe-powerqe-v3", "rgb-bpg", 22): "its last two exits lose; the thresholds that ship let nothing get there",
}


def marks(method: str, stem: str, quality: int) -> list[pytest.MarkDecorator]:
    """Return the marks of a case: the best quality, at which a network loses first, is tested each time."""
    case, best = (method, stem, quality), COMPRESSORS[stem.split("-")[1]]["qualities"][0]
    long = [] if quality == best else [pytest.mark.long]
    return long + ([pytest.mark.xfail(reason=LOSING[case])] if case in LOSING else [])


CASES = [
    pytest.param(method, stem, quality, marks=marks(method, stem, quality))
    for method, stems in catalogue.weights().items()
    for stem in stems
    for quality in COMPRESSORS[stem.split("-")[1]]["qualities"]
]


@pytest.mark.parametrize("path", sorted(catalogue.WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_the_card_beside_the_weights_is_what_they_say_themselves(path):
    assert path.with_suffix(".md").read_text() == cards.card(path) + "\n"


# Configurations whose methods are compared after equal training, their compressors, and what these start from.
EQUAL: dict[tuple[str, ...], dict[str, str | None]] = {
    ("ranking",): {"jpeg": None, "hevc": "luma-jpeg"},
    ("rgb",): {"jpeg": None, "bpg": "rgb-jpeg"},
}
EQUAL_CASES = [(presets, *pair) for presets, compressors in EQUAL.items() for pair in compressors.items()]
CHOSEN = {
    "learning_rate",
    "optimizer",
}  # what each network may have of its own, and from the same search if there is one
PICTURES_OF = ("folder", "images", "varied", "settings", "qualities", "colour", "compressor", "version")


def alike(record: dict) -> dict:
    """Return all of a training's record that equal training has in common.

    What differs besides the rate and the optimizer is `exit_weights` of networks with several exits (with one exit it
    does nothing), `half` and the version of our code. Records are older than some keys.
    """
    run, images = record["settings"], record["training_images"]
    settings = {"optimizer": "adam"} | run
    common = {
        name: value for name, value in settings.items() if name not in CHOSEN | {"exit_weights", "equal_exits", "half"}
    }
    assert not settings.get("equal_exits") and settings.get("exit_weights", "paper") in ("paper", "raised")
    pixels = record.get("step", run["steps"]) * run["batch"] * run["patch"] ** 2
    scale = images.get("scale", "1"), images.get("coded", "luma")
    search = record.get("search") or {}
    tried = [{name: row[name] for name in CHOSEN} for row in search.get("candidates", [])]
    return {
        "settings": common,
        "pixels": pixels,
        "training pictures": [{name: images[name] for name in PICTURES_OF}, *scale],
        "search": [search.get("steps"), tried],
    }


@pytest.mark.parametrize(("presets", "compressor", "initial"), EQUAL_CASES, ids=str)
def test_what_is_compared_after_equal_training_was_trained_alike(presets, compressor, initial):
    settings = config.preset(*presets)
    methods = [name for name in config.methods(settings) if config.weights(settings, name, compressor)]
    runs = {}
    for method in methods:
        (weights,) = config.weights(settings, method, compressor)
        record = json.loads(cards.metadata(plugins.ROOT / weights)["training"])
        started = record.get("initial")
        assert bool(started) == bool(initial)  # the name of the weights before may have an ending, as -equal
        assert not initial or started["file"].startswith(f"{method}-{initial}")
        assert record.get("step", record["settings"]["steps"]) == record["settings"]["steps"]
        runs[method] = alike(record)
    assert len(runs) >= {"luma": 8, "rgb": 3}[settings["protocol"]["colour"]]
    first = next(iter(runs.values()))
    assert runs == dict.fromkeys(runs, first)
    assert {"seed", "batch", "patch", "loss", "steps", "warmup", "ema", "clip"} <= first["settings"].keys()


def test_a_searched_rate_and_optimizer_are_those_that_gained_most():
    records = [
        json.loads(cards.metadata(path).get("training", "{}")) for path in catalogue.WEIGHTS.glob("*.safetensors")
    ]
    for record in records:
        if search := record.get("search"):
            best = max((row for row in search["candidates"] if row["gain"] is not None), key=lambda row: row["gain"])
            found = {name: record["settings"][name] for name in CHOSEN}
            assert {name: best[name] for name in CHOSEN} == search["chosen"] == found


@functools.cache
def pairs(colours: str, compressor: str, quality: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the pictures of some colours, each with what a codec makes of it."""
    codec = plugins.find("compressors", compressor)
    return [(picture, codec.decode(codec.encode(picture, quality))) for picture in PICTURES[colours]]


@pytest.mark.parametrize(("method", "stem", "quality"), CASES)
def test_shipped_weights_gain_at_every_quality(method, stem, quality):
    colours, compressor, *_ = stem.split("-")
    model = plugins.find("methods", method).load(catalogue.WEIGHTS / f"{method}-{stem}.safetensors", "cpu")
    gains = []
    for original, decoded in pairs(colours, compressor, quality):
        enhanced = tiling.enhance(describe(model), pixels.to_tensor([decoded], "cpu"))[-1]
        values = pixels.to_levels(enhanced)[0].permute(1, 2, 0).numpy().squeeze()  # unrounded, as in table 1
        before, after = (of_pictures(psnr, original, image) for image in (decoded, values))
        gains.append(after - before)
    assert np.mean(gains) > 0
