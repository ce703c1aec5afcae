"""What all tests share: one CPU thread, no time limit per hypothesis example, and two of scikit-image's photographs."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from helpers import pictures, pretend_gpu
from helpers.pictures import photograph

from qebench.networks import precision
from qebench.training import pairs

# A busy machine is no failure, and examples of failures are not kept in the source tree.
hypothesis.settings.register_profile("tests", deadline=None, database=None)
hypothesis.settings.load_profile("tests")

SLOW = ["test_workflow.py", "test_protocols.py", "test_faults.py", "test_networks.py", "test_pretend_gpu.py"]
SLOW += ["test_tables.py", "test_report.py", "test_refusals.py", "test_docs.py", "test_training_methods.py"]
SLOW += ["test_complexity.py", "test_fbcnn.py", "test_weights.py", "test_training_runs.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `pytest --device cuda` compute golden numbers on a GPU, as `qebench study gpu-check` does."""
    parser.addoption("--device", default="cpu", help="that golden numbers are computed on (default: cpu)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Compute on one CPU thread, whatever a command that was tested before has chosen: more wait for each other."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that parallel workers end together; name original programs.

    A test of what an original program gave has the marker `original` with its name, which goes into the report
    (`benchmarks.programs`).
    """
    for item in items:
        if marker := item.get_closest_marker("original"):
            item.user_properties.append(("original", marker.args[0]))
    items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))


def pytest_collection_finish() -> None:
    """Leave all that was imported out of collections of garbage, of which measuring memory makes one each time."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many faults were injected (test_faults.py), and how many runs after them ended as undisturbed ones."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    counts = Counter()
    for report in reports:
        if getattr(report, "when", "") == "call":
            for name, count in report.user_properties:
                if name != "original":
                    counts[name] += count
    if counts["injected"]:
        terminalreporter.write_line(f"faults injected: {counts['injected']}, identical ends: {counts['identical']}")


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the device that golden numbers are computed on, without TF32."""
    name = request.config.getoption("--device")
    with pretend_gpu.plugged() if name.startswith(pretend_gpu.NAME) else nullcontext():
        precision.use("float32", name)
        yield name


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """Return a photograph of 512x512 pixels in colour."""
    return photograph("astronaut")


@pytest.fixture(scope="session")
def camera() -> np.ndarray:
    """Return a photograph of 512x512 pixels in gray."""
    return photograph("camera")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder of pictures to train on."""
    return pictures.photographs(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def data(folder, tmp_path_factory) -> pairs.Pairs:
    """Return the pairs of those pictures and their decoded versions."""
    return pictures.built(pictures.recipe(folder), tmp_path_factory.mktemp("pairs") / "pairs.safetensors")
