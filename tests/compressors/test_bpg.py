"""BPG without bpgenc is BPG: bpgdec reads our files, we read bpgenc's, and colour is theirs bit for bit."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressors import bpg
from compressors.bpg import bpgenc, colour, container, hevc
from qebench.coding.interface import configure

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/bpg.json").read_text())
FILES = {name: bytes.fromhex(golden["file"]) for name, golden in GOLDEN["files"].items()}
every_file = pytest.mark.parametrize("name", FILES)


def absence(encoder: str) -> str:
    """Return why bpgenc and bpgdec cannot be run, or nothing."""
    try:
        bpgenc.version(encoder)
    except FileNotFoundError as error:
        return str(error)
    return ""


needs = {
    encoder: pytest.mark.skipif(bool(reason := absence(encoder)), reason=reason or "") for encoder in ("jctvc", "x265")
}


def picture(height: int, width: int, channels: int, rule: str = "picture") -> np.ndarray:
    """Return the picture that a rule of the golden file gives."""
    y, x, k = np.mgrid[:height, :width, :channels]
    if rule == "extreme":
        values = 127 * ((7 * x * x + 13 * y * y + (3 + k) * x * y) % 3)
    else:
        values = (5 + 3 * k) * x + (11 - 4 * k) * y + (7 * x * x + 13 * y * y + (3 + k) * x * y) // 4 % 61
    return values.clip(0, 255).astype(np.uint8).squeeze(axis=2 if channels == 1 else ())


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return what bpgdec writes: gray as RGB."""
    return image if image.ndim == 3 else np.stack([image] * 3, axis=-1)


def psnr(image: np.ndarray, original: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((image.astype(float) - original) ** 2)))


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


@pytest.mark.original("BPG: pixels of bpgdec")
@every_file
def test_files_of_bpgenc_decode_to_the_pixels_of_bpgdec(name):
    decoded = bpg.decode(FILES[name])
    height, width, channels = GOLDEN["files"][name]["size"]
    assert decoded.shape == ((height, width) if channels < 3 else (height, width, 3))
    assert sha256(as_rgb(decoded)) == GOLDEN["files"][name]["sha256"]


@pytest.mark.parametrize("what", GOLDEN["refused"])
def test_files_that_are_not_decoded_here_are_refused_by_name(what):
    with pytest.raises(ValueError, match=rf"BPG file.*{what}|{what} BPG file"):
        bpg.decode(bytes.fromhex(GOLDEN["refused"][what]))


def test_cmyk_files_are_refused_by_name():
    flags = FILES["444"][5] | 4  # alpha2_flag without alpha1_flag: the specification's mark of CMYK
    with pytest.raises(ValueError, match="a BPG file of CMYK: bpgdec can decode it"):
        bpg.decode(FILES["444"][:5] + bytes([flags]) + FILES["444"][6:])


@pytest.mark.parametrize("name", sorted(set(FILES) - {"hash"}))  # which ends in a checksum that no picture needs
def test_a_file_cut_short_is_refused_or_loses_no_pixel(name):
    whole = bpg.decode(FILES[name])
    refused = 0
    for length in range(len(FILES[name])):
        try:
            assert np.array_equal(bpg.decode(FILES[name][:length]), whole)
        except ValueError:
            refused += 1
    assert refused >= len(FILES[name]) - 4  # the last bytes may be stop bits and what the decoder reads ahead
    with pytest.raises(ValueError, match="not"):  # once more, now that memory holds what was decoded before
        bpg.decode(FILES[name][:-8])


@settings(max_examples=200)
@given(st.sampled_from(list(FILES.values())), st.data())
def test_damaged_files_decode_to_some_image_or_are_a_value_error(file, data):
    damaged = bytearray(file)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not damaged:
            break
    try:
        assert bpg.decode(bytes(damaged)).dtype == np.uint8
    except ValueError as error:
        assert "BPG file" in str(error)  # and no words of other libraries alone


@pytest.mark.parametrize("numbers", [("08", 8), ("841e", 542), ("acbe17", 728855)], ids=str)
def test_numbers_are_those_of_the_specification(numbers):
    written, value = numbers  # the examples of clause 2
    file = bytes.fromhex(f"425047fb 0000 {written} 01 00") + b"data"
    assert container.read(file) == (container.Header(value, 1, "gray"), b"data")


def test_the_header_is_that_of_the_specification():
    extension = bytes.fromhex("01 03 aabbcc")  # Exif, 3 bytes
    head = "425047fb" + "51" + "38" + "83 00" + "05" + "04"  # 4:2:2 with alpha, 9 bits; BT.709; 384x5, 4 bytes of data
    file = bytes.fromhex(head) + bytes([len(extension)]) + extension + b"data, and more"
    header = container.Header(384, 5, "422", "ycbcr_bt709", depth=9, alpha=True)
    assert container.read(file) == (header, b"data")


