"""A chain gives what its PixelUNets give, each from the decoded image, and its file holds theirs as they are stored."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from methods import chain, pixelunet
from qebench.__main__ import main
from qebench.checkpoints import cards, rounding
from qebench.common import files
from qebench.networks import catalogue, multi_exit
from qebench.networks.multi_exit import Rule
from qebench.networks.network import describe

PICTURES = {"compressor": "jpeg", "qualities": "[50, 10]", "folder": "made", "images": "2", "colour": "luma"}


def part(size: str, path: Path, pictures: dict = PICTURES) -> Path:
    """Write weights of one size with the record of a training, in 8-bit integers, and return the file."""
    torch.manual_seed(len(size))
    model = pixelunet.FORMS[size].build(1)
    record = {
        "method": "PixelUNet",
        "form": size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "training_images": pictures | {"version": "1", "settings": "gray"},
        "validation_images": {"images": "1", "folder": "others"},
        "settings": {"steps": 1, "batch": 1, "patch": 32},
        "seconds": 1,
        "patches_per_second": 1.0,
        "device": "a CPU",
        "commit": "none",
        "versions": {},
        "delta_psnr": {"50": [len(size) / 10], "10": [len(size) / 20]},
    }
    save_file(rounding.integers(model.state_dict()), path, metadata={"training": json.dumps(record)})
    return path


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    return [part(size, tmp_path / f"{size}.safetensors") for size in ("small", "middle")]


@pytest.fixture
def joined(parts: list[Path], tmp_path: Path) -> Path:
    output = tmp_path / "chain-luma-jpeg.safetensors"
    main(["study", "chain", *map(str, parts), "-o", str(output)])
    return output


def expected(parts: list[Path], x: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return [x, *(pixelunet.load(path, "cpu")(x) for path in parts)]


def test_exits_are_the_decoded_image_and_what_each_size_makes_of_it(parts: list[Path], joined: Path) -> None:
    network, x = describe(chain.load(joined, "cpu"), "chain"), torch.rand(2, 1, 24, 40)
    with torch.inference_mode():
        found = list(network.exits(x))
        alone = [network.last(x, exit) for exit in (1, 2, 3)]
    for one, other, right in zip(found, alone, expected(parts, x), strict=True):
        assert torch.equal(one, right) and torch.equal(other, right)


def test_images_that_leave_are_not_computed_further(parts: list[Path], joined: Path) -> None:
    network, x = describe(chain.load(joined, "cpu"), "chain"), torch.rand(3, 1, 16, 16)
    images, exits = multi_exit.enhance(network, x, Rule(8, [[10, 3], [50, 2], [95, 1]], name="quality", quality=93))
    assert exits.tolist() == [1, 1, 1] and torch.equal(images, x)
    walk = network.exits(x)
    with torch.inference_mode():
        next(walk)
        assert torch.equal(walk.send(torch.tensor([2])), expected(parts, x[2:])[1])


def test_a_joined_file_holds_the_parts_as_they_are_stored(parts: list[Path], joined: Path) -> None:
    with safe_open(joined, "pt") as whole, safe_open(parts[0], "pt") as small:
        for name in small.keys():  # noqa: SIM118
            assert torch.equal(whole.get_tensor(f"networks.small.{name}"), small.get_tensor(name))
    assert "| 50        | +0.000   | +0.500   | +0.600   |" in cards.card(joined)
    assert "joined of: small.safetensors (sha256 " in cards.card(joined)


@pytest.mark.parametrize("path", sorted(catalogue.WEIGHTS.glob("chain-*.safetensors")), ids=lambda path: path.stem)
def test_a_chain_that_ships_is_of_the_parts_that_ship(path: Path) -> None:
    joined = json.loads(cards.metadata(path)["training"])["joined"]
    assert {part["file"]: part["sha256"] for part in joined} == {
        part["file"]: files.sha256(catalogue.WEIGHTS / part["file"]) for part in joined
    }


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (["small"], "a chain has 2 or 3 sizes, not 1"),
        (["middle", "small"], r"of the sizes \['middle', 'small'\]: name them from small on"),
        (["small", "other"], "different pictures, codecs or qualities"),
    ],
)
def test_parts_that_make_no_chain_are_refused(
    parts: list[Path], sizes: list[str], message: str, tmp_path: Path
) -> None:
    part("middle", tmp_path / "other.safetensors", PICTURES | {"qualities": "[50]"})
    named = [str(tmp_path / f"{size}.safetensors") for size in sizes]
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        main(["study", "chain", *named, "-o", str(tmp_path / "out.safetensors")])
    assert not (tmp_path / "out.safetensors").exists()
