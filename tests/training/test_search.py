"""The search before a training: what it tries, chooses and records, and a search that stops ends as if it had not."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import pytest
import yaml
from helpers.pictures import small
from safetensors.torch import load_file

from qebench.__main__ import main
from qebench.checkpoints import cards
from qebench.training import command, loop, pairs, recipes, search, validation
from qebench.training.run import Settings

SETTINGS = Settings(steps=6, batch=2, patch=32, warmup=1, seed=1, half=False)
TRIED = [("adam", 0.001), ("adam", 0.0), ("muon", 0.01)]
CANDIDATES = [
    dataclasses.replace(SETTINGS, steps=3, optimizer=optimizer, learning_rate=rate) for optimizer, rate in TRIED
]


@pytest.fixture(autouse=True)
def seldom(monkeypatch) -> None:
    monkeypatch.setattr(loop, "VALIDATIONS", 1)


def chosen(data: pairs.Pairs, output: Path, **choices: object) -> dict | None:
    return search.choose(small, data, data, CANDIDATES, output, "cpu", **choices)


def test_every_candidate_gains_what_a_training_with_it_does(data, tmp_path):
    found = chosen(data, tmp_path / "net.safetensors")
    assert found["steps"] == 3
    gains = []
    for settings in CANDIDATES:
        record = loop.train(small(), data, data, settings, tmp_path / f"{len(gains)}.safetensors", "cpu")
        gains.append(validation.mean(record["delta_psnr"]))  # pictures are smaller than what is validated of them
    told = [(row["optimizer"], row["learning_rate"], row["gain"]) for row in found["candidates"]]
    assert told == [(*pair, pytest.approx(gain, abs=1e-4)) for pair, gain in zip(TRIED, gains, strict=True)]
    best = max(range(3), key=lambda number: gains[number])
    assert found["chosen"] == dict(zip(("optimizer", "learning_rate"), TRIED[best], strict=True))


def test_a_search_that_stops_at_every_step_ends_with_the_same_gains_and_weights(data, tmp_path):
    train = partial(command.trained, small, data, data, SETTINGS, CANDIDATES, initial=None, labels={})
    whole = train(tmp_path / "whole.safetensors", "cpu", deadline=float("inf"))
    calls, record = 0, None
    while record is None:
        calls += 1
        record = train(tmp_path / "parts.safetensors", "cpu", deadline=0.0)
    assert calls == 2 * 3 + SETTINGS.steps  # the last step of a candidate is followed by the next one's first
    assert record["search"] == whole["search"]
    ours, expected = (load_file(tmp_path / f"{name}.safetensors") for name in ("parts", "whole"))
    assert all((ours[name] == tensor).all() for name, tensor in expected.items())
    assert not list(tmp_path.glob("*.search-*"))


def test_the_record_and_the_card_tell_all_candidates_and_the_choice(data, tmp_path, monkeypatch):
    gains = iter([0.25, float("nan"), 0.5, 1.0, 1.0])
    monkeypatch.setattr(loop, "gains", lambda run, _: {"50": [next(gains)]})
    output = tmp_path / "net.safetensors"
    command.trained(small, data, data, SETTINGS, CANDIDATES, output, "cpu", None, float("inf"), {})
    record = json.loads(cards.metadata(output)["training"])
    assert [row["gain"] for row in record["search"]["candidates"]] == [0.25, None, 0.5]
    assert {name: record["settings"][name] for name in search.TRIED} == record["search"]["chosen"]
    line = "- searched: 3 steps each: adam 0.001 +0.250 dB, adam 0 diverged, muon 0.01 +0.500 dB; chosen: muon 0.01\n"
    assert line in cards.card(output)


def test_a_search_without_a_finite_gain_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "gains", lambda run, _: {"50": [float("nan")]})
    with pytest.raises(ValueError, match="every run of the search diverges: give it lower learning_rates"):
        chosen(data, tmp_path / "net.safetensors")


def test_gains_of_another_search_are_refused(data, tmp_path):
    chosen(data, tmp_path / "net.safetensors")
    other = [dataclasses.replace(settings, seed=2) for settings in CANDIDATES]
    with pytest.raises(ValueError, match=r"net\.safetensors\.search is of a search with other settings"):
        search.choose(small, data, data, other, tmp_path / "net.safetensors", "cpu")
    (tmp_path / "net.safetensors.search").write_text("{")
    with pytest.raises(ValueError, match=r"net\.safetensors\.search is damaged: remove it"):
        chosen(data, tmp_path / "net.safetensors")


def test_a_codec_starts_from_the_weights_beside_its_own_or_says_that_they_are_missing(folder, tmp_path, monkeypatch):
    content = yaml.safe_load((recipes.FOLDER / "default.yaml").read_text())
    changes = {"compressors": ["jpeg", "double_jpeg"], "initial": {"double_jpeg": "jpeg"}}
    changes |= {"methods": {"dcad-twice": {"method": "dcad"}}, "settings": {"steps": 1, "batch": 1, "patch": 32}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content | changes))
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    pictures = f"--data {folder} --validation {folder} --pairs {tmp_path / 'pairs'} --device cpu --threads 1"
    words = f"train dcad-twice --protocol mine {pictures} --compressor".split()
    output = tmp_path / "dcad-twice-luma-double_jpeg.safetensors"
    with pytest.raises(
        SystemExit, match=r"dcad-twice-luma-jpeg\.safetensors is missing, from which recipe mine starts"
    ):
        main([*words, "double_jpeg", "-o", str(output)])
    assert not (tmp_path / "pairs").exists()
    main([*words, "jpeg", "-o", str(tmp_path / "dcad-twice-luma-jpeg.safetensors")])
    main([*words, "double_jpeg", "-o", str(output)])
    record = json.loads(cards.metadata(output)["training"])
    assert record["initial"]["file"] == "dcad-twice-luma-jpeg.safetensors"