@pytest.mark.parametrize("number", ["8001", "9080808000", "ff"], ids=["leading zero", "over 32 bits", "endless"])
def test_numbers_that_the_specification_forbids_are_refused(number):
    with pytest.raises(ValueError, match=r"^not a"):
        container.read(bytes.fromhex(f"425047fb 0000 {number}"))


def test_coding_tools_are_written_as_the_specification_has_them():
    # by hand: ue(0) ue(3) ue(0) ue(3) ue(2), SAO, no PCM, strong smoothing, no extension, padding
    assert hevc.read_header(bytes([0b10010010, 0b01000111, 0b01000000])) == hevc.Tools(
        sizes=(0, 3, 0, 3), depth=2, sao=True, pcm=(), strong_smoothing=True, range_extension=()
    )
    # ue(1) ue(2) ue(1) ue(2) ue(0), no SAO, PCM of 8 and 8 bits (7), ue(0) ue(2), loop filter; no smoothing; extension
    bits = "010 011 010 011 1 0 1 0111 0111 1 011 1 0 1 1 0000000 001000010".replace(" ", "")
    tools = hevc.Tools((1, 2, 1, 2), 0, False, (7, 7, 0, 2, 1), False, tuple(bit == "1" for bit in "001000010"))
    padded = bits.ljust(-(-len(bits) // 8) * 8, "0")
    assert hevc.write_header(tools) == int(padded, 2).to_bytes(len(padded) // 8)
    assert hevc.read_header(hevc.write_header(tools)) == tools


def test_our_files_begin_as_the_specification_has_it():
    file = bpg.encode(picture(40, 300, 3), 40, bpg.Settings(subsampling="444", colour="ycgco"))
    assert file.startswith(bytes.fromhex("425047fb" + "60" + "20" + "822c" + "28" + "00"))  # the length: to the end
    header_length = file[10]
    assert file[11 + header_length :].startswith(b"\x44\x01")  # a PPS without start code (H.265, 7.3.1.2)
    assert bpg.encode(picture(40, 300, 3), 40, bpg.Settings(subsampling="444", colour="ycgco")) == file


@pytest.mark.original("BPG: colours of bpgenc")
@pytest.mark.parametrize("golden", GOLDEN["planes"], ids=lambda golden: " ".join(map(str, list(golden.values())[:-1])))
def test_planes_are_those_that_bpgenc_codes(golden):
    image = picture(*golden["size"], 3, golden["picture"])
    planes = colour.planes(image, golden["chroma"], golden["colour"])
    assert sha256(np.concatenate([plane.ravel() for plane in planes])) == golden["sha256"]


@pytest.mark.parametrize("matrix", ["ycbcr", "ycgco", "ycbcr_bt709", "ycbcr_bt2020"])
@pytest.mark.parametrize("chroma", ["420", "422", "444"])
def test_gray_has_its_level_as_luma_and_neutral_chroma(chroma, matrix):
    level = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgb = as_rgb(level)
    luma, *others = colour.planes(rgb, chroma, matrix)
    assert np.array_equal(luma, level)
    assert all((plane == 128).all() for plane in others)
    assert np.array_equal(colour.image([luma, *others], chroma, matrix), rgb)


def test_full_range_bt601_is_that_of_jpeg_files():
    red, green, blue = (np.arange(256) * factor % 256 for factor in (1, 83, 151))
    image = np.stack([red, green, blue], axis=-1).astype(np.uint8)[None]
    # ITU-T T.871, clause 7: the formulas there, to the nearest; fixed point moves nothing but ties
    expected = [
        0.299 * red + 0.587 * green + 0.114 * blue,
        (blue - (0.299 * red + 0.587 * green + 0.114 * blue)) / 1.772 + 128,
        (red - (0.299 * red + 0.587 * green + 0.114 * blue)) / 1.402 + 128,
    ]
    for plane, exact in zip(colour.planes(image, "444", "ycbcr"), expected, strict=True):
        assert np.abs(plane[0] - exact.clip(0, 255)).max() < 0.5 + 1e-4


@pytest.mark.parametrize("chroma", ["420", "422"])
def test_halved_chroma_lies_between_two_pixels(chroma):
    ramp = np.broadcast_to(np.arange(20, 84, 2, dtype=np.uint8), (32, 32))  # over columns
    cb = colour.planes(np.stack([np.full_like(ramp, 90), np.full_like(ramp, 90), ramp], axis=-1), chroma, "ycgco")[1]
    # Cg = G/2 - (R + B)/4 + 128 falls by half a level per column; sample i is at column 2i + 0.5
    inner = np.arange(3, 13)
    assert np.abs(cb[5, inner] - (128 + 45 - (90 + 20 + 2 * (2 * inner + 0.5)) / 4)).max() <= 1  # two roundings


@pytest.mark.parametrize(("chroma", "even", "odd"), [("422", -2.125, 2.125), ("422_video", 0, 4)])
def test_chroma_comes_back_to_its_place(chroma, even, odd):
    ramp = np.broadcast_to(40 + 8 * np.arange(16, dtype=np.uint8), (4, 16))
    planes = [np.zeros((4, 32), np.uint8), ramp, np.full_like(ramp, 128)]
    image = colour.image([planes[0] + 100, *planes[1:]], chroma, "ycbcr")
    # JPEG's siting: a quarter of a sample to both sides, for which the filter gives 17/64; MPEG-2's: on it and halfway
    blue = 100 + 1.772 * (ramp[0, 5:11] - 128.0)
    assert np.abs(image[2, 10:22:2, 2] - (blue + 1.772 * even).clip(0, 255)).max() <= 0.5 + 1.772 / 2
    assert np.abs(image[2, 11:23:2, 2] - (blue + 1.772 * odd).clip(0, 255)).max() <= 0.5 + 1.772 / 2


# QP 4 quantises by 1; chroma filters blur the noise of real pictures, so these slopes are smooth
@pytest.mark.parametrize(
    ("size", "chroma"),
    [((1, 1), "420"), ((7, 5), "444"), ((2, 50), "422"), ((17, 33), "gray"), ((31, 45), "420"), ((64, 65), "422")],
    ids=str,
)
def test_any_size_comes_back_in_place(size, chroma):
    slope = np.add.outer(np.arange(size[0]) * 3, np.arange(size[1]) * 2).astype(np.uint8)
    image = slope if chroma == "gray" else np.stack([slope, slope, slope], axis=-1)
    choice = bpg.DEFAULT if chroma == "gray" else bpg.Settings(subsampling=chroma)
    decoded = bpg.decode(bpg.encode(image, 4, choice), choice)
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).max() <= 3


@needs["jctvc"]
@settings(max_examples=8)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(["gray", "420", "422", "444", "rgb", "ycgco"]),
    st.integers(0, 51),
    st.integers(0, 2**32 - 1),
)
def test_our_files_open_in_bpgdec_with_the_same_pixels(height, width, kind, qp, seed):
    noise = np.random.default_rng(seed).normal(0, 20, (height, width, 3))
    image = (picture(height, width, 3) + noise).clip(0, 255).astype(np.uint8)
    image = image[..., 0] if kind == "gray" else image
    chosen = {"subsampling": kind} if kind.isdecimal() else {"subsampling": "444", "colour": kind}
    choice = bpg.DEFAULT if kind == "gray" else bpg.Settings(**chosen)
    file = bpg.encode(image, qp, choice)
    assert np.array_equal(as_rgb(bpg.decode(file)), bpgenc.decompress(file))


@needs["jctvc"]
@settings(max_examples=12)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["gray", "420", "422", "444"]), st.integers(0, 51))
def test_files_of_bpgenc_open_here_with_the_same_pixels(height, width, chroma, qp):
    image = picture(height, width, 1 if chroma == "gray" else 3)
    choice = bpg.Settings("jctvc") if chroma == "gray" else bpg.Settings("jctvc", chroma)
    file = bpg.encode(image, qp, choice)
    assert np.array_equal(bpg.decode(file), bpg.decode(file, choice))


