"""Codecs keep size, place and promised quality; HEVC without HM comes close to HM; nothing half is written."""

import csv
import hashlib
import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from benchmarks import colour, datasets, images
from compressors import folder, hevc, jpeg, x265
from methods import pairs

ROOT = Path(__file__).parent.parent
every_compressor = pytest.mark.parametrize("compressor", [jpeg, hevc], ids=["jpeg", "hevc"])


def slope(height: int, width: int, channels: int = 1) -> np.ndarray:
    """Return a plane that rises by 3 and 2 gray levels per row and column: codecs keep it, and it shows shifts."""
    gray = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
    return gray if channels == 1 else np.stack([gray] * channels, axis=2)


def textured(side: int, channels: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 20, (side, side, channels))
    return (slope(side, side, 3)[..., :channels] * 0.5 + 60 + noise).round().clip(0, 255).astype(np.uint8).squeeze()


def psnr(image: np.ndarray, original: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((image.astype(float) - original) ** 2)))


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "compressors", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


# At QF 100 all steps are 1, so that a coefficient errs by 0.5 and a pixel rarely by 2; RGB adds its own rounding.
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_jpeg_of_any_size_comes_back_in_place(height, width, channels):
    image = slope(height, width, channels)
    decoded = jpeg.decode(jpeg.encode(image, 100))
    assert (decoded.shape, decoded.dtype) == (image.shape, np.uint8)
    assert np.abs(decoded.astype(int) - image).max() <= 3


def hevc_comes_back(image: np.ndarray) -> bool:
    decoded = hevc.decode(hevc.encode(image, 0))
    # QP 0 quantises by less than 1; a level of Y, Cb or Cr is up to 2 levels of R, G or B
    return decoded.shape == image.shape and np.abs(decoded.astype(int) - image).max() <= (1 if image.ndim == 2 else 3)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 8), (16, 16), (17, 33), (31, 45), (65, 32)])
def test_gray_hevc_of_any_size_comes_back_in_place(size):
    assert hevc_comes_back(slope(*size))


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (16, 16), (18, 34), (66, 32)])
def test_colour_hevc_of_even_size_comes_back_in_place(size):
    assert hevc_comes_back(slope(*size, 3))


@settings(max_examples=4)
@given(st.integers(1, 50), st.integers(1, 50))
def test_gray_hevc_comes_back_whatever_the_size(height, width):
    assert hevc_comes_back(slope(height, width))


def test_padding_for_hevc_costs_no_bits():
    flat = np.full((40, 40), 200, np.uint8)
    # 33x33 is coded as 40x40; the crop itself takes 2 bytes, black padding would take 27
    assert len(hevc.encode(flat[:33, :33], 30)) - len(hevc.encode(flat, 30)) <= 4


@pytest.mark.parametrize("size", [(8, 7), (7, 8), (1, 1)])
def test_hevc_refuses_colour_images_of_odd_size(size):
    with pytest.raises(ValueError, match=rf"even width and height, not {size[1]}x{size[0]}"):
        hevc.encode(slope(*size, 3), 22)


@every_compressor
@pytest.mark.parametrize("channels", [1, 3], ids=["gray", "rgb"])
def test_bits_and_psnr_fall_with_quality(compressor: ModuleType, channels):
    image = textured(64, channels)
    streams = [compressor.encode(image, quality) for quality in pairs.QUALITIES[compressor.QUALITY]]
    sizes = [len(stream) for stream in streams]
    fidelity = [psnr(compressor.decode(stream), image) for stream in streams]
    assert sizes == sorted(sizes, reverse=True)
    assert fidelity == sorted(fidelity, reverse=True)
    assert len(set(sizes)) == len(set(fidelity)) == 5


@every_compressor
def test_the_same_image_gives_the_same_bytes(compressor: ModuleType):
    image = textured(48, 3)
    assert compressor.encode(image, 30) == compressor.encode(image, 30)


@pytest.mark.parametrize("quality", [10, 50, 95])
def test_gray_jpeg_is_what_pillow_writes_by_default(quality):
    image, file = textured(40, 1), io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    assert jpeg.encode(image, quality) == file.getvalue()


