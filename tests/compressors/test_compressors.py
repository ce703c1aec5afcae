"""Every compressor keeps the contract by being there, and the command does what the functions do."""

import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from qebench.__main__ import main
from qebench.coding import interface
from qebench.common import images, plugins
from qebench.datasets import originals

ROOT = Path(__file__).parents[2]
LADDERS = {  # from best to worst; those without a paper have bits per pixel like JPEG's
    "avif": [64, 60, 57, 49, 39],
    "jpeg": [50, 40, 30, 20, 10],
    "jpeg2000": [37, 36, 35, 33, 31],
    "jpegxl": [74, 69, 62, 50, 24],
    "webp": [70, 60, 47, 32, 14],
}
QPS = [22, 27, 32, 37, 42]  # of the RBQE paper, for all codecs with a QP


@pytest.fixture(params=plugins.names("compressors"))
def compressor(request: pytest.FixtureRequest) -> ModuleType:
    """Return each compressor whose programs are there."""
    module = plugins.find("compressors", request.param)
    try:
        module.version()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return module


def ladder(compressor: ModuleType) -> list[int]:
    """Return five qualities from best to worst; for a new compressor, evenly spread over its range."""
    spread = np.linspace(best(compressor), compressor.QUALITIES[0], 7)[1:-1].astype(int).tolist()
    return QPS if compressor.QUALITY == "qp" else LADDERS.get(compressor.__name__.split(".")[-1], spread)


def best(compressor: ModuleType) -> int:
    return compressor.QUALITIES[0 if compressor.QUALITY == "qp" else -1]


def slope(height: int, width: int, channels: int = 1) -> np.ndarray:
    """Return a plane that rises by 3 and 2 gray levels per row and column: codecs keep it, and it shows shifts."""
    gray = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
    return gray if channels == 1 else np.stack([gray] * channels, axis=2)


def ramps(height: int, width: int, channels: int) -> np.ndarray:
    """Return smooth channels that differ, up to 40x40; a shift by one place is a squared error of 9.7 or more."""
    rows, columns = np.mgrid[:height, :width]
    planes = np.stack([5 * columns + 20, 5 * rows + 30, 240 - 3 * columns - 2 * rows], axis=2)
    return planes[..., 0].astype(np.uint8) if channels == 1 else planes.astype(np.uint8)


def textured(side: int, channels: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 20, (side, side, channels))
    return (slope(side, side, 3)[..., :channels] * 0.5 + 60 + noise).round().clip(0, 255).astype(np.uint8).squeeze()


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "qebench", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.parametrize("channels", [1, 3], ids=["gray", "rgb"])
@pytest.mark.parametrize("size", [(16, 16), (40, 24), (19, 37)], ids="{0[0]}x{0[1]}".format)
def test_images_come_back_in_place(compressor: ModuleType, size, channels):
    image = ramps(*size, channels)
    decoded = compressor.decode(compressor.encode(image, best(compressor)))
    assert (decoded.shape, decoded.dtype) == (image.shape, np.uint8)
    assert mean_squared_error(image, decoded) < 9  # measured: up to 6.2, where chroma samples are repeated


