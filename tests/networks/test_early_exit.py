"""Stopping early for real and asking the measurements which exit an image takes give the same exits and pixels."""

import copy
import importlib
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compressors import jpeg
from methods import rbqe
from qebench.evaluation import early_exit as query
from qebench.iqa import definition, iqam, tensors
from qebench.networks import multi_exit, own_pictures, pixels, tiling
from qebench.networks import thresholds as of_exits
from qebench.networks.network import describe
from qebench.training import start_values

ROUNDING = {"rtol": 0, "atol": 1e-5}  # float32; convolutions may sum in another order when fewer images are left
COLUMNS = ["dataset", "image", "compressor", "quality", "method", "trained_on", "exit", "metric", "value"]


def frame(scores: dict[tuple, list[float]], trained_on: str = "") -> pd.DataFrame:
    """Return IQAM scores and PSNRs of the exits of (image, compressor, quality, method); exit n has n + 30 dB."""
    rows = []
    for (image, compressor, quality, method), values in scores.items():
        for exit, score in enumerate(values, start=1):
            for metric, value in (("psnr", 30 + exit), ("iqam", score)):
                rows.append(("set", image, compressor, quality, method, trained_on, exit, metric, value))
    return pd.DataFrame(rows, columns=COLUMNS)


HAND_MADE = frame(
    {
        ("a", "jpeg", 10, "net"): [0.2, 0.8, 0.1, 0.9, 0.3],  # reaches 0.7 at exit 2
        ("b", "jpeg", 10, "net"): [0.7, 0.1, 0.1, 0.1, 0.1],  # exactly 0.7 at exit 1
        ("c", "jpeg", 10, "net"): [0.1, 0.2, 0.3, 0.4, 0.1],  # never reaches it
        ("a", "jpeg", 20, "net"): [0.1, 0.1, 0.1, 0.1, 0.9],  # at the last exit, which it takes anyway
        ("a", "hevc", 37, "net"): [0.8, 0.95, 0.1, 0.1, 0.1],  # 0.9 at exit 2
        ("a", "jpeg", 10, "other"): [0.1, 0.1],  # has two exits
        ("a", "jpeg", 10, "single"): [0.99],
        ("a", "jpeg", 10, "decoded"): [0.99],
    }
)
EXITS = {
    ("a", "jpeg", 10, "net"): 2,
    ("b", "jpeg", 10, "net"): 1,
    ("c", "jpeg", 10, "net"): 5,
    ("a", "jpeg", 20, "net"): 5,
    ("a", "hevc", 37, "net"): 2,
    ("a", "jpeg", 10, "other"): 2,
}
THRESHOLDS = {"jpeg": 0.7, "hevc": 0.9}


def as_dict(rows: pd.DataFrame, column: str) -> dict[tuple, float]:
    return rows.set_index(["image", "compressor", "quality", "method"])[column].to_dict()


def test_an_image_takes_the_first_exit_that_reaches_the_threshold_or_the_last():
    chosen = query.chosen(HAND_MADE, THRESHOLDS)
    assert as_dict(chosen, "exit") == EXITS
    assert list(chosen.columns) == [*query.KEYS, "exit"]


def test_the_order_of_measurements_does_not_matter():
    shuffled = HAND_MADE.sample(frac=1, random_state=0)
    assert as_dict(query.chosen(shuffled, THRESHOLDS), "exit") == EXITS


def test_the_threshold_is_that_of_the_compressor_which_the_weights_are_for():
    scores = {("a", "jpeg", 10, "net"): [0.8, 0.95, 0.1], ("a", "webp", 10, "net"): [0.8, 0.95, 0.1]}
    rows = pd.concat([frame(scores, trained_on=codec) for codec in ("jpeg", "hevc")])
    chosen = query.chosen(rows, THRESHOLDS).set_index(["compressor", "trained_on"])["exit"]
    assert chosen.to_dict() == {  # 0.7 is reached at exit 1, 0.9 at exit 2
        ("jpeg", "jpeg"): 1,
        ("webp", "jpeg"): 1,
        ("jpeg", "hevc"): 2,
        ("webp", "hevc"): 2,
    }


