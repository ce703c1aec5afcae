"""Names, colours and markers: one for each method wherever it is shown."""

from itertools import combinations

import pytest
from matplotlib.colors import to_rgb

from qebench.common import names, plugins

PAGES = ["#ffffff", "#15181d"]  # of the report: light and dark


def test_methods_and_codecs_are_spelled_as_in_their_papers():
    shown = [names.display_name(name) for name in ("rbqe", "dncnn", "arcnn", "jpeg", "hevc", "jpegxl", "mine")]
    assert shown == ["RBQE", "DnCNN", "AR-CNN", "JPEG", "HEVC", "JPEG XL", "mine"]
    assert [names.parameter(name) for name in ("jpeg", "hevc", "hm", "webp")] == ["QF", "QP", "QP", "quality"]


def test_every_method_and_codec_that_ships_has_a_name():
    assert set(plugins.names("methods")) <= set(names.METHODS)
    assert set(plugins.names("compressors")) <= set(names.COMPRESSORS)


def test_no_two_methods_that_ship_look_alike():
    for one, other in combinations(names.METHODS, 2):
        looks = [(names.colour(method), names.marker(method)) for method in (one, other)]
        assert looks[0] != looks[1], (one, other)


def test_a_method_of_one_s_own_has_a_colour_that_depends_on_its_name_alone():
    assert names.colour("mine") == names.colour("mine")
    assert names.colour("mine") in names.SPARE_COLOURS
    assert {names.colour(f"mine{number}") for number in range(40)} == set(names.SPARE_COLOURS)


@pytest.mark.parametrize("page", PAGES)
def test_colours_stand_out_from_the_page(page):
    """WCAG 2.2, 1.4.11: a contrast of at least 3 : 1."""
    colours = {names.colour(method) for method in names.METHODS} | set(names.SPARE_COLOURS)
    for colour in colours:
        high, low = sorted((luminance(colour), luminance(page)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3, colour


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
