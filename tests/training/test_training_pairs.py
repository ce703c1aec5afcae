"""Training pairs are the pictures they say, crops are found in them, and a pack unpacks to the same pairs."""

import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pictures import QUALITIES, SIZES, built, photographs, recipe
from torch import Tensor

from compressors import jpeg
from qebench.common import images
from qebench.datasets import originals
from qebench.networks import pixels
from qebench.training import packs, pair_files, pairs, varying


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
    data = built(recipe(tmp_path / "pictures", [30], "rgb"), tmp_path / "pairs.safetensors")
    original = images.read(tmp_path / "pictures/1.png")
    for layer, expected in enumerate([original, jpeg.decode(jpeg.encode(original, 30))]):
        assert torch.equal(data.image(1, layer), pixels.to_tensor([expected], "cpu"))
    assert data.batch(4, 32, 0)[0].shape == data.batch(4, 32, 0)[1].shape == (4, 3, 32, 32)


def test_pairs_say_what_was_compressed_and_how(folder, data):
    assert data.description == {
        "folder": folder.name,
        "images": "3",
        "varied": "False",
        "compressor": "jpeg",
        "version": jpeg.version(),
        "settings": jpeg.describe(images.read(folder / "0.png")),
        "qualities": "[50, 30, 10]",
        "colour": "luma",
        "scale": "1",
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
    both = built(recipe(folder, varied=True), tmp_path / "pairs.safetensors")
    assert both.sizes.tolist() == [list(size) for size in [*SIZES, *SIZES]]
    assert torch.equal(both.pixels[..., : data.pixels.shape[-1]], data.pixels)
    for number in range(len(SIZES)):
        original, copy = (to_uint8(both.image(place, 0)) for place in (number, number + len(SIZES)))
        assert np.array_equal(copy, varying.vary(original, np.random.default_rng(number)))
        decoded = jpeg.decode(jpeg.encode(copy, QUALITIES[0]))
        assert torch.equal(both.image(number + len(SIZES), 1), pixels.to_tensor([decoded], "cpu"))


def test_varied_copies_are_softened_grainy_or_both():
    edge = np.zeros((64, 64), np.uint8)
    edge[:, 32:], edge[:, :32] = 160, 80
    softened, grainy = 0, 0
    for seed in range(60):
        copy = varying.vary(edge, np.random.default_rng(seed)).astype(float)
        noise = copy[:, :20].std()
        softened += copy[:, 31].mean() > 82  # the neighbours of the edge moved towards each other
        grainy += noise > 0.5
        assert noise < varying.GRAIN + 0.5
        assert abs(copy.mean() - edge.mean()) < 1.5
    assert 30 <= softened <= 50  # two thirds of 60, less the ones whose blur is next to nothing
    assert 30 <= grainy <= 50


def to_uint8(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0] * 255).round().byte().numpy()


def test_cached_pairs_are_built_once_and_anew_when_a_picture_changes(tmp_path):
    pictures, cache = photographs(tmp_path / "pictures"), tmp_path / "cache"

    def stored() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in cache.glob("*.safetensors")}

    first = pair_files.cached(recipe(pictures, [30]), 1, cache)
    files_before = stored()
    again = pair_files.cached(recipe(pictures, [30]), 1, cache)
    assert stored() == files_before
    assert torch.equal(first.pixels, again.pixels)
    images.write(pictures / "1.png", 255 - images.read(pictures / "1.png"))
    changed = pair_files.cached(recipe(pictures, [30]), 1, cache)
    assert len(stored()) == 2
    torch.testing.assert_close(changed.image(1, 0), 1 - first.image(1, 0))  # but for float32
    pair_files.cached(recipe(pictures, [20]), 1, cache)
    assert len(stored()) == 3


@pytest.mark.parametrize("name", ["pairs", "packs", "crops", "varying"])
def test_cached_pairs_are_built_anew_when_the_code_that_makes_them_changes(folder, tmp_path, monkeypatch, name):
    module = {"pairs": pair_files, "packs": packs, "crops": pairs, "varying": varying}[name]
    pair_files.cached(recipe(folder, [30]), 1, tmp_path)
    edited = tmp_path / "edited.py"
    edited.write_text(Path(module.__file__).read_text() + "# edited\n")
    monkeypatch.setattr(module, "__file__", str(edited))
    pair_files.cached(recipe(folder, [30]), 1, tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_processes_that_want_the_same_pairs_build_them_once(folder, tmp_path, monkeypatch):
    build, calls = pair_files.build, []

    def slow(*arguments) -> None:
        calls.append(arguments)
        time.sleep(0.1)
        build(*arguments)

    monkeypatch.setattr(pair_files, "build", slow)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: pair_files.cached(recipe(folder, [30]), 1, tmp_path), range(4)))
    assert len(calls) == 1
    assert all(torch.equal(found[0].pixels, one.pixels) for one in found)


