"""Networks of MatConvNet compute what they compute there; other files are refused by name, and none is executed."""

import pickle
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from helpers.weight_files import SAVE, WIDTHS, Payload, save_5, simplenn
from scipy.io import savemat
from scipy.signal import correlate2d
from torch import Tensor, nn

from qebench.checkpoints import matconvnet, reading


class Network(nn.Module):
    """What a network of WIDTHS is in PyTorch; like ours it adds its result to the image."""

    def __init__(self, widths: list[int] = WIDTHS) -> None:
        super().__init__()
        layers = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def subtracted(layers: list[dict], image: np.ndarray) -> np.ndarray:
    """Return x - net(x) for an image (H, W), summed up as vl_nnconv defines it, without PyTorch."""
    x = image[..., None].astype(np.float64)
    for layer in layers:
        if layer["type"] == "relu":
            x = np.maximum(x, 0)
        else:
            kernel, bias = layer["weights"]
            planes = [
                sum(correlate2d(x[..., i], kernel[:, :, i, o], "same") for i in range(x.shape[2])) + bias[0, o]
                for o in range(kernel.shape[3])
            ]
            x = np.stack(planes, axis=-1)
    return image - x[..., 0]


every_version = pytest.mark.parametrize("save", SAVE.values(), ids=SAVE)


@every_version
@torch.no_grad()
def test_a_network_gives_what_matconvnet_gives(save, tmp_path: Path) -> None:
    layers, image = simplenn(), np.random.default_rng(1).uniform(size=(7, 9))
    save(tmp_path / "net.mat", layers)
    model = Network()
    reading.load_into(model, tmp_path / "net.mat")
    result = model.double()(torch.from_numpy(image)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(result, subtracted(layers, image), rtol=0, atol=1e-13)  # both sum in float64


@every_version
def test_the_axis_that_matlab_drops_from_the_last_kernel_is_restored(save, tmp_path: Path) -> None:
    save(tmp_path / "net.mat", simplenn([3, 2, 3]))
    save(tmp_path / "gray.mat", simplenn([1, 2, 1]))
    shapes = [[*matconvnet.read(tmp_path / name).values()][2].shape for name in ("net.mat", "gray.mat")]
    assert shapes == [(3, 2, 3, 3), (1, 2, 3, 3)]


@every_version
def test_another_width_is_refused_with_the_first_key_and_both_shapes(save, tmp_path: Path) -> None:
    save(tmp_path / "net.mat", simplenn([1, 5, 3, 1]))
    with pytest.raises(
        ValueError, match=r"net\.mat was not made for Network: layers\.0\.weight is \(4, 1, 3, 3\) in "
    ) as error:
        reading.load_into(Network(), tmp_path / "net.mat")
    assert str(error.value).endswith("(5, 1, 3, 3) in the file")


def changed(number: int, **fields: object) -> list[dict]:
    layers = simplenn()
    layers[number] |= fields
    return layers


EVEN = [np.ones((4, 4, 1, 4), np.float32), np.ones((1, 4), np.float32)]
REFUSED = {
    "batch normalisation": (changed(1, type="bnorm"), r"layer 2 of 5 is a batch normalisation \(bnorm\).*mergebnorm"),
    "pooling": (changed(3, type="pool"), "layer 4 of 5 is of type 'pool'"),
    "loss": ([*simplenn(), {"type": "loss"}], "layer 6 of 6 is of type 'loss'"),
    "leak": (changed(1, leak=0.2), "layer 2 of 5 is a ReLU that leaks"),
    "stride": (changed(0, stride=2.0), r"layer 1 of 5 is a convolution of stride \[2\.0\]"),
    "dilation": (changed(2, dilate=[1.0, 2.0]), r"layer 3 of 5 is a convolution of dilate \[1\.0, 2\.0\]"),
    "padding": (changed(2, pad=0.0), r"layer 3 of 5 is a 3x3 convolution padded by \[0\.0\]"),
    "uneven padding": (changed(2, pad=[1.0, 1.0, 2.0, 0.0]), r"3x3 convolution padded by \[1\.0, 1\.0, 2\.0, 0\.0\]"),
    "even kernel": (changed(0, weights=EVEN, pad=2.0), "layer 1 of 5 is a 4x4 convolution"),
    "biases": (changed(0, weights=[EVEN[0], EVEN[1][:, :3]]), "layer 1 of 5 has a kernel for 4 channels and 3 biases"),
    "no convolution last": (simplenn()[:-1], "does not end with a convolution"),
    "one weight": (changed(0, weights=EVEN[:1]), "cannot be read as a simplenn network"),
    "no weights": ([{"type": "conv", "pad": 1.0}], "cannot be read as a simplenn network"),
}


@every_version
@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_compute_something_else_is_refused_by_name(save, kind: str, tmp_path: Path) -> None:
    layers, message = REFUSED[kind]
    save(tmp_path / "net.mat", layers)
    with pytest.raises(ValueError, match=rf"net\.mat.*{message}"):
        reading.read(tmp_path / "net.mat")


def test_padding_may_be_given_for_each_side(tmp_path: Path) -> None:
    save_5(tmp_path / "net.mat", changed(2, pad=[1.0, 1.0, 1.0, 1.0]))
    save_5(tmp_path / "same.mat", simplenn())
    expected = matconvnet.read(tmp_path / "same.mat")
    assert all(torch.equal(tensor, expected[key]) for key, tensor in matconvnet.read(tmp_path / "net.mat").items())


@every_version
def test_truncated_files_are_refused(save, tmp_path: Path) -> None:
    path = tmp_path / "net.mat"
    save(path, simplenn())
    whole = path.read_bytes()
    for size in [0, 1, 100, 512, 600, len(whole) // 2, len(whole) - 8]:
        path.write_bytes(whole[:size])
        with pytest.raises(
            ValueError, match=r"net\.mat cannot be read as a simplenn network .* \(nothing in it was run\)"
        ):
            reading.read(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" * 90, b"a text\n" * 90, b"\x89HDF\r\n\x1a\n" * 90])
def test_foreign_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.mat").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as a simplenn network"):
        reading.read(tmp_path / "net.mat")


def test_matlab_files_of_something_else_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "other.mat", {"image": np.ones((3, 3))})
    savemat(tmp_path / "dagnn.mat", {"net": {"layers": {"name": "conv1"}, "params": {"name": "w"}}})
    with h5py.File(tmp_path / "other73.mat", "w", userblock_size=512) as file:
        file["net/params"] = np.ones(3)
    for name in ("other.mat", "dagnn.mat", "other73.mat"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as a simplenn network"):
            reading.read(tmp_path / name)


def test_a_pickle_by_the_name_of_a_matlab_file_is_not_executed(tmp_path: Path) -> None:
    torch.save({"net": Payload(tmp_path / "executed")}, tmp_path / "zip.mat")
    (tmp_path / "plain.mat").write_bytes(pickle.dumps(Payload(tmp_path / "executed")))
    for name in ("zip.mat", "plain.mat"):
        with pytest.raises(ValueError, match="cannot be read as a simplenn network"):
            reading.read(tmp_path / name)
    assert not (tmp_path / "executed").exists()