def test_stopped_rows_are_those_of_single_exits_and_of_the_exits_taken():
    psnrs = HAND_MADE[HAND_MADE["metric"] == "psnr"]
    stopped = query.stopped(psnrs, query.chosen(HAND_MADE, THRESHOLDS))
    single = {("a", "jpeg", 10, "single"): 31, ("a", "jpeg", 10, "decoded"): 31}
    assert as_dict(stopped, "value") == single | {key: 30 + exit for key, exit in EXITS.items()}
    assert len(stopped) == len(EXITS) + 2


def test_taken_rows_are_those_of_the_chosen_exits():
    taken = query.taken(HAND_MADE[HAND_MADE["metric"] == "psnr"], query.chosen(HAND_MADE, THRESHOLDS))
    assert as_dict(taken, "value") == {key: 30 + exit for key, exit in EXITS.items()}


def test_the_last_exit_is_that_of_each_method():
    last = query.last(HAND_MADE[HAND_MADE["metric"] == "psnr"])
    assert set(last.loc[last["method"] == "net", "exit"]) == {5}
    assert set(last.loc[last["method"] == "other", "exit"]) == {2}
    assert len(last) == len(HAND_MADE.drop_duplicates(query.KEYS))


def test_without_multi_exit_methods_nothing_is_chosen():
    single = HAND_MADE[HAND_MADE["method"].isin(["single", "decoded"])]
    chosen = query.chosen(single, THRESHOLDS)
    assert chosen.empty
    assert query.taken(single, chosen).empty


def images(channels: int) -> Tensor:
    """Return six decoded images (N, channels, 45, 60), float in [0, 1], from smooth to noisy."""
    random, rows = np.random.default_rng(0), []
    for sigma in (0, 1, 4, 10, 25, 50):
        waves = 120 + 60 * np.sin(np.add.outer(np.arange(45) / 9, np.arange(60) / 7))[..., None]
        noise = random.normal(0, sigma, (45, 60, channels))
        picture = (waves + noise).round().clip(0, 255).astype(np.uint8).squeeze()
        rows.append(pixels.to_tensor([jpeg.decode(jpeg.encode(picture, 20))], "cpu"))
    return torch.cat(rows)


def eventful(load: Callable[..., nn.Module], x: Tensor) -> nn.Module:
    """Return a network whose exits differ more and more from the decoded image, so that their scores do, too."""
    torch.manual_seed(0)
    model = load(None, "cpu")
    start_values.start(model, pixels.pad(x, getattr(model, "multiple", 1)))
    for number, head in enumerate(heads(model)):
        head.weight.mul_(2**number / 200 / start_values.HEAD_SCALE)  # 1, 3, 5, 10 and 20 gray levels
    return model


