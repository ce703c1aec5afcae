"""Weights load whole and exactly from every layout, or not at all; nothing in a file is executed."""

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.weight_files import LAYOUTS, Payload, prefixed
from safetensors.torch import save_file
from torch import Tensor, nn

from qebench.checkpoints import forms, reading
from qebench.checkpoints.forms import Form


class Network(nn.Sequential):
    """A convolution and a batch normalisation: weights, biases, buffers, and an integer scalar."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def random_state() -> dict[str, Tensor]:
    return {key: torch.rand(tensor.shape).to(tensor.dtype) for key, tensor in Network().state_dict().items()}


def assert_loads(path: Path, state: dict[str, Tensor]) -> None:
    model = Network()
    reading.load_into(model, path)
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[key])


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_official_layout_round_trips(layout: str, suffix: str, new_format: bool, tmp_path: Path) -> None:
    state, path = random_state(), tmp_path / f"weights{suffix}"
    torch.save(LAYOUTS[layout](state), path, _use_new_zipfile_serialization=new_format)
    assert_loads(path, state)


def test_safetensors_round_trip(tmp_path: Path) -> None:
    state = random_state()
    save_file(state, tmp_path / "weights.safetensors")
    assert_loads(tmp_path / "weights.safetensors", state)


def test_a_models_own_state_dict_round_trips(tmp_path: Path) -> None:
    model = Network()
    torch.save(model.state_dict(), tmp_path / "weights.pt")  # an OrderedDict with metadata
    assert_loads(tmp_path / "weights.pt", model.state_dict())


def test_numpy_1_numbers_beside_the_weights_are_read_past(tmp_path: Path) -> None:
    state, buffer = random_state(), io.BytesIO()
    content = {"best_val_perfrm": np.float64(31.5), "module_net": prefixed("module.", state)}
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    # numpy 2 names its module numpy._core; the lines of a pickle's GLOBAL carry no lengths, so the name can be replaced
    renamed = buffer.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert renamed != buffer.getvalue()
    (tmp_path / "weights.pt").write_bytes(renamed)
    assert_loads(tmp_path / "weights.pt", state)


def test_half_precision_weights_fill_float32_parameters(tmp_path: Path) -> None:
    halves = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in random_state().items()}
    save_file(halves, tmp_path / "weights.safetensors")
    model = Network()
    reading.load_into(model, tmp_path / "weights.safetensors")
    assert model[0].weight.dtype == torch.float32
    assert torch.equal(model[0].weight, halves["0.weight"].float())


@pytest.mark.parametrize("place", ["beside", "inside", "alone"])
@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "legacy"])
def test_code_in_a_pickle_is_refused_and_not_executed(place: str, new_format: bool, tmp_path: Path) -> None:
    folder, path = tmp_path / "executed", tmp_path / "weights.pt"
    payload, state = Payload(folder), random_state()
    content = {
        "beside": {"module_net": state, "meta": payload},
        "inside": state | {"0.weight": payload},
        "alone": payload,
    }
    torch.save(content[place], path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ValueError, match=r"weights\.pt cannot be read as weights: .* holds code \(none was run\)"):
        reading.load_into(Network(), path)
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.exists()  # so the payload would have worked


def test_a_plain_pickle_with_code_is_refused_and_not_executed(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Payload(tmp_path / "executed"), protocol=2))
    with pytest.raises(ValueError, match="cannot be read as weights"):
        reading.read(tmp_path / "weights.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "zip.pt", "legacy.pt"])
def test_truncated_files_are_refused(name: str, tmp_path: Path) -> None:
    path, state = tmp_path / name, random_state()
    if name == "weights.safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=name == "zip.pt")
    whole = path.read_bytes()
    for size in [0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=f"{name} cannot be read as weights"):
            reading.read(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" * 20, b"a text\n", b"PK\x03\x04" * 20, b"<!DOCTYPE html>\n"])
def test_foreign_files_are_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as weights"):
        reading.read(path)


SPARSE = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).to_sparse()


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of formats that it may change
@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.tensor([1.0, float("nan"), 3.0]), "1 of the 3 numbers in 0.bias are NaN or infinite"),
        (torch.tensor([1.0, float("inf")]).half(), "1 of the 2 numbers in 0.bias are NaN or infinite"),
        (torch.tensor([1e300], dtype=torch.float64), "1 of the 1 numbers in 0.bias are NaN or infinite"),
        (SPARSE, "0.bias is sparse"),
        (lambda: SPARSE.to_sparse_csr(), "0.bias is sparse"),
        (torch.empty(3, device="meta"), "0.bias has no values"),
        (torch.ones(3, dtype=torch.complex64), "0.bias holds complex numbers"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "0.bias is quantized"),
    ],
    ids=["nan", "inf", "too large", "sparse", "sparse rows", "meta", "complex", "quantized"],
)
def test_tensors_that_are_no_weights_are_named_as_what_they_are(
    tensor: Tensor | Callable[[], Tensor], words: str, tmp_path: Path
) -> None:
    tensor = tensor if isinstance(tensor, Tensor) else tensor()
    torch.save({"params": random_state() | {"0.bias": tensor}}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=rf"weights\.pth cannot be read as weights: {re.escape(words)}"):
        reading.read(tmp_path / "weights.pth")


def test_a_nan_in_safetensors_is_named(tmp_path: Path) -> None:
    save_file(random_state() | {"0.bias": torch.tensor([float("nan")])}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"weights\.safetensors .*0\.bias are NaN"):
        reading.read(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".mat"])
def test_a_git_lfs_pointer_is_named_as_one(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1234\n")
    with pytest.raises(ValueError, match=r"weights\..* is a Git LFS pointer .*git lfs pull"):
        reading.read(path)


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.png").touch()
    with pytest.raises(ValueError, match=r"weights\.png is no weights file: its name should end in \.safetensors"):
        reading.read(tmp_path / "weights.png")


def test_a_missing_file_says_where_weights_come_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.pt is missing: methods/weights/README\.md says"):
        reading.load_into(Network(), tmp_path / "none.pt")


@pytest.mark.parametrize("content", [torch.rand(3), [torch.rand(3)], 3])
def test_a_file_without_a_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=f"holds a {type(content).__name__}, not a state dict"):
        reading.read(tmp_path / "weights.pt")


@pytest.mark.parametrize(("key", "entry"), [("0.weight", [1.0, 2.0]), ("epoch", 3), (3, torch.rand(3))])
def test_entries_that_are_no_tensors_are_refused(key: object, entry: object, tmp_path: Path) -> None:
    torch.save(random_state() | {key: entry}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=f"holds a {type(entry).__name__} as {key!r}"):
        reading.read(tmp_path / "weights.pt")


def refusal(state: dict[str, Tensor], path: Path) -> str:
    """Return why a network refuses these weights, after checking that none of them was copied."""
    torch.save(state, path)
    model = Network()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match="was not made for Network") as error:
        reading.load_into(model, path)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    return str(error.value).partition("Network: ")[2]


def test_another_width_is_refused_with_the_first_key_and_both_shapes(tmp_path: Path) -> None:
    message = refusal(Network(width=6).state_dict(), tmp_path / "weights.pt")
    assert message == "0.weight is (4, 3, 3, 3) in the network, (6, 3, 3, 3) in the file"


def test_the_first_key_in_the_order_of_the_network_is_named(tmp_path: Path) -> None:
    state = dict(reversed(random_state().items())) | {"1.bias": torch.rand(5), "0.bias": torch.rand(1)}
    assert refusal(state, tmp_path / "weights.pt") == "0.bias is (4,) in the network, (1,) in the file"


def test_missing_and_unexpected_keys_are_named(tmp_path: Path) -> None:
    state = random_state()
    assert refusal(state | {"2.weight": torch.rand(2)}, tmp_path / "weights.pt") == (
        "2.weight is unexpected in the network, (2,) in the file"
    )
    del state["1.running_var"]
    assert refusal(state, tmp_path / "weights.pt") == "1.running_var is (4,) in the network, missing in the file"
    assert refusal({}, tmp_path / "weights.pt") == "0.weight is (4, 3, 3, 3) in the network, missing in the file"


def test_a_prefix_on_some_keys_only_is_not_dropped(tmp_path: Path) -> None:
    state = random_state()
    message = refusal(prefixed("module.", state) | {"extra": torch.rand(2)}, tmp_path / "weights.pt")
    assert message == "0.weight is (4, 3, 3, 3) in the network, missing in the file"


class Small(nn.Sequential):
    """Two convolutions: the network of the forms below."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(nn.Conv2d(channels, width, 3), nn.Conv2d(width, channels, 3))


