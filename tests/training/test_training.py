"""The loss is the paper's, training starts where it should, and a run that stops ends as if it had not."""

import csv
import dataclasses
import json
import math
import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pictures import QUALITIES, Small, built, photographs, recipe, small
from safetensors import safe_open
from safetensors.torch import load_file
from tensorboardX.proto import event_pb2
from torch import Tensor, nn

from methods import dcad, rbqe
from qebench.checkpoints import reading
from qebench.common import files
from qebench.networks import multi_exit
from qebench.training import journal, loop, losses, pairs, start_values, validation
from qebench.training.optimizers import OPTIMIZERS
from qebench.training.run import Clock, Run, Settings, rate

SETTINGS = Settings(steps=12, batch=2, patch=32, warmup=3, seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> pairs.Pairs:
    folder = photographs(tmp_path_factory.mktemp("pictures"))
    return built(recipe(folder), tmp_path_factory.mktemp("pairs") / "pairs.safetensors")


@pytest.fixture(autouse=True)
def seldom(monkeypatch) -> None:
    """Validate twice a run, not twenty times."""
    monkeypatch.setattr(loop, "VALIDATIONS", 2)


def levels(count: int, error: float) -> tuple[Tensor, Tensor]:
    """Return gray originals and decoded images that are `error` gray levels off."""
    original = torch.full((count, 1, 8, 8), 0.5)
    return original, original + error / 255


def test_the_loss_of_the_decoded_image_is_1_but_for_the_floor():
    original, decoded = levels(3, 10)
    loss = losses.loss([decoded], original, decoded, torch.tensor([0, 1, 2]))
    assert float(loss) == pytest.approx(100 / 100.25, rel=1e-5)  # 10^2 / (10^2 + 0.5^2); float32
    assert float(losses.loss([original], original, decoded, torch.tensor([0, 1, 2]))) == 0


def test_the_loss_is_relative_to_the_error_of_each_crop():
    original = torch.full((2, 1, 8, 8), 0.5)
    decoded = original + torch.tensor([2.0, 20.0]).reshape(2, 1, 1, 1) / 255
    enhanced = original + torch.tensor([1.0, 10.0]).reshape(2, 1, 1, 1) / 255
    loss = losses.loss([enhanced], original, decoded, torch.tensor([0, 0]))
    assert float(loss) == pytest.approx((1 / 4.25 + 100 / 400.25) / 2, rel=1e-5)


def test_flat_crops_without_error_have_a_finite_loss():
    original, enhanced = levels(1, 1)
    assert float(losses.loss([enhanced], original, original, torch.tensor([0]))) == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", (3 / 255) ** 2),
        ("charbonnier", math.sqrt((3 / 255) ** 2 + 1e-6)),  # LapSRN's, with epsilon 1e-3
        ("relative", 9 / 100.25),
    ],
)
def test_losses_of_a_constant_error_are_those_by_hand(name, expected):
    original, decoded = levels(2, 10)
    _, enhanced = levels(2, 3)
    found = losses.loss([enhanced], original, decoded, torch.tensor([0, 1]), name=name)
    assert float(found) == pytest.approx(expected, rel=1e-4)  # float32


# RBQE, ECCV 2020, section 3.5: how much each exit counts, by quality from best to worst
PAPER = [[2, 1, 1, 0.5, 0.5], [1, 2, 1, 0.5, 0.5], [0.5, 1, 2, 1, 0.5], [0.5, 0.5, 1, 2, 1], [0.5, 0.5, 1, 1, 2]]
RAISED = [[2, 1, 1, 1, 1], [1, 2, 1, 1, 1], [0.5, 1, 2, 1, 1], [0.5, 0.5, 1, 2, 1], [0.5, 0.5, 1, 1, 2]]


@pytest.mark.parametrize("quality", range(5))
@pytest.mark.parametrize("exit", range(5))
def test_each_exit_counts_as_in_the_paper(quality, exit):
    original, decoded = levels(1, 10)
    enhanced = [decoded if number == exit else original for number in range(5)]
    loss = losses.loss(enhanced, original, decoded, torch.tensor([quality]))
    assert float(loss) == pytest.approx(PAPER[quality][exit] / 5 * 100 / 100.25, rel=1e-5)


def test_raised_weights_are_the_papers_with_no_deeper_exit_under_one():
    assert losses.EXIT_WEIGHTS["raised"] == RAISED


def test_equal_weights_are_for_any_number_of_exits():
    original, decoded = levels(1, 10)
    loss = losses.loss([decoded, original, original], original, decoded, torch.tensor([4]), "equal")
    assert float(loss) == pytest.approx(100 / 100.25 / 3, rel=1e-5)


