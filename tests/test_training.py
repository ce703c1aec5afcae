"""Training pairs are the pictures they say, the loss is the paper's, and a killed run ends as if it had not been."""

import csv
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks import files, images, plugins
from compressors import jpeg
from methods import cards, checkpoints, dcad, network, pairs, rbqe, training

QUALITIES = [50, 30, 10]
SIZES = [(72, 80), (80, 72), (40, 104)]
SETTINGS = training.Settings(steps=12, batch=2, patch=32, warmup=3, seed=1)


class Small(nn.Module):
    """Two convolutions, added to the decoded image: enough to learn something in a second."""

    channels = 1

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def small() -> nn.Module:
    torch.manual_seed(0)
    return Small()


def photographs(folder: Path, colour: bool = False) -> Path:
    """Fill a folder with pictures in which every 8x8 block is another one."""
    random = np.random.default_rng(0)
    for number, (height, width) in enumerate(SIZES):
        coarse = random.uniform(0, 255, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
        noise = random.normal(0, 10, (height, width, 3))
        picture = (coarse[:height, :width] + noise).round().clip(0, 255).astype(np.uint8)
        images.write(folder / f"{number}.png", picture if colour else picture[..., 0])
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return photographs(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def data(folder, tmp_path_factory) -> pairs.Pairs:
    path = tmp_path_factory.mktemp("pairs") / "pairs.safetensors"
    pairs.build(pairs.Recipe([folder], "jpeg", QUALITIES, "luma"), 2, path)
    return pairs.read(path)


def test_pairs_are_the_pictures_and_their_decoded_versions(folder, data):
    assert data.sizes.tolist() == [list(size) for size in SIZES]
    assert data.qualities == QUALITIES
    for number in range(len(SIZES)):
        original = images.read(folder / f"{number}.png")
        for layer, expected in enumerate([original, *(jpeg.decode(jpeg.encode(original, q)) for q in QUALITIES)]):
            found = data.image(number, layer)
            assert found.shape == (1, 1, *SIZES[number])
            assert np.array_equal((found[0, 0] * 255).round().numpy().astype(np.uint8), expected)


def test_colour_pairs_keep_their_channels(tmp_path):
    photographs(tmp_path / "pictures", colour=True)
    pairs.build(pairs.Recipe([tmp_path / "pictures"], "jpeg", [30], "rgb"), 1, tmp_path / "pairs.safetensors")
    original = images.read(tmp_path / "pictures/1.png")
    data = pairs.read(tmp_path / "pairs.safetensors")
    for layer, expected in enumerate([original, jpeg.decode(jpeg.encode(original, 30))]):
        assert torch.equal(data.image(1, layer), network.to_tensor([expected], "cpu"))
    assert data.batch(4, 32, 0)[0].shape == data.batch(4, 32, 0)[1].shape == (4, 3, 32, 32)


def test_pairs_say_what_was_compressed_and_how(folder, data):
    assert data.description == {
        "folder": folder.name,
        "images": "3",
        "varied": "False",
        "compressor": "jpeg",
        "version": jpeg.version(),
        "settings": "gray (4:0:0)",
        "qualities": "[50, 30, 10]",
        "colour": "luma",
    }


def test_a_batch_depends_on_its_seed_alone(data):
    first, again, other = (data.batch(16, 32, seed) for seed in (7, 7, 8))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    torch.rand(5)  # whatever else was drawn in between
    assert torch.equal(data.batch(16, 32, 7)[1], first[1])


def turned(image: Tensor) -> list[Tensor]:
    """Return the eight ways of flipping and transposing a square image."""
    flipped = [image.flip(axes) for axes in ([], [0], [1], [0, 1])]
    return flipped + [way.T for way in flipped]


def find(crop: Tensor, data: pairs.Pairs, layer: int) -> tuple[int, int, int, int]:
    """Return the image, row, column and turn of a crop among the 8-aligned places of a layer."""
    side = crop.shape[0]
    for number in range(len(SIZES)):
        image = data.image(number, layer)[0, 0]
        for row in range(0, image.shape[0] - side + 1, 8):
            for column in range(0, image.shape[1] - side + 1, 8):
                for turn, way in enumerate(turned(image[row : row + side, column : column + side])):
                    if torch.equal(way, crop):
                        return number, row, column, turn
    raise AssertionError("the crop is in no image")


def test_crops_are_aligned_parts_of_a_picture_and_of_its_decoded_version(data):
    original, decoded, quality = data.batch(150, 32, 0)
    assert original.shape == decoded.shape == (150, 1, 32, 32)
    places = set()
    for number in range(150):
        place = find(original[number, 0], data, 0)
        assert find(decoded[number, 0], data, 1 + int(quality[number])) == place
        places.add(place)
    assert {place[0] for place in places} == {0, 1, 2}
    assert {place[3] for place in places} == set(range(8))  # every turn
    for number, (height, width) in enumerate(SIZES):  # from the first to the last aligned place
        rows, columns = zip(*((row, column) for image, row, column, _ in places if image == number), strict=True)
        assert (min(rows), max(rows)) == (0, (height - 32) // 8 * 8)
        assert (min(columns), max(columns)) == (0, (width - 32) // 8 * 8)
    assert set(quality.tolist()) == {0, 1, 2}


def test_large_pictures_are_drawn_more_often():
    sizes = torch.tensor([[32, 32], [32, 96]])
    pixels = torch.cat([torch.zeros(2, 1, 32 * 32), torch.ones(2, 1, 32 * 96)], dim=2).to(torch.uint8)
    original, _, _ = pairs.Pairs(pixels, sizes, [10], {}).batch(4000, 8, 0)
    share = float((original.amax(dim=(1, 2, 3)) > 0).float().mean())
    assert share == pytest.approx(0.75, abs=0.03)  # by area; four standard deviations of 4,000 draws


def test_varied_pairs_hold_a_copy_of_every_picture(folder, data, tmp_path):
    pairs.build(pairs.Recipe([folder], "jpeg", QUALITIES, "luma", varied=True), 2, tmp_path / "pairs.safetensors")
    both = pairs.read(tmp_path / "pairs.safetensors")
    assert both.sizes.tolist() == [list(size) for size in [*SIZES, *SIZES]]
    assert torch.equal(both.pixels[..., : data.pixels.shape[-1]], data.pixels)
    for number in range(len(SIZES)):
        original, copy = (to_uint8(both.image(place, 0)) for place in (number, number + len(SIZES)))
        assert np.array_equal(copy, pairs.vary(original, np.random.default_rng(number)))
        decoded = jpeg.decode(jpeg.encode(copy, QUALITIES[0]))
        assert torch.equal(both.image(number + len(SIZES), 1), network.to_tensor([decoded], "cpu"))


def test_varied_copies_are_softened_grainy_or_both():
    edge = np.zeros((64, 64), np.uint8)
    edge[:, 32:], edge[:, :32] = 160, 80
    softened, grainy = 0, 0
    for seed in range(60):
        copy = pairs.vary(edge, np.random.default_rng(seed)).astype(float)
        noise = copy[:, :20].std()
        softened += copy[:, 31].mean() > 82  # the neighbours of the edge moved towards each other
        grainy += noise > 0.5
        assert noise < pairs.GRAIN + 0.5
        assert abs(copy.mean() - edge.mean()) < 1.5
    assert 30 <= softened <= 50  # two thirds of 60, less the ones whose blur is next to nothing
    assert 30 <= grainy <= 50


def to_uint8(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0] * 255).round().byte().numpy()


def test_cached_pairs_are_built_once_and_anew_when_a_picture_changes(tmp_path):
    pictures, cache = photographs(tmp_path / "pictures"), tmp_path / "cache"

    def built() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}

    first = pairs.cached(pairs.Recipe([pictures], "jpeg", [30], "luma"), 1, cache)
    files_before = built()
    again = pairs.cached(pairs.Recipe([pictures], "jpeg", [30], "luma"), 1, cache)
    assert built() == files_before
    assert torch.equal(first.pixels, again.pixels)
    images.write(pictures / "1.png", 255 - images.read(pictures / "1.png"))
    changed = pairs.cached(pairs.Recipe([pictures], "jpeg", [30], "luma"), 1, cache)
    assert len(built()) == 2
    torch.testing.assert_close(changed.image(1, 0), 1 - first.image(1, 0))  # but for float32
    pairs.cached(pairs.Recipe([pictures], "jpeg", [20], "luma"), 1, cache)
    assert len(built()) == 3


def test_a_picture_that_cannot_be_compressed_leaves_no_pairs(tmp_path):
    photographs(tmp_path / "pictures")
    (tmp_path / "pictures/broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.png"):
        pairs.build(pairs.Recipe([tmp_path / "pictures"], "jpeg", [30], "luma"), 1, tmp_path / "pairs.safetensors")
    assert not (tmp_path / "pairs.safetensors").exists()


def levels(count: int, error: float) -> tuple[Tensor, Tensor]:
    """Return gray originals and decoded images that are `error` gray levels off."""
    original = torch.full((count, 1, 8, 8), 0.5)
    return original, original + error / 255


def test_the_loss_of_the_decoded_image_is_1_but_for_the_floor():
    original, decoded = levels(3, 10)
    loss = training.loss([decoded], original, decoded, torch.tensor([0, 1, 2]))
    assert float(loss) == pytest.approx(100 / 100.25, rel=1e-5)  # 10^2 / (10^2 + 0.5^2); float32
    assert float(training.loss([original], original, decoded, torch.tensor([0, 1, 2]))) == 0


def test_the_loss_is_relative_to_the_error_of_each_crop():
    original = torch.full((2, 1, 8, 8), 0.5)
    decoded = original + torch.tensor([2.0, 20.0]).reshape(2, 1, 1, 1) / 255
    enhanced = original + torch.tensor([1.0, 10.0]).reshape(2, 1, 1, 1) / 255
    loss = training.loss([enhanced], original, decoded, torch.tensor([0, 0]))
    assert float(loss) == pytest.approx((1 / 4.25 + 100 / 400.25) / 2, rel=1e-5)


def test_flat_crops_without_error_have_a_finite_loss():
    original, enhanced = levels(1, 1)
    assert float(training.loss([enhanced], original, original, torch.tensor([0]))) == pytest.approx(4, rel=1e-5)


# RBQE, ECCV 2020, section 3.5: how much each exit counts, by quality from best to worst
PAPER = [[2, 1, 1, 0.5, 0.5], [1, 2, 1, 0.5, 0.5], [0.5, 1, 2, 1, 0.5], [0.5, 0.5, 1, 2, 1], [0.5, 0.5, 1, 1, 2]]


@pytest.mark.parametrize("quality", range(5))
@pytest.mark.parametrize("exit", range(5))
def test_each_exit_counts_as_in_the_paper(quality, exit):
    original, decoded = levels(1, 10)
    enhanced = [decoded if number == exit else original for number in range(5)]
    loss = training.loss(enhanced, original, decoded, torch.tensor([quality]))
    assert float(loss) == pytest.approx(PAPER[quality][exit] / 5 * 100 / 100.25, rel=1e-5)


@pytest.mark.parametrize("load", [dcad.load, rbqe.load], ids=["dcad", "rbqe"])
def test_start_values_give_unit_variance_inside_and_almost_no_change(load, data):
    torch.manual_seed(0)
    model = load(None, "cpu")
    x = data.batch(8, 32, 0)[1]
    training.start(model, x)
    spreads: list[float] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: spreads.append(float(output.std())))
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        results = list(network.exits(model, x))
    for hook in hooks:
        hook.remove()
    damped = [spread for spread in spreads if spread < 0.01]
    assert len(damped) == len(results)
    assert damped == pytest.approx([training.HEAD_SCALE] * len(results), rel=1e-3)
    assert [spread for spread in spreads if spread >= 0.01] == pytest.approx(
        [1] * (len(spreads) - len(damped)), abs=1e-3
    )
    for result in results:
        assert float((result - x).std()) == pytest.approx(training.HEAD_SCALE, rel=1e-3)
    assert all(bool((layer.bias == 0).all()) for layer in model.modules() if getattr(layer, "bias", None) is not None)


def test_start_values_look_at_no_brightness(data):
    model, x = small(), data.batch(8, 32, 0)[1]
    training.start(model, x)
    first = model.layers[0].weight.detach()
    assert float(first.mean(dim=(1, 2, 3)).abs().max()) < 1e-6 * float(first.abs().max())  # float32


def test_some_steps_reduce_the_loss():
    model, random = small(), torch.Generator().manual_seed(0)
    original = torch.rand(8, 1, 5, 5, generator=random).repeat_interleave(8, 2).repeat_interleave(8, 3)
    grid = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).tile(20, 20) * 8 / 255  # an artifact that is easy to learn
    batch = original, original + grid, torch.zeros(8, dtype=torch.long)
    training.start(model, batch[1])
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    losses = [float(training.update(model, batch, optimizer, clip=1.0)) for _ in range(20)]
    assert losses[0] == pytest.approx(1, abs=0.02)  # it starts at the decoded image
    assert losses[-1] < 0.5