@pytest.mark.original("BPG: files of bpgenc")
@needs["jctvc"]
@pytest.mark.parametrize("name", [name for name, golden in GOLDEN["files"].items() if golden["size"][2] in (1, 3)])
def test_bpgenc_makes_the_golden_files(name):
    height, width, channels = GOLDEN["files"][name]["size"]
    words = GOLDEN["files"][name]["options"].split()
    assert bpgenc.compress(picture(height, width, channels), words) == FILES[name]


@needs["jctvc"]
@pytest.mark.parametrize("effort", [8, 1])
def test_bpgenc_gives_the_golden_bits_and_pixels(effort, astronaut):
    golden, choice = GOLDEN["astronaut"]["42"], bpg.Settings("jctvc", effort=effort)
    file = bpg.encode(astronaut, 42, choice)
    assert hashlib.sha256(file).hexdigest() == golden["file_sha256"]
    assert sha256(bpg.decode(file, choice)) == sha256(bpg.decode(file)) == golden["pixels_sha256"]


@needs["x265"]
@pytest.mark.parametrize("depth", [8, 10])
def test_x265_inside_bpgenc_codes_what_is_asked(depth):
    image, choice = picture(57, 90, 3), bpg.Settings("x265", "422", depth=depth, effort=3)
    file = bpg.encode(image, 10, choice)
    header = container.Header(90, 57, "422", depth=depth)
    assert container.read(file)[0] == header
    assert psnr(bpg.decode(file, choice), image) > 30
    assert "bpgenc -e x265 -m 3 -f 422 -c ycbcr -b " + str(depth) in bpg.describe(image, choice)
    assert bpg.version(choice).startswith("bpgenc 0.9.")