@pytest.mark.parametrize("load", [dcad.load, rbqe.load], ids=["dcad", "rbqe"])
def test_start_values_give_unit_variance_inside_and_almost_no_change(load, data):
    torch.manual_seed(0)
    model = load(None, "cpu")
    x = data.batch(8, 32, 0)[1]
    start_values.start(model, x)
    spreads: list[float] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: spreads.append(float(output.std())))
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        results = list(multi_exit.exits(model, x))
    for hook in hooks:
        hook.remove()
    damped = [spread for spread in spreads if spread < 0.01]
    assert len(damped) == len(results)
    assert damped == pytest.approx([start_values.HEAD_SCALE] * len(results), rel=1e-3)
    assert [spread for spread in spreads if spread >= 0.01] == pytest.approx(
        [1] * (len(spreads) - len(damped)), abs=1e-3
    )
    for result in results:
        assert float((result - x).std()) == pytest.approx(start_values.HEAD_SCALE, rel=1e-3)
    assert all(bool((layer.bias == 0).all()) for layer in model.modules() if getattr(layer, "bias", None) is not None)


def test_start_values_look_at_no_brightness(data):
    model, x = small(), data.batch(8, 32, 0)[1]
    start_values.start(model, x)
    first = model.layers[0].weight.detach()
    assert float(first.mean(dim=(1, 2, 3)).abs().max()) < 1e-6 * float(first.abs().max())  # float32


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth():
    settings = Settings(steps=1000, warmup=100)
    factors = [rate(step, settings) for step in range(1001)]
    assert factors[0] == pytest.approx(0.01, rel=1e-3)  # a hundredth of the warm-up
    assert max(factors) == pytest.approx(0.98, abs=0.01)  # (1 + cos(0.1 pi)) / 2, just after it
    assert factors[500] == pytest.approx(0.505, abs=1e-4)  # (0.01 + 1) / 2
    assert factors[1000] == pytest.approx(0.01, abs=1e-6)