def test_crops_larger_than_a_picture_are_refused(data):
    assert data.batch(2, 40, 0)[0].shape == (2, 1, 40, 40)
    with pytest.raises(ValueError, match=r"has a picture of 40 pixels in height or width: crops of 48 need more"):
        data.batch(2, 48, 0)


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth():
    settings = training.Settings(steps=1000, warmup=100)
    factors = [training.rate(step, settings) for step in range(1001)]
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

    table = training.gains(Half(), data, 2, "cpu")
    assert list(table) == ["50", "30", "10"]
    for layer, quality in enumerate(QUALITIES, start=1):
        expected = []
        for number in range(2):
            original, decoded = (data.image(number, place).double() for place in (0, layer))
            errors = [float((image - original).square().mean()) for image in (decoded, torch.tensor(0.5))]
            expected.append(10 * math.log10(errors[0] / errors[1]))
        assert table[str(quality)] == [0.0, pytest.approx(np.mean(expected), abs=1e-4)]  # rounded to 4 decimals


def weights(path: Path) -> dict[str, Tensor]:
    return load_file(path)


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture
def often(monkeypatch) -> None:
    """Save and validate often, so that a short run does both."""
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 4)
    monkeypatch.setattr(training, "VALIDATE_EVERY", 6)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(data, often, tmp_path, monkeypatch):
    training.train(small(), data, data, SETTINGS, tmp_path / "whole.safetensors", "cpu")

    def killed(*_) -> None:
        raise KeyboardInterrupt

    log, output = training._log, tmp_path / "parts.safetensors"
    monkeypatch.setattr(training, "_log", killed)  # at step 6; the checkpoint is of step 4
    with pytest.raises(KeyboardInterrupt):
        training.train(small(), data, data, SETTINGS, output, "cpu")
    assert not output.exists()
    monkeypatch.setattr(training, "_log", log)
    torch.manual_seed(99)
    training.train(Small(), data, data, SETTINGS, output, "cpu")  # start values do not matter any more
    assert same(weights(output), weights(tmp_path / "whole.safetensors"))


