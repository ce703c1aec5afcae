"""Trainings as users run them: killed and gone on with, in several processes, by command and by recipe."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from helpers.pictures import small
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from compressors import jpeg
from methods import dcad
from qebench.__main__ import main
from qebench.checkpoints import cards, reading, rounding
from qebench.common import files, plugins
from qebench.training import command, curves, export, loop, pairs, parallel, recipes, start_values, validation
from qebench.training.run import Run, Settings

SETTINGS = Settings(steps=8, batch=2, patch=32, warmup=3, seed=1, half=False)
SHORT = ["--steps", "2", "--batch", "2", "--patch", "32", "--no-half", "--device", "cpu"]


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def in_process(function) -> int:
    """Run a function in a copy of this process, and return its id; it ends with status 0 if nothing was raised.

    It computes with one thread: the others of OpenMP are not copied, and waiting for them would never end. Its bars
    have a lock of their own: tqdm's is shared between processes, and one that is killed would keep it for ever.
    """
    if child := os.fork():
        return child
    status = 1
    try:
        torch.set_num_threads(1)
        tqdm.set_lock(threading.RLock())
        function()
        status = 0
    finally:
        os._exit(status)


def killed_after_progress(child: int, checkpoint: Path, delay: float) -> bool:
    """Kill a process `delay` seconds after it has written a checkpoint; return False if it ended before, well."""
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return False
        time.sleep(0.005)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status == signal.SIGKILL


def test_a_run_killed_at_any_moment_ends_with_the_same_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0)
    monkeypatch.setattr(loop, "VALIDATIONS", 4)
    whole = in_process(lambda: loop.train(small(), data, data, SETTINGS, tmp_path / "whole.safetensors", "cpu"))
    assert os.waitpid(whole, 0)[1] == 0
    output, kills, moments = tmp_path / "parts.safetensors", 0, random.Random(0)
    checkpoint = tmp_path / "parts.safetensors.checkpoint"
    while not output.exists():
        child = in_process(lambda: loop.train(small(), data, data, SETTINGS, output, "cpu"))
        kills += killed_after_progress(child, checkpoint, moments.uniform(0, 0.02 * (1 + kills)))  # so it ends
    assert kills
    for kind in ("", ".best"):
        parts, whole = (load_file(tmp_path / f"{stem}{kind}.safetensors") for stem in ("parts", "whole"))
        assert same(parts, whole)
    columns = ["step", "loss", "quality", "exit", "delta_psnr"]
    parts, whole = (pd.read_csv(tmp_path / f"{stem}.safetensors.csv")[columns] for stem in ("parts", "whole"))
    pd.testing.assert_frame_equal(parts, whole)


def test_gradients_of_two_processes_are_those_of_one_with_the_whole_batch(data, tmp_path):
    def gradients(part: slice) -> dict[str, Tensor]:
        torch.manual_seed(0)
        model = dcad.load(None, "cpu").train()
        start_values.start(model, data.batch(4, 32, 0)[1])
        run = Run(model, SETTINGS, "cpu")
        run.gradients(data.batch(4, 32, 5, part))
        return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    def one_of_two(rank: int) -> None:
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        with parallel.joined("cpu"):
            assert (parallel.rank(), parallel.count()) == (rank, 2)
            assert parallel.agreed(rank == 0, "cpu")  # as process 0 says
            torch.save(gradients(slice(rank, None, 2)), tmp_path / f"{rank}.pt")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for child in [in_process(lambda rank=rank: one_of_two(rank)) for rank in (0, 1)]:
        assert os.waitpid(child, 0)[1] == 0
    whole = gradients(slice(None))
    for rank in (0, 1):
        shared = torch.load(tmp_path / f"{rank}.pt")
        for name, gradient in whole.items():  # float32, summed in another order
            torch.testing.assert_close(shared[name], gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max()))


def train_command(*arguments: object) -> list[str]:
    return [str(part) for part in ("-m", "qebench", "train", "dcad", "--compressor", "jpeg", *SHORT, *arguments)]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=plugins.ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory) -> Path:
    """Return weights of DCAD that the command has trained for two steps, first without enough time."""
    place = tmp_path_factory.mktemp("trained")
    output = place / "dcad-luma-jpeg.safetensors"
    pictures = ["--data", folder, "--validation", folder, "--pairs", place / "pairs", "--licence", "CC0"]
    arguments = train_command(*pictures, "--qualities", 50, 10, "--threads", 1, "-o", output)
    with pytest.raises(SystemExit) as stopped:
        main([*arguments[2:], "--budget", "0.0001"])
    assert stopped.value.code == command.UNFINISHED == 75
    assert not output.exists()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout == cards.card(output) + "\n"
    return output


@pytest.mark.long
def test_torchrun_trains_as_one_process_does(trained, folder, tmp_path):
    output = tmp_path / "dcad-luma-jpeg.safetensors"
    pictures = ["--data", folder, "--validation", folder, "--pairs", trained.parent / "pairs"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = run(*launch, *train_command(*pictures, "--qualities", 50, 10, "-o", output))
    assert done.returncode == 0, done.stderr
    assert done.stdout == cards.card(output) + "\n"  # of one process only
    assert "2 processes of" in done.stdout
    one, two = load_file(trained), load_file(output)
    for name, tensor in one.items():  # Adam makes much of tiny differences where gradients are nearly nothing
        assert float((two[name] - tensor).abs().mean()) < 1e-5


def test_a_card_prints_the_record(trained, folder):
    with safe_open(trained, framework="pt") as file:
        record = json.loads(file.metadata()["training"])
    card = cards.card(trained)
    assert card.startswith("## dcad-luma-jpeg.safetensors\n")
    for fact in (
        "- network: DCAD, 296,641 parameters",
        f"- trained on: 3 images, {folder.name}, luma; licence: CC0",
        f"- compressor: jpeg at [50, 10], {jpeg.version()}, ",
        "- started from: LSUV start values",
        "steps 2, batch 2, patch 32, learning_rate 0.001",
        "- trained in: float32",
        f"- sha256: {files.sha256(trained)}",
        f"| 10        | {record['delta_psnr']['10'][0]:+.3f}",
    ):
        assert fact in card
    assert record["protocol"] == "default"


def test_a_card_needs_a_record(tmp_path):
    checkpoint = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, checkpoint)
    with pytest.raises(ValueError, match=r"foreign\.safetensors carries no history"):
        cards.card(checkpoint)


def test_exported_weights_are_half_as_large_and_as_good(trained, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "WAYS", {"float16": rounding.half})
    output = tmp_path / "dcad-luma-jpeg.safetensors"
    export.export(trained, [folder], output, trained.parent / "pairs", "cpu", 1)
    assert output.stat().st_size < 0.52 * trained.stat().st_size
    before, after = load_file(trained), load_file(output)
    large = {name for name, tensor in before.items() if tensor.numel() >= 4096}
    assert len(large) == 8  # all convolutions but the first and the last
    assert same(after, {name: tensor.half() if name in large else tensor for name, tensor in before.items()})
    with safe_open(output, framework="pt") as file:
        record = json.loads(file.metadata()["training"])
    assert record["stored"]["as"] == "float16"
    crops_of_run = pairs.read(next((trained.parent / "pairs").glob("*.safetensors")))
    whole, half = (validation.gains(dcad.load(path, "cpu"), crops_of_run, "cpu") for path in (trained, output))
    cost = max(
        one - two
        for row, other in zip(whole.values(), half.values(), strict=True)
        for one, two in zip(row, other, strict=True)
    )
    assert record["stored"]["cost"] == pytest.approx(cost, abs=1e-5)
    card = (tmp_path / "dcad-luma-jpeg.md").read_text()
    assert card == cards.card(output) + "\n"
    assert "- stored in: float16: at most " in card
    assert "![Validation gains in the course of training](curves/dcad-luma-jpeg.png)" in card
    assert Image.open(tmp_path / "curves/dcad-luma-jpeg.png").format == "PNG"


def changed(weights: Path, output: Path, tensors: dict[str, Tensor], **facts: object) -> Path:
    """Copy trained weights with other tensors, and with other facts in their record."""
    with safe_open(weights, framework="pt") as file:
        record = json.loads(file.metadata()["training"]) | facts
    save_file(load_file(weights) | tensors, output, metadata={"training": json.dumps(record)})
    return output


def test_weights_that_rounding_harms_are_exported_whole(trained, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "WAYS", {"float16": rounding.half})  # whose scales serve filters of any size
    weights = load_file(trained)
    large = {f"layers.16.{name}": weights[f"layers.16.{name}"] * 2**30 for name in ("weight", "bias")}  # no float16
    changes = large | {"layers.18.weight": weights["layers.18.weight"] / 2**30}  # the same in float32
    harmed = changed(trained, tmp_path / "harmed.safetensors", changes)
    output = tmp_path / "dcad-luma-jpeg.safetensors"
    export.export(harmed, [folder], output, trained.parent / "pairs", "cpu", 1)
    assert same(load_file(output), weights | changes)
    assert "- stored in: float32, since float16 costs too much" in cards.card(output)


def test_exported_integers_are_within_half_a_step(trained, folder, tmp_path, monkeypatch):
    output = tmp_path / "dcad-luma-jpeg.safetensors"
    monkeypatch.setattr(export, "HARMLESS", 1)
    export.export(trained, [folder], output, trained.parent / "pairs", "cpu", 1)
    assert output.stat().st_size < 0.28 * trained.stat().st_size
    assert "- stored in: int8: at most " in cards.card(output)
    before, after = load_file(trained), dcad.load(output, "cpu").state_dict()
    for name, tensor in before.items():
        rows, found = (values.reshape(len(values), -1) for values in (tensor, after[name]))
        steps = rows.abs().amax(dim=1) / 127 if tensor.numel() >= 4096 else torch.zeros(len(rows))
        assert ((rows - found).abs().amax(dim=1) <= 0.501 * steps).all()


def test_weights_from_the_course_of_training_are_exported_with_the_gains_of_whole_pictures(trained, folder, tmp_path):
    early = changed(trained, tmp_path / "early.safetensors", {}, step=1, delta_psnr={"50": [9.0], "10": [9.0]})
    output = tmp_path / "dcad-luma-jpeg.safetensors"
    export.export(early, [folder], output, trained.parent / "pairs", "cpu", 1)
    assert "- taken after: 1 of 2 steps" in cards.card(output)
    with safe_open(output, framework="pt") as file:
        found = json.loads(file.metadata()["training"])["delta_psnr"]
    crops_of_run = pairs.read(next((trained.parent / "pairs").glob("*.safetensors")))
    expected = validation.gains(dcad.load(output, "cpu"), crops_of_run, "cpu")
    assert found == {quality: pytest.approx(row, abs=1e-6) for quality, row in expected.items()}


def test_weights_are_exported_blended_with_others(trained, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "WAYS", {"float16": rounding.half})
    other, output = tmp_path / "start.safetensors", tmp_path / "dcad-luma-jpeg.safetensors"
    save_file(dcad.load(None, "cpu").state_dict(), other)
    export.export(trained, [folder], output, trained.parent / "pairs", "cpu", 1, (other, 0.25))
    own, others, blended = (reading.read(path) for path in (trained, other, output))
    for name, tensor in blended.items():
        torch.testing.assert_close(tensor.float(), 0.75 * own[name] + 0.25 * others[name], rtol=1e-3, atol=1e-6)
    record = json.loads(cards.metadata(output)["training"])
    assert record["delta_psnr"] != json.loads(cards.metadata(trained)["training"])["delta_psnr"]
    assert "- blended: with 0.25 of start.safetensors (sha256 " in cards.card(output)
    with pytest.raises(ValueError, match=r"1 is no share of .*start\.safetensors to blend in"):
        export.export(trained, [folder], output, trained.parent / "pairs", "cpu", 1, (other, 1))
    with pytest.raises(SystemExit, match=r"--blend .*start\.safetensors half: the share is a number between 0 and 1"):
        command = ["export", trained, "--validation", folder, "-o", output, "--blend", other, "half"]
        main([str(word) for word in command])


def test_weights_without_training_or_method_are_not_exported(trained, folder, tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r"foreign\.safetensors carries no history of a training"):
        export.export(tmp_path / "foreign.safetensors", [folder], tmp_path / "dcad.safetensors", tmp_path, "cpu", 1)
    with pytest.raises(ValueError, match="net: name weights METHOD-COLOUR-COMPRESSOR"):
        export.export(trained, [folder], tmp_path / "net.safetensors", tmp_path, "cpu", 1)


def test_curves_show_the_gains_of_the_last_validation_of_each_step():
    rows = [(100, 1, 0.9, quality, exit, exit / quality) for quality in (50, 10) for exit in (1, 2, 3, 4, 5)]
    rows += [(200, 2, 0.8, quality, exit, gain) for gain in (9, 1) for quality in (50, 10) for exit in (1, 2, 3, 4, 5)]
    table = pd.DataFrame(rows, columns=["step", "seconds", "loss", "quality", "exit", "delta_psnr"])
    panels = curves.draw(table, "rbqe-luma-jpeg").axes
    assert [panel.get_title() for panel in panels] == ["exit 1 of 5", "exit 3 of 5", "exit 5 of 5"]
    for panel, exit in zip(panels, (1, 3, 5), strict=True):
        for line, quality in zip(panel.get_lines(), (50, 10), strict=False):
            assert line.get_xdata().tolist() == [0.1, 0.2]
            assert line.get_ydata().tolist() == [exit / quality, 1]


def test_recipes_train_what_their_protocols_compare():
    names = {name: list(recipes.read(name).jobs()) for name in recipes.names()}
    assert {"default", "eccv2020", "powerqe", "ranking", "ranking_gpu"} == set(names)
    for stem in ("rbqe-luma-jpeg", "cbdnet-luma-hevc", "dncnn-luma-jpeg", "dcad-luma-hevc", "qecnn-luma-jpeg"):
        assert stem in names["eccv2020"]  # Table 1 of the RBQE paper
    assert {"rbqe-powerqe-v3-rgb-jpeg", "cbdnet-rgb-bpg", "dcad-rgb-jpeg"} <= set(names["powerqe"])


@pytest.mark.parametrize("name", recipes.names())
def test_recipes_train_all_methods_alike(name):
    chosen = recipes.read(name)
    every = [replace(chosen.settings_of(entry), learning_rate=0, exit_weights="paper") for entry in chosen.methods]
    assert all(settings == every[0] for settings in every)
    for entry in chosen.methods:
        model = command.untrained(chosen.method_of(entry), {"luma": 1, "rgb": 3}[chosen.colour], chosen.form_of(entry))
        assert chosen.settings_of(entry).exit_weights == "paper" or model.exit_count > 1


@pytest.mark.parametrize(("name", "million"), [("ranking", 400), ("ranking_gpu", 2000)])
def test_the_ranking_trains_eight_networks_on_as_many_pixels(name, million):
    chosen = recipes.read(name)
    methods = {"rbqe", "cbdnet", "dncnn", "dcad", "qecnn", "arcnn", "unet", "pixelunet"}
    assert {chosen.method_of(entry) for entry in chosen.methods} == methods
    weights = {entry: chosen.settings_of(entry).exit_weights for entry in chosen.methods}
    assert weights == {**dict.fromkeys(methods, "paper"), "rbqe-raised": "raised"}
    assert isinstance(command.untrained("pixelunet", 1, chosen.form_of("pixelunet")).head, torch.nn.Conv2d)
    settings = chosen.settings_of("dcad")
    assert million <= settings.steps * settings.batch * settings.patch**2 / 1e6 < million * 1.001
    jobs = chosen.jobs()
    assert [job.compressor for job in jobs.values()] == ["jpeg"] * 9 + ["hevc"] * 9
    assert jobs["rbqe-raised-luma-jpeg"].initial is None
    assert jobs["rbqe-raised-luma-hevc"] == recipes.Job("rbqe-raised", "rbqe", "hevc", "rbqe-raised-luma-jpeg")


def test_candidates_are_short_runs_that_differ_in_rate_and_optimizer_alone():
    chosen = recipes.read("ranking")
    own, tried = chosen.settings_of("rbqe-raised"), chosen.candidates("rbqe-raised")
    assert {(each.learning_rate, each.optimizer) for each in tried} == {
        (rate, optimizer) for rate in (0.0001, 0.0004, 0.0016) for optimizer in ("adam", "muon")
    }
    for each in tried:
        same = {"learning_rate": own.learning_rate, "optimizer": own.optimizer}
        assert replace(each, **same) == replace(own, steps=120, warmup=5)  # 150 * 120 / 3052
    assert recipes.read("default").candidates("dcad") == []


def test_the_command_line_comes_before_the_recipe():
    chosen = recipes.read("default")
    assert chosen.settings_of("dncnn").learning_rate == 3e-4
    assert chosen.settings_of("dncnn", learning_rate=1e-4, steps=None) == replace(
        chosen.settings_of("dncnn"), learning_rate=1e-4
    )
    assert chosen.settings_of("a method without an entry") == chosen.settings_of("dcad")


MISTAKES = {
    "setting": ({"settings": {"stepz": 1}}, "mine.yaml: .*unexpected keyword argument 'stepz'"),
    "key": ({"color": "luma"}, "mine.yaml: .*unexpected keyword argument 'color'"),
    "method": ({"methods": {"rbqee": {}}}, "there is no 'rbqee' in methods/"),
    "compressor": ({"compressors": ["jpg"]}, "there is no 'jpg' in compressors/"),
    "type": (
        {"settings": {"learning_rate": "1e-3"}},
        "mine.yaml: learning_rate is '1e-3', no float: write 0.001 or the like",
    ),
    "optimizer": ({"settings": {"optimizer": "sgd"}}, "mine.yaml: optimizer is 'sgd': it can be adam, muon"),
    "loss": ({"settings": {"loss": "l1"}}, "mine.yaml: loss is 'l1': it can be relative, mse, charbonnier"),
    "name": ({"methods": {"fast": {"method": "dcad"}}}, "mine.yaml: fast is of dcad: name it dcad-fast or the like"),
    "initial": ({"initial": {"hevc": "jpg"}}, "there is no 'jpg' in compressors/"),
    "search": ({"search": {"step": 9}}, "mine.yaml: search: .*unexpected keyword argument 'step'"),
    "searched": (
        {"search": {"steps": 9, "learning_rates": [0.1], "optimizers": ["sgd"]}},
        "mine.yaml: optimizer is 'sgd': it can be adam, muon",
    ),
    "exit weights": ({"settings": {"exit_weights": "x"}}, "exit_weights is 'x': it can be paper, raised, equal"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_in_a_recipe_is_named(kind, tmp_path, monkeypatch):
    changes, message = MISTAKES[kind]
    content = yaml.safe_load((recipes.FOLDER / "default.yaml").read_text())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content | changes))
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=message):
        recipes.read("mine").settings_of("dcad")
        recipes.read("mine").candidates("dcad")
    with pytest.raises(ValueError, match=r"there is no recipe 'yours' in .*: it has mine"):
        recipes.read("yours")