def test_gains_are_mean_psnr_differences_per_quality_and_exit(data):
    class Half(nn.Module):
        """Exit 1 leaves the image, exit 2 makes it gray."""

        exit_count = 2

        def exits(self, x: Tensor):
            yield x
            yield x * 0 + 0.5

    table = validation.gains(Half(), data, "cpu", 2)
    assert list(table) == ["50", "30", "10"]
    for layer, quality in enumerate(QUALITIES, start=1):
        expected = []
        for number in range(2):
            original, decoded = (data.image(number, place).double() for place in (0, layer))
            errors = [float((image - original).square().mean()) for image in (decoded, torch.tensor(0.5))]
            expected.append(10 * math.log10(errors[0] / errors[1]))
        assert table[str(quality)] == [0.0, pytest.approx(np.mean(expected), abs=1e-4)]  # rounded to 4 decimals


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture
def often(monkeypatch) -> None:
    """Save after every step, and validate after every third."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0)
    monkeypatch.setattr(loop, "VALIDATIONS", 4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_fails_goes_on_as_if_nothing_had_happened(optimizer, data, often, tmp_path, monkeypatch):
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer)
    loop.train(small(), data, data, settings, tmp_path / "whole.safetensors", "cpu")

    def killed(*_) -> None:
        raise KeyboardInterrupt

    validate, output = loop._validate, tmp_path / "parts.safetensors"
    monkeypatch.setattr(loop, "_validate", killed)  # at step 3; the checkpoint is of step 2
    with pytest.raises(KeyboardInterrupt):
        loop.train(small(), data, data, settings, output, "cpu")
    assert not output.exists()
    monkeypatch.setattr(loop, "_validate", validate)
    torch.manual_seed(99)
    loop.train(Small(), data, data, settings, output, "cpu")  # start values do not matter any more
    for kind in ("", ".best"):
        parts, whole = (load_file(tmp_path / f"{stem}{kind}.safetensors") for stem in ("parts", "whole"))
        assert same(parts, whole)
    assert history(tmp_path / "parts.safetensors.csv") == history(tmp_path / "whole.safetensors.csv")


def test_a_run_whose_time_is_over_goes_on_with_the_next_call(data, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=4)
    loop.train(small(), data, data, settings, tmp_path / "whole.safetensors", "cpu")
    output = tmp_path / "parts.safetensors"
    for step in (1, 2, 3):  # each call makes a step at least
        assert loop.train(small(), data, data, settings, output, "cpu", deadline=0) is None
        state = torch.load(tmp_path / "parts.safetensors.checkpoint", weights_only=True)
        assert state["progress"]["step"] == step
        assert not output.exists()
    assert loop.train(small(), data, data, settings, output, "cpu", deadline=0) is not None
    assert same(load_file(output), load_file(tmp_path / "whole.safetensors"))


def test_a_finished_run_is_not_trained_again(data, often, tmp_path):
    output = tmp_path / "net.safetensors"
    first = loop.train(small(), data, data, SETTINGS, output, "cpu")
    kept = load_file(output)
    again = loop.train(small(), data, data, SETTINGS, output, "cpu")
    assert same(load_file(output), kept)
    assert again["delta_psnr"] == first["delta_psnr"]
    assert again["patches_per_second"] == first["patches_per_second"]


def test_the_best_weights_are_those_of_the_highest_gain(data, often, tmp_path, monkeypatch):
    gains, told, seen = iter([1.0, 3.0, 2.0, 3.0]), [], {}

    def gain(run, _) -> dict:
        seen[run.progress.step] = {name: value.clone() for name, value in run.average.module.state_dict().items()}
        told.append(run.progress.step)
        return {"30": [next(gains)]}

    monkeypatch.setattr(loop, "gains", gain)
    loop.train(small(), data, data, SETTINGS, tmp_path / "net.safetensors", "cpu")
    assert told == [3, 6, 9, 12]
    assert same(load_file(tmp_path / "net.best.safetensors"), seen[6])


def diverge(run: Run, batch: tuple) -> None:
    run.progress.step += 1
    run.progress.losses.append(math.nan)


def test_a_loss_that_is_no_number_stops_the_run(data, often, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "update", diverge)
    with pytest.raises(FloatingPointError, match=r"the loss is nan after 3 steps: take a lower --learning-rate than"):
        loop.train(small(), data, data, SETTINGS, tmp_path / "net.safetensors", "cpu")


def test_no_gain_after_a_minute_is_told_loudly(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "FIRST_CHECK", (0.001, 2))
    settings = dataclasses.replace(SETTINGS, steps=2, learning_rate=1.0)
    loop.train(small(), data, data, settings, tmp_path / "wild.safetensors", "cpu")
    message = capsys.readouterr().err
    assert re.search(r"WARNING: the mean validation gain is -\d+\.\d+ dB after 2 steps", message)
    assert "a learning rate too high for this network" in message
    journal.warn(Clock(total=61), 100, {"50": [0.1, -0.01]}, 0.9)
    assert capsys.readouterr().err == ""


def test_muon_steps_are_orthogonal_and_as_long_as_those_of_adam():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 12, 3), nn.ConvTranspose2d(12, 16, 2), nn.Conv2d(16, 16, 3, groups=16))
    model.append(nn.Conv2d(16, 1, 1)).to(memory_format=torch.channels_last)
    start = [parameter.detach().clone() for parameter in model.parameters()]
    model(torch.rand(2, 8, 9, 9)).square().mean().backward()
    steps = {}
    for name, make in OPTIMIZERS.items():
        for optimizer in make(model, 0.01):
            optimizer.step()
        steps[name] = [(before - after).detach() for before, after in zip(start, model.parameters(), strict=True)]
        with torch.no_grad():
            for parameter, before in zip(model.parameters(), start, strict=True):
                parameter.copy_(before)
    for number, (adam, muon) in enumerate(zip(steps["adam"], steps["muon"], strict=True)):
        if number in (0, 2):  # dense filters: all singular values alike, within the half that five iterations leave
            spread = torch.linalg.svdvals(muon.flatten(1)) / (0.01 * 0.2 * max(muon.flatten(1).shape) ** 0.5)
            assert 0.4 < spread.min() <= spread.max() < 1.4
            assert muon.square().mean() ** 0.5 == pytest.approx(0.01 * 0.2, rel=0.4)
        else:  # biases, depthwise filters, a head
            assert torch.equal(adam, muon)


def test_muon_in_float32_makes_the_steps_of_pytorchs_but_for_its_rounding():
    torch.manual_seed(0)
    filters = [nn.Parameter(torch.randn(8, 4, 3, 3)), nn.Parameter(torch.randn(40, 2, 2, 2))]
    filters = [nn.Parameter(weight.detach().to(memory_format=torch.channels_last)) for weight in filters]
    matrices = [nn.Parameter(weight.detach().permute(0, 2, 3, 1).flatten(1).clone()) for weight in filters]
    layers = nn.ModuleList([nn.Conv2d(4, 8, 3), nn.Conv2d(2, 40, 2)])
    for layer, weight in zip(layers, filters, strict=True):
        layer.weight = weight
    ours, _ = OPTIMIZERS["muon"](layers, 0.1)
    theirs = torch.optim.Muon(matrices, 0.1, weight_decay=0, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        for weight, matrix in zip(filters, matrices, strict=True):
            weight.grad = torch.randn(weight.shape)
            matrix.grad = weight.grad.permute(0, 2, 3, 1).flatten(1)
        ours.step()
        theirs.step()
    for weight, matrix in zip(filters, matrices, strict=True):
        torch.testing.assert_close(weight.permute(0, 2, 3, 1).flatten(1), matrix, rtol=0, atol=0.005)


def test_muon_makes_one_step_of_filters_that_layers_share():
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)).to(memory_format=torch.channels_last)
    model[1].weight = model[0].weight
    muon, adam = OPTIMIZERS["muon"](model, 0.01)
    assert [len(part.param_groups[0]["params"]) for part in (muon, adam)] == [1, 2]


def test_training_depends_on_the_seed(data, tmp_path):
    results = []
    for number, seed in enumerate((1, 1, 2)):
        output = tmp_path / f"{number}.safetensors"
        loop.train(small(), data, data, dataclasses.replace(SETTINGS, steps=4, seed=seed), output, "cpu")
        results.append(load_file(output))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


def test_a_checkpoint_of_other_settings_is_refused(data, often, tmp_path):
    output = tmp_path / "net.safetensors"
    loop.train(small(), data, data, SETTINGS, output, "cpu")
    other = dataclasses.replace(SETTINGS, learning_rate=1e-4)
    with pytest.raises(ValueError, match=r"net\.safetensors\.checkpoint is of a run with other settings.*or remove it"):
        loop.train(small(), data, data, other, output, "cpu")


def test_training_starts_from_given_weights(data, tmp_path):
    initial, output = tmp_path / "initial.safetensors", tmp_path / "net.safetensors"
    loop.train(small(), data, data, dataclasses.replace(SETTINGS, steps=4), initial, "cpu")
    still = dataclasses.replace(SETTINGS, steps=1, learning_rate=0.0)
    record = loop.train(small(), data, data, still, output, "cpu", initial)
    assert same(load_file(output), load_file(initial))
    assert record["initial"] == {"file": "initial.safetensors", "sha256": files.sha256(initial)}


def history(path: Path) -> list[list[str]]:
    """Return the rows of a CSV file but for the seconds, which no two runs have in common."""
    with path.open(newline="") as file:
        return [[*row[:1], *row[2:]] for row in csv.reader(file)]


def test_the_log_lists_gains_by_step_quality_and_exit(data, often, tmp_path):
    loop.train(small(), data, data, SETTINGS, tmp_path / "net.safetensors", "cpu")
    with (tmp_path / "net.safetensors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["quality"], row["exit"]) for row in rows] == [
        (step, quality, "1") for step in ("3", "6", "9", "12") for quality in ("50", "30", "10")
    ]
    assert all(abs(float(row["delta_psnr"])) < 5 for row in rows)


def test_tensorboard_reads_the_same_gains(data, often, tmp_path):
    loop.train(small(), data, data, SETTINGS, tmp_path / "net.safetensors", "cpu")
    (events,) = (tmp_path / "net.safetensors.events").iterdir()
    found = {}
    content = events.read_bytes()
    while content:  # TFRecord: length, its checksum, the event, its checksum
        (length,) = struct.unpack_from("<Q", content)
        event = event_pb2.Event.FromString(content[12 : 12 + length])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        content = content[16 + length :]
    with (tmp_path / "net.safetensors.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row["step"])
            told = found[f"gain/{row['quality']}/exit_1", step]
            assert told == pytest.approx(float(row["delta_psnr"]), abs=1e-6)
            assert found["loss", step] == pytest.approx(float(row["loss"]), abs=1e-5)


def test_crops_are_not_waited_for_unnoticed(data, tmp_path, monkeypatch):
    batch = data.batch
    monkeypatch.setattr(pairs.Pairs, "batch", lambda pairs, *choices: time.sleep(0.05) or batch(*choices))
    record = loop.train(small(), data, data, SETTINGS, tmp_path / "net.safetensors", "cpu")
    assert 0.5 < record["waiting_share"] < 1
    assert record["patches_per_second"] < 2 / 0.05


def test_weights_carry_the_record_of_their_training(data, tmp_path):
    output = tmp_path / "net.safetensors"
    record = loop.train(small(), data, data, SETTINGS, output, "cpu")
    with safe_open(output, framework="pt") as file:
        assert json.loads(file.metadata()["training"]) == record
    assert record["method"] == "Small"
    assert record["parameters"] == 8 * 9 + 8 + 8 * 9 + 1
    assert record["settings"] == dataclasses.asdict(SETTINGS)
    assert record["training_images"] == record["validation_images"] == data.description
    assert list(record["delta_psnr"]) == ["50", "30", "10"]
    model = small()
    reading.load_into(model, output)  # and are those that were measured
    assert validation.gains(model, data, "cpu") == record["delta_psnr"]