def test_a_finished_run_is_not_trained_again(data, often, tmp_path):
    output = tmp_path / "net.safetensors"
    first = training.train(small(), data, data, SETTINGS, output, "cpu")
    kept = weights(output)
    again = training.train(small(), data, data, SETTINGS, output, "cpu")
    assert same(weights(output), kept)
    assert again["delta_psnr"] == first["delta_psnr"]


def test_training_depends_on_the_seed(data, tmp_path):
    results = []
    for number, seed in enumerate((1, 1, 2)):
        output = tmp_path / f"{number}.safetensors"
        training.train(small(), data, data, dataclasses.replace(SETTINGS, steps=4, seed=seed), output, "cpu")
        results.append(weights(output))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


def test_a_checkpoint_of_other_settings_is_refused(data, often, tmp_path):
    output = tmp_path / "net.safetensors"
    training.train(small(), data, data, SETTINGS, output, "cpu")
    other = dataclasses.replace(SETTINGS, learning_rate=1e-4)
    with pytest.raises(ValueError, match=r"net\.safetensors\.checkpoint is of a run with other settings.*or remove it"):
        training.train(small(), data, data, other, output, "cpu")


def test_training_starts_from_given_weights(data, tmp_path):
    initial, output = tmp_path / "initial.safetensors", tmp_path / "net.safetensors"
    training.train(small(), data, data, dataclasses.replace(SETTINGS, steps=4), initial, "cpu")
    still = dataclasses.replace(SETTINGS, steps=1, learning_rate=0.0)
    record = training.train(small(), data, data, still, output, "cpu", initial)
    assert same(weights(output), weights(initial))
    assert record["initial"] == {"file": "initial.safetensors", "sha256": files.sha256(initial)}


