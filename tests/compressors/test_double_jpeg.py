"""A picture saved twice as JPEG is what two programs in a row make of it, and the table says how far gains fall."""

import io

import numpy as np
import pandas as pd
import pytest
from helpers.pictures import photograph
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from benchmarks.tables import double_jpeg
from compressors import double_jpeg as codec
from compressors import double_jpeg_shifted, jpeg
from qebench import config
from qebench.evaluation import measurements
from qebench.evaluation.results import Results


def saved(image: np.ndarray, quality: int) -> np.ndarray:
    """Return what Pillow reads of what it writes."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("name", ["camera", "astronaut"])
def test_aligned_files_are_those_of_saving_twice(name):
    image = photograph(name)[64:191, 64:203]
    twice = saved(saved(image, 30), 60)
    assert np.array_equal(codec.decode(codec.encode(image, 60, codec.Settings(first=30))), twice)


def test_a_shifted_first_grid_is_that_of_a_picture_cropped_by_as_much():
    image = photograph("camera")
    shift, settings = 4, double_jpeg_shifted.Settings(first=20)
    cropped = saved(saved(image, 20)[shift:, shift:], 95)
    ours = double_jpeg_shifted.decode(double_jpeg_shifted.encode(image[shift:, shift:], 95, settings))
    # away from the first block, whose border was continued instead of photographed, no pixel knows the difference
    assert np.array_equal(ours[8:, 8:], cropped[8:, 8:])


def test_the_first_grid_shows_where_it_was():
    image = photograph("camera")
    settings = double_jpeg_shifted.Settings(first=20)
    decoded = double_jpeg_shifted.decode(double_jpeg_shifted.encode(image, 100, settings))
    again = {
        start: peak_signal_noise_ratio(decoded[start:, start:], saved(decoded[start:, start:], 20))
        for start in range(8)
    }
    assert max(again, key=again.__getitem__) == 4  # on its own grid, compressing once more changes least


def test_the_bits_are_those_of_the_second_file():
    image = photograph("camera")
    once = jpeg.decode(jpeg.encode(image, 30))
    assert codec.encode(image, 70, codec.Settings(first=30)) == jpeg.encode(once, 70)


@pytest.mark.parametrize("settings", [{"first": 0}, {"first": 101}, {"shift": -1}, {"shift": 16}])
def test_a_first_file_that_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match="they go from 1 to 100 and from 0 to 15"):
        codec.Settings(**settings)


def test_what_was_done_twice_is_said():
    gray = np.zeros((16, 16), np.uint8)
    assert codec.describe(gray, codec.Settings(first=30)) == "gray (4:0:0) twice, first at qf 30, grid aligned"
    assert double_jpeg_shifted.describe(gray).endswith("first at qf 90, grid shifted by 4")


def results(double: dict[tuple[str, int, str, int], float]) -> Results:
    """Return measurements of two images, single JPEG gaining 1.0 and 0.6 dB, and double JPEG what is given."""
    single = {
        ("jpeg", 50, "a", 1): 1.2,
        ("jpeg", 50, "b", 1): 0.8,
        ("jpeg", 10, "a", 1): 0.7,
        ("jpeg", 10, "b", 1): 0.5,
    }
    lines = []
    for (compressor, quality, image, exit), gain in (single | double).items():
        for method, value, trained_on in (("decoded", 30.0, ""), ("net", 30.0 + gain, "jpeg")):
            lines.append(("set", image, compressor, quality, method, trained_on, exit, "psnr_unrounded", value))
            lines.append(("set", image, compressor, quality, method, trained_on, exit, "iqam", 0.5))
    rows = pd.DataFrame(lines, columns=measurements.COLUMNS)
    empty = pd.DataFrame()
    return Results(
        measurements.native(rows), empty, empty, {"jpeg": 0.8, "double_jpeg": 0.8}, ["decoded", "net"], "luma", rows
    )


GAINS = {
    ("double_jpeg", 50, "a", 1): 0.9,
    ("double_jpeg", 50, "b", 1): 0.7,
    ("double_jpeg", 10, "a", 1): 0.6,
    ("double_jpeg", 10, "b", 1): 0.5,
}


def test_a_fall_is_the_gain_on_single_jpeg_less_that_on_double():
    found = double_jpeg.tabulate(results(GAINS))
    double = found[found["compressor"] == "double_jpeg"]
    assert double["quality"].to_list() == [50, 10, "ave."]
    assert double["net"].to_list() == pytest.approx([0.8, 0.55, 0.675])
    assert double["net_fall"].to_list() == pytest.approx([0.2, 0.05, 0.125])
    single = found[found["compressor"] == "jpeg"]
    assert single["net"].to_list() == pytest.approx([1.0, 0.6, 0.8])
    assert single["net_fall"].isna().all()
    assert double_jpeg.places(found).columns.to_list() == ["net"]
    assert "Weights for JPEG" in double_jpeg.note(results(GAINS))


def test_double_jpeg_without_single_jpeg_is_refused():
    with pytest.raises(ValueError, match=r"double_jpeg is compared with jpeg: give both the qualities 50, 20"):
        double_jpeg.tabulate(
            results({(name, {10: 20}.get(q, q), *rest): gain for (name, q, *rest), gain in GAINS.items()})
        )


def test_its_config_gives_the_weights_for_jpeg_to_pictures_saved_at_both_sides_of_the_first_quality():
    settings = config.preset("double_jpeg")
    config.check(settings)
    assert list(config.codecs(settings)) == ["jpeg", "double_jpeg", "double_jpeg_shifted"]
    for name in ("double_jpeg", "double_jpeg_shifted"):
        choices = settings["compressors"][name]
        assert config.trained_on(settings, "rbqe", name) == ["jpeg"]
        assert choices["qualities"] == settings["compressors"]["jpeg"]["qualities"]
        assert min(choices["qualities"]) < choices["settings"]["first"] < max(choices["qualities"])
