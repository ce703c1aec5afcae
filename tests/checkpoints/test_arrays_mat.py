"""Networks that MATLAB files keep as named arrays compute what MATLAB computes with them; other files are refused."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from scipy.ndimage import correlate

from methods import arcnn
from qebench.checkpoints import reading
from qebench.common import plugins
from qebench.evaluation import literature
from qebench.networks import conversion

SIDES, WIDTHS = (9, 7, 1, 5), (1, 64, 32, 16, 1)
LAYERS = ("conv1", "conv2", "conv22", "conv3")
DATA = plugins.ROOT.parent / "shared/data"
IMAGES = Path(os.environ.get("QEBENCH_TEST_IMAGES", DATA / "test"))
OFFICIAL = Path(os.environ.get("QEBENCH_ARCNN", DATA / "weights/arcnn"))


def arrays() -> dict[str, np.ndarray]:
    """Return weights as AR-CNN's authors keep them: (in, height x width, out), the last without an axis of one."""
    random, kept = np.random.default_rng(0), {}
    for layer, side, before, after in zip(LAYERS, SIDES, WIDTHS, WIDTHS[1:], strict=False):
        kernel = random.normal(size=(before, side * side, after)) / side
        kept[f"weights_{layer}"] = kernel[..., 0] if after == 1 else kernel
        kept[f"biases_{layer}"] = random.normal(size=(after, 1)).astype(np.float32) / 10
    return kept


def by_matlab(kept: dict[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """Return what the authors' code makes of an image (H, W): reshape(w(i, :, j), side, side), imfilter, replicate."""
    maps = [image]
    for layer, side in zip(LAYERS, SIDES, strict=True):
        kernel, bias = np.atleast_3d(kept[f"weights_{layer}"]), kept[f"biases_{layer}"].ravel()
        filters = [[kernel[i, :, j].reshape(side, side, order="F") for i in range(len(maps))] for j in range(len(bias))]
        maps = [
            sum(correlate(one, taps, mode="nearest") for one, taps in zip(maps, filters[j], strict=True)) + bias[j]
            for j in range(len(bias))
        ]
        maps = maps if layer == LAYERS[-1] else [np.maximum(one, 0) for one in maps]
    return maps[0]


@torch.no_grad()
def test_the_official_form_computes_what_the_authors_code_does(tmp_path: Path) -> None:
    kept, image = arrays(), np.random.default_rng(1).uniform(size=(12, 11))
    savemat(tmp_path / "q10.mat", kept)
    conversion.convert(tmp_path / "q10.mat", "arcnn", tmp_path / "arcnn.safetensors")
    for file in ("q10.mat", "arcnn.safetensors"):
        model = arcnn.load(tmp_path / file, "cpu")
        assert model.form == "official"
        result = model.double()(torch.from_numpy(image)[None, None])[0, 0].numpy()
        rounded = {name: array.astype(np.float32).astype(float) for name, array in kept.items()}
        np.testing.assert_allclose(result, by_matlab(rounded, image), rtol=0, atol=1e-10)  # sums in float64


def test_the_card_says_where_the_file_came_from_and_what_was_changed(tmp_path: Path) -> None:
    savemat(tmp_path / "q10.mat", arrays())
    conversion.convert(tmp_path / "q10.mat", "arcnn", tmp_path / "arcnn.safetensors")
    card = (tmp_path / "arcnn.md").read_text()
    assert "q10.mat" in card
    assert "axes to (out, in, height, width)" in card
    assert "106,561" in card


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights_conv2": np.ones((64, 48, 32))}, r"weights_conv2 is \(64, 48, 32\) with 32 biases"),
        ({"biases_conv3": np.ones((0, 0))}, r"weights_conv3 is \(16, 25\) with 0 biases"),
        ({"weights_conv4": np.ones((1, 9, 2)), "biases_conv4": np.ones(2)}, r"was not made for ARCNN: "),
    ],
    ids=["no square", "no biases", "five layers"],
)
def test_files_of_another_network_are_refused(changes: dict, message: str, tmp_path: Path) -> None:
    savemat(tmp_path / "q10.mat", arrays() | changes)
    with pytest.raises(ValueError, match=rf"q10\.mat.*{message}"):
        arcnn.load(tmp_path / "q10.mat", "cpu")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "q10.mat", arrays())
    whole = (tmp_path / "q10.mat").read_bytes()
    (tmp_path / "q10.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"q10\.mat cannot be read as"):
        reading.read(tmp_path / "q10.mat")


@pytest.mark.skipif(
    not (IMAGES.is_dir() and OFFICIAL.is_dir()),
    reason=f"classic5 and AR-CNN's weights may not be passed on: put them in {IMAGES}/classic5 and {OFFICIAL}/q10.mat "
    "and so on (or set QEBENCH_TEST_IMAGES and QEBENCH_ARCNN)",
)
def test_official_weights_give_the_published_values_on_classic5() -> None:
    table = literature.compare("arcnn", OFFICIAL / "q{quality}.mat", {"classic5": IMAGES / "classic5"}, "cpu", (10, 40))
    ours = table[table["method"] == "arcnn"].set_index(["quality", "metric"])
    assert ours["ours"][10, "psnr"] == pytest.approx(29.034, abs=5e-4)
    assert ours["ours"][40, "psnr"] == pytest.approx(33.324, abs=5e-4)  # the README of DnCNN prints 33.34
    others = ours.drop(index=(40, "psnr"))
    assert (others["difference"].abs() < [0.005, 5e-5, 5e-5]).all()  # as printed