def test_pairs_may_be_of_half_the_size(tmp_path):
    picture = np.arange(64 * 48, dtype=np.int64).reshape(64, 48) // 13 % 256
    images.write(tmp_path / "pictures/1.png", picture.astype(np.uint8))
    half = built(recipe(tmp_path / "pictures", [30], scale=2), tmp_path / "pairs.safetensors")
    assert half.sizes.tolist() == [[32, 24]]
    prepared = originals.prepare(picture.astype(np.uint8), originals.Protocol("luma", scale=2))
    assert np.array_equal(to_uint8(half.image(0, 0)), prepared)


def test_processes_share_a_batch_without_overlap(data):
    whole = data.batch(6, 32, 3)
    parts = [data.batch(6, 32, 3, slice(rank, None, 2)) for rank in (0, 1)]
    for entry, tensor in enumerate(whole):
        assert torch.equal(tensor[0::2], parts[0][entry])
        assert torch.equal(tensor[1::2], parts[1][entry])


@pytest.mark.parametrize("colour", ["luma", "rgb"])
def test_a_pack_unpacks_to_the_pairs_that_its_pictures_make(tmp_path, colour):
    pictures = photographs(tmp_path / "pictures", colour=True)
    wanted = recipe(pictures, colour=colour, varied=True)
    packs.pack(wanted, 2, tmp_path / "train.zip")
    direct = pair_files.cached(wanted, 2, tmp_path / "cache")
    shutil.rmtree(pictures)  # nothing but the pack is needed
    found = pair_files.cached(recipe(tmp_path / "train.zip", colour=colour, varied=True), 2, tmp_path / "cache")
    assert torch.equal(found.pixels, direct.pixels)
    assert torch.equal(found.sizes, direct.sizes)
    assert found.description == direct.description


def test_a_pack_of_other_qualities_is_refused(folder, tmp_path):
    packs.pack(recipe(folder), 1, tmp_path / "train.zip")
    with pytest.raises(ValueError, match=r"train\.zip was packed with qualities \[50, 30, 10\], but \[50\] is"):
        pair_files.cached(recipe(tmp_path / "train.zip", [50]), 1, tmp_path)


def test_a_pack_that_decodes_to_other_pixels_is_refused(folder, tmp_path):
    packs.pack(recipe(folder), 1, tmp_path / "whole.zip")
    with zipfile.ZipFile(tmp_path / "whole.zip") as whole, zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        for name in whole.namelist():  # as another decoder would: the bitstream of another quality
            other.writestr(name, whole.read("00000/30.jpg" if name == "00000/50.jpg" else name))
    with pytest.raises(ValueError, match=r"other\.zip decodes to other pixels with libjpeg-turbo .* than with libjpeg"):
        pair_files.cached(recipe(tmp_path / "other.zip"), 1, tmp_path)


@pytest.mark.parametrize("content", [b"no archive", None], ids=["no archive", "another archive"])
def test_what_is_no_pack_is_refused(tmp_path, content):
    path = tmp_path / "train.zip"
    if content:
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("picture.png", b"")
    with pytest.raises(ValueError, match=r"train\.zip is no whole pack of pairs: `qebench pack` makes one"):
        pair_files.cached(recipe(path), 1, tmp_path)


def test_a_picture_that_cannot_be_compressed_leaves_no_pairs(tmp_path):
    photographs(tmp_path / "pictures")
    (tmp_path / "pictures/broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.png"):
        pair_files.build(recipe(tmp_path / "pictures"), 1, tmp_path / "pairs.safetensors")
    assert not (tmp_path / "pairs.safetensors").exists()


def test_crops_larger_than_a_picture_are_refused(data):
    assert data.batch(2, 40, 0)[0].shape == (2, 1, 40, 40)
    with pytest.raises(ValueError, match=r"has a picture of 40 pixels in height or width: crops of 48 need more"):
        data.batch(2, 48, 0)
