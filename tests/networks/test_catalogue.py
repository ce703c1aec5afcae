"""The list of methods says what the papers say, and fits a terminal."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from helpers import methods

from qebench.__main__ import main
from qebench.common import plugins
from qebench.networks import catalogue

METHODS = plugins.names("methods")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Return what `qebench methods` prints, in lines."""
    with redirect_stdout(io.StringIO()) as out:
        main(["methods"])
    return out.getvalue().rstrip("\n").split("\n")


def test_the_list_names_every_method_and_fits_140_columns(lines: list[str]) -> None:
    assert [line.split()[0] for line in lines[3:-2] if line[0] != " "] == METHODS
    assert max(map(len, lines)) <= 140


@pytest.mark.parametrize(
    ("method", "form", "rest"),
    [
        # parameters as the papers' code and PowerQE have them
        ("dcad", "paper", ["296,641", "1", "luma-hevc", "Wang et al., DCC 2017"]),
        ("", "powerqe-v1", ["40,451", "1"]),
        ("dncnn", "paper", ["668,225", "670,531", "1"]),
        ("rbqe", "", ["300,455", "5", "luma-hevc", "Xing et al., ECCV 2020"]),
        ("rbqe-powerqe-v1", "", ["3,553,430", "5", "Xing et al., ECCV 2020"]),
    ],
)
def test_a_line_has_parameters_exits_weights_and_source(
    method: str, form: str, rest: list[str], lines: list[str]
) -> None:
    cells = [method, form, *rest]
    found = [re.split(r"\s{2,}", line.strip()) for line in lines]
    assert any(line[: len(cells)] == [cell for cell in cells if cell] for line in found)


@pytest.mark.parametrize("method", methods.named())
def test_every_network_names_its_authors_venue_and_year(method: str) -> None:
    assert re.fullmatch(r"[A-Z][\w-]+( et al\.)?, .*[A-Z].* (19|20)\d\d", catalogue.source(method))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_citation_of_one_line(method: str) -> None:
    citation = plugins.find("methods", method).CITATION
    assert citation and "\n" not in citation
    assert catalogue.source(method) == citation


def test_a_method_without_citation_is_listed_by_the_first_line_of_its_docstring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(plugins.find("methods", "decoded"), "CITATION")
    assert catalogue.source("decoded") == plugins.summary("methods", "decoded")


def test_networks_are_those_that_methods_name() -> None:
    built = [network for method in METHODS for network in catalogue.networks(method)]
    assert [(network.name, network.form, network.channels) for network in built] == methods.networks()


def test_weights_belong_to_the_longest_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rbqe-luma-jpeg", "rbqe-powerqe-v3-rgb-jpeg", "rbqe", "absent-luma-jpeg"):
        (tmp_path / f"{name}.safetensors").touch()
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    found = catalogue.weights()
    assert found.keys() == set(METHODS)
    assert {method: names for method, names in found.items() if names} == {
        "rbqe": ["luma-jpeg"],
        "rbqe-powerqe-v3": ["rgb-jpeg"],
    }