FORMS = {
    "wide": Form(lambda channels: Small(channels, 6)),
    "narrow": Form(lambda channels: Small(channels, 4), channels=(1,), names={"net.": ""}),
}


@pytest.mark.parametrize(("channels", "width"), [(1, 6), (3, 6), (1, 4)])
def test_weights_choose_form_and_channels(channels: int, width: int, tmp_path: Path) -> None:
    state = Small(channels, width).state_dict()
    torch.save(prefixed("net.", state) if width == 4 else state, tmp_path / "weights.pt")
    model = forms.restore(FORMS, tmp_path / "weights.pt", "cpu")
    assert not model.training
    assert model.form == ("narrow" if width == 4 else "wide")
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())


def form_refusal(state: dict[str, Tensor], path: Path) -> str:
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"weights\.pt was not made for Small") as error:
        forms.restore(FORMS, path, "cpu")
    return str(error.value).partition("Small: ")[2]


def test_another_number_of_channels_is_refused_with_the_first_key_and_both_shapes(tmp_path: Path) -> None:
    message = form_refusal(Small(2, 6).state_dict(), tmp_path / "weights.pt")
    assert message == "0.weight is (6, 1, 3, 3) in the network, (6, 2, 3, 3) in the file"


def test_the_closest_form_says_what_does_not_fit(tmp_path: Path) -> None:
    state = Small(1, 4).state_dict()
    del state["1.bias"]
    assert form_refusal(state, tmp_path / "weights.pt") == "1.bias is (1,) in the network, missing in the file"


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_code_in_a_file_for_any_form_is_refused_and_not_executed(place: str, tmp_path: Path) -> None:
    payload, state = Payload(tmp_path / "executed"), Small(1, 4).state_dict()
    content = {"beside": {"module_net": state, "meta": payload}, "inside": state | {"0.weight": payload}}[place]
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        forms.restore(FORMS, tmp_path / "weights.pth", "cpu")
    assert not (tmp_path / "executed").exists()


def test_a_truncated_file_for_any_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(Small(1, 4).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"weights\.pt cannot be read as weights"):
        forms.restore(FORMS, path, "cpu")