@torch.no_grad()
def heads(model: nn.Module) -> list[nn.Module]:
    """Return the last convolution of every exit, in whatever module it is."""
    found, called = [], []
    hooks = [
        layer.register_forward_hook(lambda layer, *_: called.append(layer))
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    for _ in model.exits(torch.rand(1, model.channels, 64, 64)):
        found.append(called[-1])
    for hook in hooks:
        hook.remove()
    return found


NETWORKS = {
    "rbqe": (rbqe.load, "matlab"),
    "rbqe-powerqe-v3": (importlib.import_module("methods.rbqe-powerqe-v3").load, "powerqe"),
}


@pytest.fixture(scope="module", params=NETWORKS)
def measured(request) -> tuple[nn.Module, Tensor, list[Tensor], Tensor, str]:
    """Return a network, images, their enhanced versions at all exits, the scores (N, exits) of those, and by which."""
    load, variant = NETWORKS[request.param]
    x = images(1 if request.param == "rbqe" else 3)
    with torch.no_grad():
        model = eventful(load, x)
    enhanced = tiling.enhance(describe(model), x)
    return model, x, enhanced, torch.stack([multi_exit.score(image, 8, variant) for image in enhanced], dim=1), variant


def thresholds(scores: Tensor) -> list[float]:
    """Return thresholds that let all, some and no images go, none of them close to a score."""
    levels = scores[:, :-1].double().flatten().sort().values
    gaps = (levels[1:] - levels[:-1]).topk(5).indices
    return [-1.0, 2.0, *((levels[gaps] + levels[gaps + 1]) / 2).tolist()]


def test_both_ways_of_exiting_choose_the_same_exits_and_pixels(measured):
    model, x, enhanced, scores, variant = measured
    rows = frame({(number, "jpeg", 20, "net"): list(row) for number, row in enumerate(scores.tolist())})
    seen = set()
    for threshold in thresholds(scores):
        chosen = as_dict(query.chosen(rows, {"jpeg": threshold}), "exit")
        expected = [chosen[number, "jpeg", 20, "net"] for number in range(len(x))]
        pixels, exits = multi_exit.enhance(describe(model), x, multi_exit.Rule(8, threshold, variant))
        assert exits.tolist() == expected
        for number, exit in enumerate(expected):
            torch.testing.assert_close(pixels[number], enhanced[exit - 1][number], **ROUNDING)
        seen |= set(expected)
    assert seen >= {1, 2, 5}  # else the test shows little


def test_extreme_thresholds_take_the_first_or_the_last_exit(measured):
    model, x, enhanced, *_ = measured
    for threshold, exit in ((-1.0, 1), (2.0, 5)):
        pixels, exits = multi_exit.enhance(describe(model), x, multi_exit.Rule(8, threshold))
        assert exits.tolist() == [exit] * len(x)
        torch.testing.assert_close(pixels, enhanced[exit - 1], **ROUNDING)


def test_an_image_alone_takes_the_exit_it_takes_in_a_batch(measured):
    model, x, _, scores, variant = measured
    threshold = thresholds(scores)[2]
    pixels, exits = multi_exit.enhance(describe(model), x, multi_exit.Rule(8, threshold, variant))
    for number in range(len(x)):
        alone, exit = multi_exit.enhance(
            describe(model), x[number : number + 1], multi_exit.Rule(8, threshold, variant)
        )
        assert exit.tolist() == exits[number : number + 1].tolist()
        torch.testing.assert_close(alone[0], pixels[number], **ROUNDING)


class Waiting(TorchDispatchMode):
    """Counts the operations for whose results a GPU's host would have to wait."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        indices = arguments[1] if function.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_) else []
        by_mask = any(index is not None and index.dtype == torch.bool for index in indices)
        reads = function.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero)
        self.count += by_mask or reads
        return function(*arguments, **(options or {}))


def test_a_gpu_would_be_waited_for_once_per_exit(measured, monkeypatch):
    model, x, _, scores, variant = measured
    copied, cpu = [], Tensor.cpu
    monkeypatch.setattr(Tensor, "cpu", lambda tensor: copied.append(1) or cpu(tensor))
    for threshold in thresholds(scores):
        copied.clear()
        with Waiting() as waiting:
            _, exits = multi_exit.enhance(describe(model), x, multi_exit.Rule(8, threshold, variant))
        assert waiting.count == 0
        assert len(copied) == min(int(exits.max()), 4)


@pytest.mark.parametrize("variant", definition.VARIANTS)
def test_scores_wait_for_no_gpu(variant):
    values = 255 * images(1)[:, 0]
    tensors.measure(values, 8, variant, nan=False)  # the first call makes the constants
    with Waiting() as waiting:  # these run on a GPU; on a CPU, `score` takes compiled code for "matlab"
        iqam.judge(tensors.measure(values, 8, variant, nan=False), *definition.grid(values.shape[1:], 8))
    assert waiting.count == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_a_gpu_is_waited_for_once_per_exit(measured):
    model, x, _, scores, variant = measured
    model, x = copy.deepcopy(model).cuda(), x.cuda()
    for threshold in thresholds(scores):
        multi_exit.enhance(
            describe(model), x, multi_exit.Rule(8, threshold, variant)
        )  # first calls load kernels and constants
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                _, exits = multi_exit.enhance(describe(model), x, multi_exit.Rule(8, threshold, variant))
        finally:
            torch.cuda.set_sync_debug_mode("default")
        waits = [warning for warning in caught if "synchronizing CUDA operation" in str(warning.message)]
        assert len(waits) <= min(int(exits.max()), 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
def test_a_gpu_chooses_the_exits_of_the_cpu(measured):
    model, x, _, scores, variant = measured
    for threshold in thresholds(scores):
        pixels, exits = multi_exit.enhance(
            describe(copy.deepcopy(model).cuda()),
            x.cuda(),
            multi_exit.Rule(8, threshold, variant),
        )
        expected, on_cpu = multi_exit.enhance(describe(model), x, multi_exit.Rule(8, threshold, variant))
        assert exits.tolist() == on_cpu.tolist()
        torch.testing.assert_close(pixels.cpu(), expected, rtol=0, atol=1e-3)  # TF32 convolutions round at 5e-4


def test_nothing_is_computed_after_the_last_image_has_left(measured):
    model, x, *_ = measured
    model, called = copy.deepcopy(model), []
    for layer in model.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda *_: called.append(1))
    multi_exit.enhance(describe(model), x, multi_exit.Rule(8, -1.0))
    assert len(called) == 1  # stage k has k upsamplings


class Brighter(nn.Module):
    """Exit k adds 10 k levels to the luma."""

    channels, exit_count = 1, 3

    def exits(self, x: Tensor):
        for exit in range(1, 4):
            yield self(x, exit)

    def forward(self, x: Tensor, exit: int = 3) -> Tensor:
        return x + 10 * exit / 255


@pytest.mark.parametrize("measured", ["rbqe"], indirect=True)
def test_own_pictures_stop_where_batches_do(measured):
    model, x, _, scores, _ = measured
    threshold = thresholds(scores)[2]
    batch, exits = multi_exit.enhance(describe(model), x, multi_exit.Rule(8, threshold))
    for number, picture in enumerate(pixels.to_images(x)):
        result = own_pictures.enhance(describe(model), picture, multi_exit.Rule(8, threshold), None, "cpu")
        assert result.exit == int(exits[number])
        assert len(result.scores) == min(result.exit, 4)
        assert all(score < threshold for score in result.scores[: result.exit - 1])
        expected = pixels.to_images(batch[number : number + 1])[0]
        assert np.abs(result.picture.astype(int) - expected).max() <= 1  # where a value is a half but for float32


@pytest.mark.parametrize("measured", ["rbqe"], indirect=True)
def test_every_exit_can_have_a_threshold_of_its_own(measured):
    """Batches, single pictures and the query take the same exits, exit 3 being the first that asks for little."""
    model, x, _, scores, _ = measured
    limits = (2.0, 2.0, -1.0, 2.0)
    rows = frame({(str(n), "jpeg", 10, "rbqe"): each.tolist() for n, each in enumerate(scores)})
    assert set(query.chosen(rows, {"jpeg": limits})["exit"]) == {3}
    assert multi_exit.enhance(describe(model), x, multi_exit.Rule(8, limits))[1].tolist() == [3] * len(x)
    result = own_pictures.enhance(describe(model), pixels.to_images(x)[0], multi_exit.Rule(8, limits), None, "cpu")
    assert (result.exit, len(result.scores)) == (3, 3)
    assert multi_exit.stop(describe(model), x[:1], multi_exit.Rule(8, limits, "matlab")).exit == 3


def test_as_many_thresholds_as_exits_but_the_last():
    picture = np.full((20, 24), 100, np.uint8)
    words = "threshold 0.5/0.6/0.7 is 3 numbers: give one for all exits, or 2 for a network of 3, whose last exit needs"
    with pytest.raises(ValueError, match=words):
        own_pictures.enhance(describe(Brighter()), picture, multi_exit.Rule(8, (0.5, 0.6, 0.7)), None, "cpu")
    with pytest.raises(ValueError, match=words):
        query.chosen(frame({("a", "jpeg", 10, "net"): [0.8, 0.95, 0.1]}), {"jpeg": [0.5, 0.6, 0.7]})


def test_methods_of_one_exit_stand_beside_thresholds_for_several():
    rows = frame({("a", "jpeg", 10, "net"): [0.8, 0.95, 0.1], ("a", "jpeg", 10, "decoded"): [0.7]})
    assert as_dict(query.chosen(rows, {"jpeg": [0.9, 0.9]}), "exit") == {("a", "jpeg", 10, "net"): 2}
    picture = np.full((20, 24), 100, np.uint8)
    result = own_pictures.enhance(describe(nn.Identity()), picture, multi_exit.Rule(8, [0.9, 0.9]), None, "cpu")
    assert (result.exit, result.scores) == (1, [])


@pytest.mark.parametrize("written", ["0.81", "0.82/0.8/0.78/0.5"])
def test_a_threshold_is_read_as_it_is_written(written):
    assert of_exits.text(of_exits.threshold(written)) == written


def test_a_score_equal_to_the_threshold_is_enough():
    gray = np.full((20, 24), 100, np.uint8)  # constant images score exactly 0
    x = pixels.to_tensor([gray], "cpu")
    assert float(multi_exit.score(x, 8)) == 0.0
    assert multi_exit.enhance(describe(Brighter()), x, multi_exit.Rule(8, 0.0))[1].tolist() == [1]
    assert own_pictures.enhance(describe(Brighter()), gray, multi_exit.Rule(8, 0.0), None, "cpu").exit == 1
    assert multi_exit.enhance(describe(Brighter()), x, multi_exit.Rule(8, 1e-6))[1].tolist() == [3]


def test_an_exit_can_be_asked_for():
    picture = np.full((20, 24), 100, np.uint8)
    for exit in (1, 2, 3):
        result = own_pictures.enhance(describe(Brighter()), picture, multi_exit.Rule(8, -1.0), exit, "cpu")
        assert (result.exit, result.scores) == (exit, [])
        assert (result.picture == 100 + 10 * exit).all()
    with pytest.raises(ValueError, match="Brighter has no exit 4: choose 1 to 3"):
        own_pictures.enhance(describe(Brighter()), picture, multi_exit.Rule(8, -1.0), 4, "cpu")


def test_a_luma_network_changes_luma_and_chroma_by_its_own_scale():
    gray = np.random.default_rng(0).integers(20, 200, (20, 24, 1), np.uint8).repeat(3, axis=2)
    result = own_pictures.enhance(describe(Brighter()), gray, multi_exit.Rule(8, -1.0), 2, "cpu")
    assert (result.picture.astype(int) - gray == 23).all()  # 20 levels of luma are 20 x 255 / 219 = 23.3 of R, G, B
    red = np.array([[[150, 60, 60]]], np.uint8).repeat(20, axis=0).repeat(24, axis=1)
    result = own_pictures.enhance(describe(Brighter()), red, multi_exit.Rule(8, -1.0), 2, "cpu")
    change = 20 * (255 / 219 + np.array([1.402, -0.344136 - 0.714136, 1.772]))  # Cb and Cr grow by 20 as well
    assert np.abs(result.picture.astype(int) - red - change).max() <= 0.5 + 0.02  # rounded; changes are float16


def test_the_score_of_values_is_that_of_the_8_bit_picture():
    values = 1.2 * torch.rand(2, 1, 40, 48, generator=torch.Generator().manual_seed(0)) - 0.1
    assert torch.equal(multi_exit.score(values, 8), multi_exit.score(pixels.to_bytes(values), 8))
