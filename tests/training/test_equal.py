"""A ranking in the time that there is: every network gets as many steps as fit, and a later call goes on."""

import json
import math
import time
from pathlib import Path

import pytest
import yaml
from helpers.pictures import photograph
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from qebench.__main__ import main
from qebench.checkpoints import cards
from qebench.common import plugins
from qebench.training import equal, loop, packs, pair_sources, recipes
from qebench.training.equal import Times

QUALITIES = [50, 40, 30, 20, 10]


@pytest.fixture(autouse=True)
def hasty(monkeypatch) -> None:
    monkeypatch.setattr(equal, "PROBE", 0)
    monkeypatch.setattr(loop, "HURRIED", 1)


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    """Return a folder with packs to train and to validate on, of a picture of 32x32 pixels."""
    folder = tmp_path_factory.mktemp("packs")
    (folder / "pictures").mkdir()
    Image.fromarray(photograph("camera")[64:96, 200:232]).save(folder / "pictures/edges.png")
    for name, varied in (("train", True), ("validation", False)):
        made = pair_sources.Recipe([folder / "pictures"], "jpeg", QUALITIES, "luma", varied)
        packs.pack(made, 1, folder / f"{name}.zip")
    return folder


def fast(tmp_path: Path, monkeypatch, **changes: object) -> recipes.Recipe:
    """Return the ranking for a GPU with single steps of single crops, as the recipe `fast`."""
    content = yaml.safe_load((recipes.FOLDER / "ranking_gpu.yaml").read_text())
    content["settings"] |= {"steps": 1, "batch": 1, "patch": 32}
    content["search"] = {"steps": 1, "learning_rates": [0.001], "optimizers": ["muon"]}
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/fast.yaml").write_text(yaml.safe_dump(content | changes))
    monkeypatch.setattr(recipes, "FOLDER", tmp_path / "recipes")
    return recipes.read("fast")


def words(packed: Path, tmp_path: Path, minutes: float = 60) -> list[str]:
    given = ["--data", packed / "train.zip", "--validation", packed / "validation.zip", "--device", "cpu"]
    rest = ["--threads", 1, "--minutes", minutes, "--licence", "CC0", "-o", tmp_path / "out"]
    return [str(word) for word in ["study", "gpu-ranking", "--protocol", "fast", *given, *rest]]


def test_every_network_of_the_ranking_is_timed_searched_for_and_trained(packed, tmp_path, monkeypatch, capsys):
    recipe = fast(tmp_path, monkeypatch)
    main(words(packed, tmp_path))
    shown = capsys.readouterr()
    assert ", 1 threads, without TF32" in shown.out
    assert "jpeg: 0 million pixels for each of 9 networks\n" in shown.err
    for entry in recipe.methods:
        weights = tmp_path / f"out/{entry}-luma-jpeg.safetensors"
        record = json.loads(cards.metadata(weights)["training"])
        assert f"{weights.stem}: 0 million pixels" in shown.out
        assert record["settings"]["exit_weights"] == ("raised" if entry == "rbqe-raised" else "paper")
        assert record["search"]["chosen"] == {"optimizer": "muon", "learning_rate": 0.001}
        assert (record["licence"], record["protocol"], record["step"]) == ("CC0", "fast", 1)
        plugins.find("methods", recipe.method_of(entry)).load(weights, "cpu")
    main(words(packed, tmp_path))
    assert "graph" not in capsys.readouterr().err  # all is done


def test_a_call_whose_time_is_over_leaves_weights_and_the_next_goes_on(packed, tmp_path, monkeypatch, capsys):
    settings = {"steps": 3, "batch": 1, "patch": 32, "warmup": 1}
    fast(tmp_path, monkeypatch, methods={"dcad": {}, "arcnn": {}}, settings=settings, search={})
    monkeypatch.setattr(equal, "fitting", lambda times, tried, wanted, seconds: 2)
    main(words(packed, tmp_path, minutes=0.0))
    shown = capsys.readouterr()
    assert "jpeg: 0 million pixels for each of 2 networks instead of 0, so that all fit" in shown.err
    assert "dcad-luma-jpeg: not begun" in shown.out
    deadline = equal.command.trained
    monkeypatch.setattr(equal.command, "trained", lambda *how, **rest: deadline(*how[:8], 0.0, *how[9:], **rest))
    partial, steps = tmp_path / "out/dcad-luma-jpeg.partial.safetensors", []
    for _ in range(2):
        main(words(packed, tmp_path))
        steps.append(json.loads(cards.metadata(partial)["training"])["step"] if partial.exists() else 2)
    assert steps == [1, 2]
    record = json.loads(cards.metadata(tmp_path / "out/dcad-luma-jpeg.safetensors")["training"])
    assert (record["step"], record["settings"]["steps"]) == (2, 2)


def test_hevc_starts_from_the_weights_for_jpeg_and_says_if_they_are_missing(data, tmp_path):
    settings = {"steps": 1, "batch": 1, "patch": 32}
    codecs, start = ["jpeg", "hevc"], {"hevc": "jpeg"}
    recipe = recipes.Recipe("fast", "luma", 1, False, codecs, settings, {"arcnn": {}}, initial=start)
    end = time.monotonic() + 3600
    with pytest.raises(ValueError, match=r"arcnn-luma-jpeg\.safetensors is missing, from which recipe fast starts for"):
        equal.train_all(recipe, {"hevc": (data, data)}, tmp_path, "cpu", end, {})
    seen = equal.train_all(recipe, {codec: (data, data) for codec in codecs}, tmp_path, "cpu", end, {})
    assert seen == {f"arcnn-luma-{codec}": 32**2 / 1e6 for codec in codecs}
    record = json.loads(cards.metadata(tmp_path / "arcnn-luma-hevc.safetensors")["training"])
    assert record["initial"]["file"] == "arcnn-luma-jpeg.safetensors"


def test_other_packs_than_the_recipe_asks_for_are_refused(packed, tmp_path, monkeypatch):
    fast(tmp_path, monkeypatch)
    same = words(packed, tmp_path)
    same[same.index("--data") + 1] = str(packed / "validation.zip")
    with pytest.raises(SystemExit, match=r"validation\.zip was packed with varied False, but True is asked for"):
        main(same)


SECONDS = st.floats(1e-3, 10)
TIMES = st.lists(st.builds(Times, SECONDS, SECONDS, SECONDS, SECONDS), min_size=1, max_size=9)


@given(TIMES, st.lists(st.integers(1, 50), max_size=6), st.integers(1, 5000), st.floats(1, 1e5))
def test_the_steps_fit_into_the_time_and_one_more_would_not(times, tried, wanted, seconds):
    def needed(steps: int) -> float:
        runs, looks = len(tried) + 1, len(tried) + loop.HURRIED
        return sum(
            runs * each.begin + (sum(tried) + steps) * each.step + looks * each.crops + each.whole for each in times
        )

    steps = equal.fitting(times, tried, wanted, seconds)
    assert steps <= wanted
    room = equal.SHARE * seconds
    assert steps < 1 or needed(steps) <= room + 1e-6
    assert steps == wanted or needed(steps + 1) > room - 1e-6 or math.isclose(needed(steps + 1), room)