@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 3)], ids=["gray", "rgb"])
def test_noise_comes_back_in_shape_at_the_first_and_last_quality(compressor: ModuleType, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for quality in (compressor.QUALITIES[0], compressor.QUALITIES[-1]):
        decoded = compressor.decode(compressor.encode(image, quality))
        assert (decoded.shape, decoded.dtype) == (shape, np.uint8)


def test_gray_as_colour_comes_back_as_colour(compressor: ModuleType):
    image = slope(32, 32, 3)
    for quality in ladder(compressor)[::4]:
        assert compressor.decode(compressor.encode(image, quality)).shape == image.shape


@pytest.mark.parametrize(("name", "channels"), [("astronaut", 3), ("brick", 1)])
def test_bits_and_psnr_fall_along_the_ladder(compressor: ModuleType, name, channels):
    (path,) = (path for path in originals.sources(None) if path.stem == name)
    image = originals.prepare(images.read(path), originals.Protocol("luma" if channels == 1 else "rgb", 192))
    streams = [compressor.encode(image, quality) for quality in ladder(compressor)]
    sizes = [len(stream) for stream in streams]
    fidelity = [peak_signal_noise_ratio(image, compressor.decode(stream)) for stream in streams]
    assert sizes == sorted(set(sizes), reverse=True)
    assert fidelity == sorted(set(fidelity), reverse=True)
    assert len(sizes) == len(fidelity) == 5


def test_the_same_image_gives_the_same_bytes(compressor: ModuleType):
    image = textured(48, 3)
    quality = ladder(compressor)[2]
    assert compressor.encode(image, quality) == compressor.encode(image, quality)


def test_what_decides_the_bits_is_said(compressor: ModuleType):
    assert compressor.QUALITY.isidentifier()
    assert isinstance(compressor.QUALITIES, range)
    assert compressor.SUFFIX.startswith(".")
    assert any(digit.isdigit() for digit in compressor.version())
    gray, colour = (compressor.describe(np.zeros(shape, np.uint8)) for shape in ((16, 16), (16, 16, 3)))
    assert gray
    assert colour
    assert gray != colour


def test_settings_are_the_defaults_unless_chosen(compressor: ModuleType):
    assert interface.configure(compressor, {}) == compressor.DEFAULT
    assert interface.configure(compressor, interface.choices(compressor.DEFAULT)) == compressor.DEFAULT
    assert hash(compressor.DEFAULT) == hash(compressor.Settings())  # frozen
    assert compressor.version(compressor.DEFAULT) == compressor.version()


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(slope(16, 16)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("garbage", [b"", b"no picture at all", bytes(1000), png()], ids=["empty", "text", "0", "png"])
def test_what_is_no_bitstream_is_refused(compressor: ModuleType, garbage):
    with pytest.raises(ValueError, match=r"."):
        compressor.decode(garbage)


def test_truncated_bitstreams_are_refused_or_give_an_image(compressor: ModuleType):
    stream = compressor.encode(textured(40, 1), ladder(compressor)[2])
    for size in np.linspace(1, len(stream) - 1, 8).astype(int):
        try:
            decoded = compressor.decode(stream[:size])
        except ValueError as error:
            assert str(error)
        else:  # HEVC has no checksum unless the encoder adds one
            assert decoded.dtype == np.uint8


def test_command_encodes_and_decodes_what_the_functions_do(compressor: ModuleType, tmp_path, capsys):
    name, quality = compressor.__name__.split(".")[-1], ladder(compressor)[2]
    image = textured(32, 3)
    images.write(tmp_path / "image.png", image)
    stream = compressor.encode(image, quality)
    said = f"{8 * len(stream)} bits ({8 * len(stream) / 1024:.4f} bpp), {compressor.version()}\n"
    main(["encode", name, f"{tmp_path}/image.png", "-q", str(quality), "-o", f"{tmp_path}/stream"])
    assert capsys.readouterr() == (said, "")
    assert (tmp_path / "stream").read_bytes() == stream
    main(["decode", name, f"{tmp_path}/stream", "-o", f"{tmp_path}/decoded.png"])
    assert capsys.readouterr() == (said, "")
    assert np.array_equal(images.read(tmp_path / "decoded.png"), compressor.decode(stream))


def test_command_lists_every_compressor():
    lines = run("compressors").stdout.splitlines()
    for name in plugins.names("compressors"):
        module = plugins.find("compressors", name)
        span = f"{module.QUALITY} {module.QUALITIES[0]}..{module.QUALITIES[-1]}"
        assert any(line.split()[:3] == [name, *span.split()] for line in lines)


def test_a_missing_program_is_one_clear_message(tmp_path):
    images.write(tmp_path / "image.png", slope(16, 16))
    options = ["--set", "library=cjpeg", "-q", 30, "-o", tmp_path / "image.jpg"]
    done = run("encode", "jpeg", tmp_path / "image.png", *options, PATH=str(tmp_path))
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "cjpeg is not installed: put it on PATH, or its path into CJPEG. It comes with libjpeg-turbo" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "jpg", "image.png", "-q", 10], "there is no 'jpg' in compressors/: it has avif, "),
        (["encode", "jpeg", "image.png", "-q", 101], "jpeg takes qf 1..100, not 101"),
        (["encode", "hevc", "image.png", "-q", 52], "hevc takes qp 0..51, not 52"),
        (["encode", "jpeg", "absent.png", "-q", 10], "absent.png"),
        (["decode", "jpeg", "image.png"], "image.png: not a whole JPEG file"),
        (["decode", "hevc", "image.png"], "image.png: not an HEVC bitstream"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_command_fails_in_one_line_and_writes_nothing(arguments, message, tmp_path):
    images.write(tmp_path / "image.png", slope(16, 16, 3))
    paths = [tmp_path / part if str(part).endswith(".png") else part for part in arguments]
    done = run(*paths, "-o", tmp_path / "output.png")
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.png"]
