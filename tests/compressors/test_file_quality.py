"""The quality that a picture file was compressed at is read from the file itself, or nothing is said."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from compressors.hevc import file_qp
from compressors.jpeg import estimate
from qebench.common import images  # noqa: F401  registers HEIF

PHOTO = Image.fromarray(data.astronaut()[:256, :320])


def saved(folder: Path, container: str, image: Image.Image = PHOTO, **options) -> Path:
    path = folder / f"photo.{container.lower()}"
    image.save(path, container, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_quality_factor_is_read_from_the_tables(mode, tmp_path):
    found = [estimate.of_file(saved(tmp_path, "JPEG", PHOTO.convert(mode), quality=qf)) for qf in range(1, 101)]
    assert found == list(range(1, 101))


def test_a_flat_picture_whose_pixels_tell_nothing_has_a_quality(tmp_path):
    path = saved(tmp_path, "JPEG", Image.new("RGB", (64, 64), "gray"), quality=85, progressive=True)
    assert estimate.of_file(path) == 85


def test_tables_of_another_encoder_get_the_nearest_quality(tmp_path):
    steps = PHOTO_TABLES[90].copy()
    steps[20:40] += 1  # no table of libjpeg
    path = saved(tmp_path, "JPEG", qtables=[steps.tolist(), steps.tolist()])
    assert 88 <= estimate.of_file(path) <= 90


def tables(quality: int) -> np.ndarray:
    file = io.BytesIO()
    PHOTO.save(file, "JPEG", quality=quality)
    return np.array(Image.open(file).quantization[0])


PHOTO_TABLES = {90: tables(90)}


def test_the_first_picture_of_a_phones_file_counts(tmp_path):
    path = saved(tmp_path, "MPO", save_all=True, append_images=[PHOTO], quality=91)
    assert estimate.of_file(path) == 91


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"no picture", b"\xff\xd8\xff\xdb\0\x05\0\1\2"], ids=repr)
def test_what_is_no_whole_picture_file_has_no_quality(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    assert estimate.of_file(tmp_path / "x") is None
    assert file_qp.of_file(tmp_path / "x") is None
    assert estimate.of_file(saved(tmp_path, "PNG")) is None
    assert file_qp.of_file(saved(tmp_path, "AVIF")) is None
    assert file_qp.of_file(saved(tmp_path, "JPEG")) is None


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("qp", [0, 22, 32, 42, 51])
def test_the_qp_is_read_from_a_heif_file(mode, qp, tmp_path):
    # x265 by libheif, at a constant QP; "+ 3" is x265's offset of I frames (--ipratio 1.4: 6 log2 1.4 = 2.9)
    path = saved(tmp_path, "HEIF", PHOTO.convert(mode), enc_params={"x265:qp": str(qp), "x265:ipratio": "1"})
    assert file_qp.of_file(path) == pytest.approx(qp, abs=1)


def test_the_qp_of_heif_files_falls_with_the_quality(tmp_path):
    found = [file_qp.of_file(saved(tmp_path, "HEIF", quality=quality)) for quality in (10, 30, 50, 70, 90)]
    assert None not in found
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 10


def test_damage_raises_nothing(tmp_path):
    content = saved(tmp_path, "HEIF", quality=50).read_bytes()
    path = tmp_path / "damaged.heic"
    for place in range(0, min(len(content), 1200), 7):
        path.write_bytes(content[:place] + b"\xff\0\xff" + content[place + 3 :])
        found = file_qp.of_file(path)
        assert found is None or isinstance(found, float)