def test_the_log_lists_gains_by_step_quality_and_exit(data, often, tmp_path):
    training.train(small(), data, data, SETTINGS, tmp_path / "net.safetensors", "cpu")
    with (tmp_path / "net.safetensors.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["quality"], row["exit"]) for row in rows] == [
        (step, quality, "1") for step in ("6", "12") for quality in ("50", "30", "10")
    ]
    assert all(abs(float(row["delta_psnr"])) < 5 for row in rows)


def test_weights_carry_the_record_of_their_training(data, tmp_path):
    output = tmp_path / "net.safetensors"
    record = training.train(small(), data, data, SETTINGS, output, "cpu")
    with safe_open(output, framework="pt") as file:
        assert json.loads(file.metadata()["training"]) == record
    assert record["method"] == "Small"
    assert record["parameters"] == 8 * 9 + 8 + 8 * 9 + 1
    assert record["settings"] == dataclasses.asdict(SETTINGS)
    assert record["training_images"] == record["validation_images"] == data.description
    assert list(record["delta_psnr"]) == ["50", "30", "10"]
    model = small()
    checkpoints.load_into(model, output)  # and are those that were measured
    assert training.gains(model, data, 3, "cpu") == record["delta_psnr"]


def test_a_card_prints_the_record(data, tmp_path):
    output = tmp_path / "net.safetensors"
    record = training.train(small(), data, data, SETTINGS, output, "cpu")
    card = cards.card(output)
    assert card.startswith("## net.safetensors\n")
    for fact in (
        "- network: Small, 153 parameters",
        f"- trained on: 3 images, {data.description['folder']}, luma",
        f"- compressor: jpeg at [50, 30, 10], {jpeg.version()}, gray (4:0:0)",
        "- started from: LSUV start values",
        "steps 12, batch 2, patch 32, learning_rate 0.001, warmup 3",
        f"- sha256: {files.sha256(output)}",
        f"| 30        | {record['delta_psnr']['30'][0]:+.3f}",
    ):
        assert fact in card


def test_a_card_needs_a_record(tmp_path):
    checkpoint = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, checkpoint)
    with pytest.raises(ValueError, match=r"foreign\.safetensors carries no history"):
        cards.card(checkpoint)


def test_command_trains_a_method_and_prints_its_card(folder, tmp_path):
    output = tmp_path / "dcad.safetensors"
    command = [sys.executable, "-m", "methods", "train", "dcad", "--compressor", "jpeg", "--qualities", "50", "10"]
    command += ["--data", folder, "--validation", folder, "--pairs", tmp_path / "pairs", "--steps", "1"]
    command += ["--batch", "1", "--patch", "32", "--device", "cpu", "--threads", "1", "-o", output]
    done = subprocess.run(command, cwd=plugins.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == cards.card(output) + "\n"
