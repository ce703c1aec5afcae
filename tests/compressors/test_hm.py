"""HM makes the bits and pictures that it made elsewhere, and a program that fails or lies is found out."""

import csv
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.metrics import psnr
from compressors import hevc, hm
from compressors.hm import programs
from qebench.coding import folder
from qebench.common import colour, images, plugins
from qebench.common.metrics import of_pictures
from qebench.datasets import originals

TEST_IMAGES = Path(os.environ.get("QEBENCH_TEST_IMAGES", plugins.ROOT.parent / "shared/data/test"))
GOLDEN = json.loads((Path(__file__).parents[1] / "golden/hm.json").read_text())
FULL = hm.Settings(gray="400")
EVERY_FORM = [(2, hm.DEFAULT), (2, FULL), (3, hm.DEFAULT)]
every_form = pytest.mark.parametrize(("dimensions", "chosen"), EVERY_FORM, ids=["gray 420", "gray 400", "rgb"])

try:
    VERSION = hm.version()
except FileNotFoundError as error:
    VERSION = str(error)
needs_hm = pytest.mark.skipif(not VERSION.startswith("HM "), reason=VERSION)


def slope(height: int, width: int, dimensions: int = 2) -> np.ndarray:
    """Return a plane that rises by 3 and 2 gray levels per row and column: codecs keep it, and it shows shifts."""
    gray = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
    return gray if dimensions == 2 else np.stack([gray] * 3, axis=2)


def textured(height: int, width: int, dimensions: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)[:dimensions], np.uint8)


def by_libavcodec(bitstream: bytes) -> list[np.ndarray]:
    """Return the planes that FFmpeg's decoder makes of a stream."""
    context = av.CodecContext.create("hevc", "r")
    frames = [frame for packet in (av.Packet(bitstream), None) for frame in context.decode(packet)]
    return [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frames[0].planes
    ]


def golden_picture(name: str, astronaut: np.ndarray) -> np.ndarray:
    """Return the 512x512 pixels of a golden picture, or skip if they are not at hand."""
    if name == "astronaut":
        return astronaut
    path = TEST_IMAGES / f"kodak24/{name.removeprefix('kodim')}.png"
    if not path.is_file():
        pytest.skip(f"{path} is not here: set QEBENCH_TEST_IMAGES to the folder that has it")
    picture = images.read(path)
    top, left = (side // 2 - 256 for side in picture.shape[:2])
    return picture[top : top + 512, left : left + 512]


@pytest.mark.original("HEVC: files, pixels and PSNR of HM 16.5")
@needs_hm
@pytest.mark.parametrize("qp", [22, 27, 32, 37, 42])
@pytest.mark.parametrize("name", GOLDEN["pictures"])
def test_bits_and_pictures_are_those_of_hm_16_5_and_its_own_configuration(name, qp, astronaut):
    if not VERSION.startswith("HM 16.5,"):
        pytest.skip(f"golden values are of HM 16.5, not of {VERSION}")
    picture, golden = golden_picture(name, astronaut), GOLDEN["pictures"][name]["qp"][str(qp)]
    original = b"".join(plane.tobytes() for plane in colour.to_yuv420(picture))
    if hashlib.sha256(original).hexdigest() != GOLDEN["pictures"][name]["input"]:
        pytest.skip(f"this copy of {name} has other pixels than the golden one")
    bitstream = hm.encode(picture, qp)
    assert len(bitstream) == golden["bytes"]
    assert 8 * len(b"".join(re.split(rb"\x00\x00+\x01", bitstream))) == golden["bits"]
    assert hashlib.sha256(bitstream).hexdigest() == golden["bitstream"]
    decoded = programs.decompress(programs.find("TAppEncoder", "TAppDecoder")[1], bitstream)
    assert hashlib.sha256(decoded).hexdigest() == golden["decoded"]
    assert np.array_equal(hm.decode(bitstream), colour.from_yuv420(*by_libavcodec(bitstream)))
    ends = [512 * 512, 512 * 512 * 5 // 4]
    pairs = zip(*(np.split(np.frombuffer(samples, np.uint8), ends) for samples in (original, decoded)), strict=True)
    ours = [of_pictures(psnr, one, two) for one, two in pairs]
    assert ours == pytest.approx(golden["psnr"], abs=0.5001e-4)  # HM prints four decimals


@needs_hm
@every_form
@pytest.mark.parametrize("size", [(2, 2), (8, 8), (16, 16), (18, 34), (66, 32)])
def test_even_sizes_come_back_in_place(size, dimensions, chosen):
    image = slope(*size, dimensions)
    decoded = hm.decode(hm.encode(image, 0, chosen), chosen)
    # QP 0 quantises by less than 1; a level of Y, Cb or Cr is up to 2 levels of R, G or B
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).max() <= (1 if dimensions == 2 else 3)


@needs_hm
def test_a_folder_keeps_the_bits_and_psnr_that_hm_prints(tmp_path):
    """They are checked against ours when each picture is coded; here once more, from the files."""
    (tmp_path / "pictures").mkdir()
    images.write(tmp_path / "pictures/slope.png", slope(24, 40))
    originals.write(
        [tmp_path / "pictures/slope.png"],
        originals.Protocol("luma", None, 1),
        tmp_path / "originals",
        tmp_path / "originals.csv",
    )
    folder.compress(hm, 37, FULL, tmp_path / "originals.csv", tmp_path / "hm.csv", workers=1)
    (row,) = csv.DictReader((tmp_path / "hm.csv").read_text().splitlines())
    original, decoded = (images.read(tmp_path / name / "slope.png") for name in ("originals", "hm"))
    bits, luma = re.fullmatch(r"(\d+) bits, Y ([\d.]+) dB", row["told"]).groups()
    assert float(luma) == pytest.approx(of_pictures(psnr, original, decoded), abs=6e-5)
    assert 0 <= int(row["bits"]) - int(bits) <= 8 * 4 * 8  # start codes, which HM 16.5 leaves out


@needs_hm
@settings(max_examples=6)
@given(st.integers(1, 40), st.integers(1, 40))
def test_gray_of_any_size_comes_back_without_chroma(height, width):
    image = slope(height, width)
    decoded = hm.decode(hm.encode(image, 0, FULL))
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).max() <= 1