@pytest.mark.parametrize("quality", [10, 50, 95])
def test_colour_jpeg_is_ycbcr_with_halved_chroma(quality):
    file = Image.open(io.BytesIO(jpeg.encode(textured(40, 3), quality)))
    assert JpegImagePlugin.get_sampling(file) == 2  # Pillow's number of 4:2:0
    assert (file.mode, file.info["jfif_version"]) == ("RGB", (1, 1))  # JFIF: YCbCr as ITU-T T.871 has it


def other_jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("CMYK", (16, 16)).save(file, "JPEG")
    return file.getvalue()


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(slope(16, 16)).save(file, "PNG")
    return file.getvalue()


@every_compressor
@pytest.mark.parametrize("garbage", [b"", b"no picture at all", bytes(1000), png()], ids=["empty", "text", "0", "png"])
def test_what_is_no_bitstream_is_refused(compressor: ModuleType, garbage):
    with pytest.raises(ValueError, match=r"^(not|expected)"):
        compressor.decode(garbage)


def test_jpeg_refuses_truncated_and_cmyk_files():
    whole = jpeg.encode(textured(40, 1), 50)
    for part in (whole[:100], whole[: len(whole) // 2], whole[:-2]):
        with pytest.raises(ValueError, match="not a whole JPEG file"):
            jpeg.decode(part)
    with pytest.raises(ValueError, match="gray or YCbCr JPEG file, found CMYK"):
        jpeg.decode(other_jpeg())


def test_hevc_refuses_what_holds_not_exactly_one_picture():
    stream = hevc.encode(slope(40, 40), 30)
    with pytest.raises(ValueError, match=r"expected one .* picture, found \['gray', 'gray'\]"):
        hevc.decode(stream + stream)
    with pytest.raises(ValueError, match=r"found \[\]"):
        hevc.decode(stream[: len(stream) // 2])  # in the middle of x265's note on itself, before the picture


def plain_x265(image: np.ndarray) -> bytes:
    """Encode by libx265 in this process, with its own lambda."""
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width = image.shape
    context.pix_fmt, context.time_base = "gray", Fraction(1)
    context.options = {"x265-params": "log-level=error:info=0:pools=none:frame-threads=1:qp=30"}
    packets = context.encode(av.VideoFrame.from_ndarray(image, format="gray")) + context.encode(None)
    return b"".join(bytes(packet) for packet in packets)


def test_hevc_leaves_other_x265_encodes_of_the_process_alone():
    image = textured(64, 1)
    before = plain_x265(image)
    hevc.encode(image, 30)
    assert plain_x265(image) == before


def test_lambda_table_is_that_of_hm():
    numbers = [float(number) for number in x265.lambda_table().replace("\n", "").split(",") if number]
    assert len(numbers) == 140
    # HM 16.5, TEncSlice::initEncSlice: 0.57 * 2^((QP - 12) / 3) for intra pictures, computed apart from this code
    golden = {0: 0.035625, 12: 0.57, 22: 5.74523999, 32: 57.90839038, 51: 4669.44, 69: 298844.16}
    for qp, value in golden.items():
        assert numbers[70 + qp] == pytest.approx(value, abs=1e-8)  # x265 reads 8 decimals
        assert numbers[qp] == pytest.approx(value**0.5, abs=1e-8)


# HM 16.5 on scikit-image's astronaut (encoder_intra_main.cfg, main still picture; 512x512, 4:2:0): luma PSNR, bits
HM = {22: (43.1727, 243232), 27: (39.9194, 150104), 32: (36.5432, 90992), 37: (33.2710, 54560), 42: (30.0180, 30888)}
HM_INPUT = "3cd2a50232f40c671743a388582c6f6f88141cef8557fb06ebdd0cb494f3e5f8"  # sha256 of the planes it was given


def test_hevc_comes_close_to_hm(astronaut):
    planes = colour.to_yuv420(astronaut)
    assert hashlib.sha256(b"".join(plane.tobytes() for plane in planes)).hexdigest() == HM_INPUT
    differences = []
    for qp, (luma_psnr, bits) in HM.items():
        stream = hevc.encode(astronaut, qp)
        with av.open(io.BytesIO(stream), format="hevc") as file:
            luma = next(file.decode(video=0)).to_ndarray()[:512]  # the rows after it are chroma
        differences.append(abs(psnr(luma, planes[0]) - luma_psnr))
        assert 8 * len(stream) == pytest.approx(bits, rel=0.01)  # measured: up to 0.8 % more
    assert np.mean(differences) < 0.02  # dB, the mean over 20 pictures that x265.OPTIONS claims; measured: 0.014
    assert max(differences) < 0.057  # the largest of the 20


def test_failures_of_x265_come_with_its_own_words():
    with pytest.raises(RuntimeError, match=r"(?s)64x64 picture at QP 99.*QP exceeds supported range"):
        x265.encode_apart(bytes(64 * 64), 64, 64, "gray", 99)


def test_an_encode_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(x265, "TIME_LIMIT", 0.01)  # seconds; Python alone takes longer to start
    with pytest.raises(RuntimeError, match=r"over 0\.01 s for a 64x64 picture at QP 30"):
        x265.encode_apart(bytes(64 * 64), 64, 64, "gray", 30)


@pytest.mark.parametrize("name", ["jpeg", "hevc"])
def test_command_encodes_and_decodes_what_the_functions_do(name, tmp_path):
    compressor, image = {"jpeg": jpeg, "hevc": hevc}[name], textured(32, 3)
    images.write(tmp_path / "image.png", image)
    encoded = run("encode", name, tmp_path / "image.png", "-q", 30, "-o", tmp_path / "stream")
    stream = compressor.encode(image, 30)
    assert (encoded.returncode, encoded.stderr) == (0, "")
    assert encoded.stdout == f"{8 * len(stream)} bits ({8 * len(stream) / 1024:.4f} bpp), {compressor.version()}\n"
    assert (tmp_path / "stream").read_bytes() == stream
    decoded = run("decode", name, tmp_path / "stream", "-o", tmp_path / "decoded.png")
    assert (decoded.returncode, decoded.stderr) == (0, "")
    assert np.array_equal(images.read(tmp_path / "decoded.png"), compressor.decode(stream))


def test_command_lists_compressors_with_quality_and_version():
    lines = run("list").stdout.splitlines()
    assert any(line.startswith("jpeg") and "qf 1..100" in line and jpeg.version() in line for line in lines)
    assert any(line.startswith("hevc") and "qp 0..51" in line and hevc.version() in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "jpg", "image.png", "-q", 10], "there is no 'jpg' in compressors/: it has hevc, jpeg"),
        (["encode", "jpeg", "image.png", "-q", 101], "jpeg takes qf 1..100, not 101"),
        (["encode", "hevc", "image.png", "-q", 52], "hevc takes qp 0..51, not 52"),
        (["encode", "jpeg", "absent.png", "-q", 10], "absent.png"),
        (["encode", "hevc", "odd.png", "-q", 22], "even width and height, not 17x19"),
        (["decode", "jpeg", "image.png"], "image.png: not a whole JPEG file"),
        (["decode", "hevc", "image.png"], "image.png: not an HEVC bitstream"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_command_fails_in_one_line_and_writes_nothing(arguments, message, tmp_path):
    images.write(tmp_path / "image.png", slope(16, 16, 3))
    images.write(tmp_path / "odd.png", slope(19, 17, 3))
    paths = [tmp_path / part if str(part).endswith(".png") else part for part in arguments]
    done = run(*paths, "-o", tmp_path / "output.png")
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.png", "odd.png"]


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """Return the manifest of three prepared images."""
    for number, size in enumerate([(16, 24), (40, 16), (17, 19)]):
        images.write(tmp_path / f"pictures/{number}.png", slope(*size))
    sources = datasets.sources(tmp_path / "pictures")
    datasets.write(sources, datasets.Protocol("luma"), tmp_path / "originals", tmp_path / "originals.csv")
    return tmp_path / "originals.csv"


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_compressed_folder_is_listed_with_bits_hashes_and_versions(originals, tmp_path):
    table = tmp_path / "results/jpeg-30.csv"
    folder.compress(jpeg, 30, originals, table, workers=2)
    listed = rows(table)
    assert [row["image"] for row in listed] == ["0", "1", "2"]
    for row in listed:
        original = images.read(tmp_path / "originals" / f"{row['image']}.png")
        stream = (tmp_path / "results/jpeg-30" / f"{row['image']}.jpg").read_bytes()
        decoded = images.read(tmp_path / "results/jpeg-30" / f"{row['image']}.png")
        assert stream == jpeg.encode(original, 30)
        assert np.array_equal(decoded, jpeg.decode(stream))
        assert row["sha256"] == hashlib.sha256(decoded.tobytes()).hexdigest()
        assert int(row["bits"]) == 8 * len(stream)
        assert float(row["bpp"]) == pytest.approx(8 * len(stream) / original.size, abs=5e-7)  # six decimals
        assert (row["compressor"], row["version"], row["settings"]) == ("jpeg", jpeg.version(), "gray (4:0:0)")
    assert len(list((tmp_path / "results").rglob("*"))) == 1 + 1 + 6  # table, folder and a pair of files per image


def test_the_number_of_workers_changes_nothing(originals, tmp_path):
    for workers in (1, 3):
        folder.compress(jpeg, 30, originals, tmp_path / f"{workers}.csv", workers)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "3.csv").read_bytes()


def broken(**replaced) -> SimpleNamespace:
    """Return the JPEG compressor with some of its functions replaced."""
    parts = {name: getattr(jpeg, name) for name in ("SUFFIX", "version", "settings", "encode", "decode")}
    return SimpleNamespace(__name__="compressors.broken", **parts | replaced)


def test_an_interrupted_folder_leaves_no_table(originals, tmp_path):
    def encode(image: np.ndarray, quality: int) -> bytes:
        if image.shape == (40, 16):
            raise RuntimeError("the power went out")
        return jpeg.encode(image, quality)

    table = tmp_path / "results/jpeg-30.csv"
    with pytest.raises(RuntimeError, match="the power went out"):
        folder.compress(broken(encode=encode), 30, originals, table, workers=1)
    assert not table.exists()
    assert not table.with_suffix("").exists()
    folder.compress(jpeg, 30, originals, table, workers=1)  # and is no obstacle to the next
    assert len(rows(table)) == 3
    assert sorted(path.name for path in table.parent.iterdir()) == ["jpeg-30", "jpeg-30.csv"]


def test_leftovers_of_an_earlier_run_are_replaced(originals, tmp_path):
    for stale in (tmp_path / "jpeg-30/old.png", tmp_path / ".jpeg-30.tmp/old.png"):
        stale.parent.mkdir()
        stale.write_bytes(b"left over")
    folder.compress(jpeg, 30, originals, tmp_path / "jpeg-30.csv", workers=1)
    assert not (tmp_path / ".jpeg-30.tmp").exists()
    assert sorted(path.name for path in (tmp_path / "jpeg-30").iterdir()) == sorted(
        f"{number}{suffix}" for number in range(3) for suffix in (".jpg", ".png")
    )


def test_a_codec_that_changes_the_size_is_named(originals, tmp_path):
    with pytest.raises(ValueError, match=r"0: compressors.broken turned \(16, 24\) into \(8, 24\)"):
        folder.compress(broken(decode=lambda stream: jpeg.decode(stream)[:8]), 30, originals, tmp_path / "x.csv", 1)


def test_command_compresses_a_folder(originals, tmp_path):
    done = run("folder", "jpeg", originals, "-q", 30, "-o", tmp_path / "x.csv", "--workers", 2)
    assert (done.returncode, done.stderr) == (0, "")
    folder.compress(jpeg, 30, originals, tmp_path / "y.csv", workers=1)
    assert (tmp_path / "x.csv").read_bytes() == (tmp_path / "y.csv").read_bytes()