def test_x265_inside_bpgenc_is_not_given_what_crashes_it():
    with pytest.raises(ValueError, match="crashes on images under 57 pixels a side, and this one is 56x70"):
        bpg.encode(picture(70, 56, 3), 30, bpg.Settings("x265"))


@needs["jctvc"]
def test_what_bpgdec_cannot_decode_is_a_value_error_with_its_words():
    with pytest.raises(ValueError, match=r"not a whole BPG file: .*Could not decode image"):
        bpg.decode(FILES["420"][:14], bpg.Settings("jctvc"))


# bpgenc with jctvc on scikit-image's astronaut; over 20 pictures the mean difference is 0.015 dB, the largest 0.030 dB,
# and the mean ratio of bytes 1.002, from 0.994 to 1.015
@pytest.mark.parametrize("qp", [27, 37])
def test_without_bpgenc_bits_and_psnr_come_close_to_it(qp, astronaut):
    golden = GOLDEN["astronaut"][str(qp)]
    file = bpg.encode(astronaut, qp)
    assert len(file) == pytest.approx(golden["bytes"], rel=0.015)
    assert psnr(bpg.decode(file), astronaut) == pytest.approx(golden["rgb_psnr"], abs=0.03)


def test_bits_and_psnr_fall_as_qp_rises():
    image = picture(64, 64, 3)
    files = [bpg.encode(image, qp) for qp in (22, 27, 32, 37, 42)]
    fidelity = [psnr(bpg.decode(file), image) for file in files]
    assert [len(file) for file in files] == sorted({len(file) for file in files}, reverse=True)
    assert fidelity == sorted(set(fidelity), reverse=True)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"depth": 10}, "depth and effort are bpgenc's"),
        ({"effort": 1}, "depth and effort are bpgenc's"),
        ({"colour": "rgb"}, "colour=rgb has no chroma to halve"),
        ({"encoder": "jctvc", "effort": 0}, r"effort 1\.\.9, not 8 and 0"),
        ({"encoder": "x265", "depth": "14"}, r"depth 8\.\.12"),
        ({"subsampling": "411"}, "choose one of 420, 422, 444"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        configure(bpg, choices)


def test_tables_say_which_encoder_made_the_bits():
    assert bpg.version().startswith("libx265 in PyAV")
    described = bpg.describe(picture(9, 9, 3))
    assert described.startswith("BT.601 full range, 4:2:0, preset=placebo")
    assert described.endswith(":min-cu-size=32")  # for what libx265 refuses to code with smaller blocks
    assert "min-cu-size" not in bpg.describe(picture(25, 25, 3))
    assert bpg.describe(picture(25, 25, 1)).startswith("gray (4:0:0)")


@pytest.mark.parametrize(
    ("program", "act"),
    [
        ("bpgenc", lambda: bpg.encode(picture(8, 8, 3), 30, bpg.Settings("jctvc"))),
        ("bpgenc", lambda: bpg.version(bpg.Settings("x265"))),
        ("bpgdec", lambda: bpg.decode(FILES["420"], bpg.Settings("jctvc"))),
    ],
)
def test_a_missing_program_is_one_message_with_where_it_comes_from(program, act, monkeypatch, tmp_path):
    monkeypatch.setenv(program.upper(), str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match=rf"{program.upper()} is .*absent.*https://bellard\.org/bpg"):
        act()


def test_a_program_that_is_not_libbpgs_is_told_from_it(monkeypatch, tmp_path):
    other = tmp_path / "bpgenc"
    other.write_text("#!/bin/sh\necho a game of that name\n")
    other.chmod(0o755)
    for name in ("BPGENC", "BPGDEC"):
        monkeypatch.setenv(name, str(other))
    with pytest.raises(RuntimeError, match="none of libbpg's says 'a game of that name"):
        bpgenc.version("x265")