@needs_hm
@every_form
def test_libavcodec_decodes_the_same_pixels(dimensions, chosen):
    image = textured(44, 26, dimensions)
    for qp in (0, 30, 51):
        bitstream = hm.encode(image, qp, chosen)
        planes = by_libavcodec(bitstream)
        assert len(planes) == (1 if chosen == FULL else 3)
        expected = planes[0] if dimensions == 2 else colour.from_yuv420(*planes)
        assert np.array_equal(hm.decode(bitstream, chosen), expected)


@needs_hm
def test_streams_of_another_encoder_are_decoded_too():
    for image in (textured(40, 33, 2), textured(40, 34, 3)):
        bitstream = hevc.encode(image, 30)
        assert np.array_equal(hm.decode(bitstream), hevc.decode(bitstream))


@needs_hm
def test_padding_repeats_the_edge_and_costs_no_bits_but_those_of_the_window():
    image = textured(19, 27, 2)
    padded = np.pad(image, ((0, 5), (0, 5)), mode="edge")
    cropped, whole = (hm.encode(picture, 30, FULL) for picture in (image, padded))
    assert np.array_equal(hm.decode(cropped), hm.decode(whole)[:19, :27])
    assert 0 <= len(cropped) - len(whole) <= 3  # the window: four numbers in the sequence parameter set


@needs_hm
@pytest.mark.parametrize("qp", [0, 51])
def test_colour_images_without_any_colour_stay_colour_images(qp):
    image = np.stack([textured(16, 24, 2)] * 3, axis=2)
    bitstream = hm.encode(image, qp)
    assert all((plane == 128).all() for plane in by_libavcodec(bitstream)[1:])
    assert hm.decode(bitstream).shape == image.shape
    gray = hm.encode(colour.luma(image), qp)
    assert np.array_equal(hm.decode(gray), by_libavcodec(bitstream)[0])
    assert 0 < len(bitstream) - len(gray) <= 6  # the note on colour


@needs_hm
def test_gray_is_main_still_picture_unless_asked_otherwise():
    image = textured(16, 16, 2)
    for chosen, profile in ((hm.DEFAULT, 3), (FULL, 4)):  # general_profile_idc: Main Still Picture, range extensions
        bitstream = hm.encode(image, 30, chosen)
        parameters = re.split(rb"\x00\x00+\x01", bitstream)[2]  # the SPS comes second, after the VPS
        assert (parameters[0] >> 1, parameters[3] & 31) == (33, profile)


@pytest.mark.parametrize("garbage", [b"", b"no picture at all", bytes(1000)], ids=["empty", "text", "0"])
def test_what_is_no_bitstream_is_refused(garbage):
    with pytest.raises(ValueError, match=r"^(not|expected)"):
        hm.decode(garbage)


