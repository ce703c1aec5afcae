"""Official weights become safetensors of ours with a card, in the same form and bit for bit, or nothing is written."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from helpers.weight_files import LAYOUTS, Payload, save_7_3, simplenn
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from qebench.__main__ import main
from qebench.checkpoints import cards, matconvnet
from qebench.checkpoints.forms import Form
from qebench.common import plugins
from qebench.networks import conversion

FORMS = [  # with names of their own, tied layers, batch normalisation, or none of these
    ("arcnn", "powerqe-v1", 3),
    ("dcad", "powerqe-v1", 3),
    ("dncnn", "powerqe-v1-bn", 3),
    ("dncnn", "powerqe-v3-bn", 1),
    ("esrgan", "powerqe-v1", 3),
]
DNCNN3 = [1, *[64] * 19, 1]  # channels between the 20 layers of the DnCNN authors' blind network


def metadata(weights: Path) -> dict:
    with safe_open(weights, framework="pt") as file:
        return json.loads(file.metadata()["import"])


def original_names(state: dict[str, Tensor], form: Form) -> dict[str, Tensor]:
    """Return a state dict with the official names of a form in place of ours."""
    theirs = {}
    for key, tensor in state.items():
        name = next((name for name, ours in form.names.items() if key.startswith(ours)), None)
        theirs[key if name is None else name + key.removeprefix(form.names[name])] = tensor
    return theirs


def assert_same(model: nn.Module, other: nn.Module) -> None:
    assert list(model.state_dict()) == list(other.state_dict())
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize(("method", "name", "channels"), FORMS)
def test_a_form_survives_its_import_and_a_second_one(method: str, name: str, channels: int, tmp_path: Path) -> None:
    module = plugins.find("methods", method)
    form = module.FORMS[name]
    original = form.build(channels)
    source, output = tmp_path / "official.pth", tmp_path / "ours.safetensors"
    torch.save(LAYOUTS["powerqe_v1"](original_names(original.state_dict(), form)), source)
    conversion.convert(source, method, output)
    conversion.convert(output, method, tmp_path / "again.safetensors")
    expected = {
        "method": method,
        "form": name,
        "channels": channels,
        "parameters": sum(parameter.numel() for parameter in original.parameters()),
    }
    for path in (output, tmp_path / "again.safetensors"):
        assert expected.items() <= metadata(path).items()
        assert_same(module.load(path, "cpu"), original)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_official_layout_is_imported(layout: str, tmp_path: Path) -> None:
    module = plugins.find("methods", "dcad")
    original = module.load(None, "cpu")
    torch.save(LAYOUTS[layout](original.state_dict()), tmp_path / "official.pt")
    conversion.convert(tmp_path / "official.pt", "dcad", tmp_path / "ours.safetensors")
    assert list(load_file(tmp_path / "ours.safetensors")) == sorted(original.state_dict())
    assert_same(module.load(tmp_path / "ours.safetensors", "cpu"), original)


def test_a_method_without_forms_is_imported(tmp_path: Path) -> None:
    module = plugins.find("methods", "rbqe")
    original = module.load(None, "cpu")
    torch.save(original.state_dict(), tmp_path / "official.pt")
    conversion.convert(tmp_path / "official.pt", "rbqe", tmp_path / "ours.safetensors")
    assert_same(module.load(tmp_path / "ours.safetensors", "cpu"), original)
    assert "- network: rbqe, 1 channel (luma), 300,455 parameters\n" in (tmp_path / "ours.md").read_text()


def test_half_precision_is_widened_and_the_card_says_so(tmp_path: Path) -> None:
    halves = {
        key: tensor.half() for key, tensor in plugins.find("methods", "dcad").load(None, "cpu").state_dict().items()
    }
    save_file(halves, tmp_path / "half.safetensors")
    conversion.convert(tmp_path / "half.safetensors", "dcad", tmp_path / "ours.safetensors")
    converted = load_file(tmp_path / "ours.safetensors")
    assert all(torch.equal(converted[key], tensor.float()) for key, tensor in halves.items())
    assert "- changed: float16 to float32\n" in (tmp_path / "ours.md").read_text()


def test_a_matlab_file_is_imported_as_dncnn_3_and_its_card_names_source_and_changes(tmp_path: Path, capsys) -> None:
    layers, source, output = simplenn(DNCNN3), tmp_path / "net.mat", tmp_path / "dncnn-luma.safetensors"
    save_7_3(source, layers)
    main(["import", str(source), "--method", "dncnn", "-o", str(output)])
    card = output.with_suffix(".md").read_text()
    assert capsys.readouterr().out == card
    main(["card", str(output)])
    assert capsys.readouterr().out == card
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (source, output)]
    assert card.split("\n")[:5] == [
        "## dncnn-luma.safetensors",
        "",
        "- network: dncnn, form dncnn3, 1 channel (luma), 665,921 parameters",
        f"- imported from: net.mat (sha256 {digests[0]})",
        f"- changed: {matconvnet.CHANGES}",
    ]
    assert card.endswith(f"- sha256: {digests[1]}\n")
    kernel, bias = layers[-1]["weights"]
    converted = load_file(output)
    assert converted["layers.38.weight"][0, 5, 1, 2] == -kernel[1, 2, 5, 0]
    assert converted["layers.38.bias"][0] == -bias[0, 0]


def refusal(source: Path, method: str, output: Path) -> str:
    """Return why an import is refused, after checking that it wrote nothing."""
    before = sorted(source.parent.iterdir())
    with pytest.raises(ValueError) as error:
        conversion.convert(source, method, output)
    assert sorted(source.parent.iterdir()) == before
    return str(error.value)


def test_another_architecture_is_refused_with_the_first_key_and_both_shapes(tmp_path: Path) -> None:
    source = tmp_path / "official.pt"
    torch.save(plugins.find("methods", "dcad").load(None, "cpu").state_dict(), source)
    message = refusal(source, "rbqe", tmp_path / "ours.safetensors")
    assert message.startswith(f"{source} was not made for RBQE: ")
    assert message.endswith(" in the network, missing in the file")


@pytest.mark.parametrize("size", [0, 100, -1])
def test_truncated_weights_are_refused(size: int, tmp_path: Path) -> None:
    source = tmp_path / "official.pt"
    torch.save(plugins.find("methods", "dcad").load(None, "cpu").state_dict(), source)
    source.write_bytes(source.read_bytes()[:size])
    assert "official.pt cannot be read as weights" in refusal(source, "dcad", tmp_path / "ours.safetensors")


def test_code_in_a_file_is_refused_and_not_executed(tmp_path: Path) -> None:
    source = tmp_path / "official.pth"
    torch.save({"module_net": Payload(tmp_path / "executed")}, source)
    assert "holds code (none was run)" in refusal(source, "dcad", tmp_path / "ours.safetensors")
    assert not (tmp_path / "executed").exists()


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "weights.safetensors"
    save_file(plugins.find("methods", "dcad").load(None, "cpu").state_dict(), source)
    assert "the name must end so" in refusal(source, "dcad", tmp_path / "ours.pt")
    assert "is the file to convert" in refusal(source, "dcad", source)
    assert "decoded has no weights" in refusal(source, "decoded", tmp_path / "ours.safetensors")
    assert "there is no 'dcda' in methods/" in refusal(source, "dcda", tmp_path / "ours.safetensors")


def test_a_file_without_history_has_no_card(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match=r"bare\.safetensors carries no history"):
        cards.card(tmp_path / "bare.safetensors")
    torch.save({"weight": torch.ones(1)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"weights\.pt is no safetensors file: `qebench import` makes one"):
        cards.card(tmp_path / "weights.pt")