@needs_hm
def test_half_a_picture_and_two_are_refused():
    bitstream = hm.encode(textured(64, 64, 2), 30)
    with pytest.raises(ValueError, match=r"(?s)not an HEVC bitstream that HM decodes: .*TAppDecoder"):
        hm.decode(bitstream[: len(bitstream) // 2])
    with pytest.raises(ValueError, match="expected one HEVC picture of 6144 samples, found 12288"):
        hm.decode(bitstream + bitstream)


def test_descriptions_tell_the_forms_apart():
    described = {hm.describe(textured(8, 8, dimensions), chosen) for dimensions, chosen in EVERY_FORM}
    assert len(described) == 3
    assert all(text.endswith(", hm_main_still_picture.cfg") for text in described)


def script(path: Path, *lines: str) -> Path:
    """Write a program, here a shell script."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def chosen_programs(folder: Path, encoder: str, decoder: str = "exit 0") -> hm.Settings:
    """Return settings with two scripts for HM's programs."""
    files = [script(folder / name, line) for name, line in (("TAppEncoder", encoder), ("TAppDecoder", decoder))]
    return hm.Settings(encoder=str(files[0]), decoder=str(files[1]))


@pytest.fixture
def no_hm(monkeypatch):
    """Leave the places where HM is looked for empty, but for the system's own programs."""
    for name in ("HM_ENCODER", "HM_DECODER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    if shutil.which("TAppEncoder") or shutil.which("TAppEncoderStatic"):
        pytest.skip("HM is among the system's own programs")


def test_a_missing_program_is_named_with_where_it_comes_from(no_hm, monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"TAppEncoder is not installed.*HM_ENCODER.*HEVC reference software"):
        hm.version()
    monkeypatch.setenv("HM_ENCODER", str(script(tmp_path / "encoder")))
    with pytest.raises(FileNotFoundError, match=r"TAppDecoder is not installed.*HM_DECODER"):
        hm.encode(slope(8, 8), 30)


def test_programs_may_be_called_static_or_be_named_in_settings_or_environment(no_hm, monkeypatch, tmp_path):
    static = script(tmp_path / "TAppEncoderStatic"), script(tmp_path / "TAppDecoderStatic")
    other, mine = script(tmp_path / "other"), script(tmp_path / "mine")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert programs.find("TAppEncoder", "TAppDecoder") == static
    assert programs.find(str(other), "TAppDecoder") == (other, static[1])
    monkeypatch.setenv("HM_DECODER", str(mine))
    assert programs.find("TAppEncoder", "TAppDecoder") == (static[0], mine)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("echo unknown option: Level >&2; exit 3", r"^TAppEncoder failed with exit status 3: unknown option: Level$"),
        ("kill -SEGV $$", r"^TAppEncoder failed with signal 11 and said nothing$"),
        ("exit 0", r"^TAppEncoder wrote no bitstream\.bin and said nothing$"),
        (
            "echo failed to open Input YUV file",
            r"wrote no bitstream\.bin: it ended with .*failed to open Input YUV file",
        ),
        ("echo x > bitstream.bin", r"^TAppEncoder wrote no reconstruction\.yuv"),
        ("echo x > bitstream.bin; echo y > reconstruction.yuv", r"^TAppDecoder gives another picture"),
        ("echo x > bitstream.bin; echo x > reconstruction.yuv", r"^TAppEncoder made a picture of another size"),
    ],
    ids=["fails", "crashes", "does nothing", "gives up", "half", "garbage", "small"],
)
def test_a_broken_encoder_is_one_clear_error(encoder, message, no_hm, tmp_path):
    with pytest.raises(RuntimeError, match=message):
        hm.encode(slope(8, 8), 30, chosen_programs(tmp_path, encoder, "cp bitstream.bin decoded.yuv"))


def test_an_encoder_that_hangs_is_given_up(monkeypatch, no_hm, tmp_path):
    monkeypatch.setattr(programs, "TIME_LIMIT", 0.5)
    with pytest.raises(RuntimeError, match=r"^TAppEncoder took over 0\.5 s and was stopped$"):
        hm.encode(slope(8, 8), 30, chosen_programs(tmp_path, "exec sleep 60"))


def test_what_is_not_hm_has_no_version(no_hm, tmp_path):
    other = chosen_programs(tmp_path, "touch bitstream.bin reconstruction.yuv; echo Hello", "touch decoded.yuv")
    with pytest.raises(RuntimeError, match=r"TAppEncoder is none of HM's programs.*Hello"):
        hm.version(other)


@needs_hm
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (r"| sed 's/ \([0-9]* bits\)/ 1\1/'", r"printed 1\d+ bits, but wrote \d+, or \d+ with start codes"),
        (r"| sed 's/\[Y [0-9.]*/[Y 40.1234/'", r"printed 40\.1234 dB for Y, but it is \d\d\.\d{4} dB"),
        (r"| sed 's/V [0-9.]*/V 40.1234/'", r"printed 40\.1234 dB for V, but it is 100\.0000 dB"),
        (r"| sed 's/bits/bytes/'", "printed no bits and PSNR: it ended with"),
        (r"; printf x | dd of=reconstruction.yuv conv=notrunc", "gives another picture than the reconstruction"),
    ],
    ids=["bits", "luma", "chroma", "none", "reconstruction"],
)
def test_an_encoder_that_lies_is_found_out(change, message, tmp_path):
    encoder, decoder = programs.find("TAppEncoder", "TAppDecoder")
    liar = script(tmp_path / "liar", f'"{encoder}" "$@" {change}')
    with pytest.raises(RuntimeError, match=message):
        programs.compress((liar, decoder), [textured(16, 16, 2), *[np.full((8, 8), 128, np.uint8)] * 2], 30)


@needs_hm
def test_bits_and_psnr_fall_with_quality():
    image = textured(64, 64, 2)
    streams = [hm.encode(image, qp) for qp in (22, 27, 32, 37, 42)]
    sizes = [len(stream) for stream in streams]
    fidelity = [of_pictures(psnr, image, hm.decode(stream)) for stream in streams]
    assert sizes == sorted(set(sizes), reverse=True)
    assert fidelity == sorted(set(fidelity), reverse=True)
