"""What a network or a metric may not return stops the job with method, image and exit, and is dropped by no mean."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.measured import PSNRS, compressed, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.tables import table1
from qebench.__main__ import main
from qebench.common import images, plugins
from qebench.evaluation import measurements
from qebench.evaluation.evaluate import evaluate
from qebench.evaluation.results import Results
from qebench.networks import multi_exit, outputs, tiling
from qebench.networks.network import describe

NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two small pictures, prepared and compressed at QF 40 and 10."""
    return compressed(tmp_path_factory.mktemp("measured"))


class Faulty(nn.Module):
    """A network of two exits that does something else at the second."""

    exit_count = 2

    def __init__(self, fault) -> None:
        super().__init__()
        self.fault = fault

    def exits(self, x: Tensor) -> Iterator[Tensor]:
        yield self(x, 1)
        yield self(x, 2)

    def forward(self, x: Tensor, exit: int = 2) -> Tensor:
        return self.fault(x) if exit == 2 else x + 0


def with_value(x: Tensor, value: float) -> Tensor:
    result = x + 0
    result[-1, 0, 3, 4] = value
    return result


FAULTS = {
    "nan": (lambda x: with_value(x, NAN), r"exit 2 returns NaN or infinity for 1 of 6144 values"),
    "infinity": (lambda x: with_value(x, INFINITY), r"exit 2 returns NaN or infinity for 1 of 6144 values"),
    "shape": (lambda x: x[..., :-1], r"exit 2 returns a tensor of shape \(1, 1, 96, 63\), not \(1, 1, 96, 64\)"),
    "fewer dimensions": (lambda x: x[0], r"exit 2 returns a tensor of shape \(1, 96, 64\), not"),
    "scalar": (lambda x: x.mean(), r"exit 2 returns a tensor of shape \(\), not"),
    "float64": (lambda x: x.double(), r"exit 2 returns a tensor of dtype torch.float64, not torch.float32"),
    "bytes": (lambda x: x.byte(), r"exit 2 returns a tensor of dtype torch.uint8, not torch.float32"),
    "complex": (lambda x: x + 0j, r"exit 2 returns a tensor of dtype torch.complex64, not torch.float32"),
    "device": (lambda x: x.to("meta"), r"exit 2 returns a tensor of device meta, not cpu"),
    "sparse": (lambda x: x.to_sparse(), r"exit 2 returns a tensor of layout torch.sparse_coo, not torch.strided"),
    "tuple": (lambda x: (x, x), r"exit 2 returns tuple, not a tensor"),
    "nothing": (lambda x: None, r"exit 2 returns NoneType, not a tensor"),
    "array": (lambda x: x.numpy(), r"exit 2 returns ndarray, not a tensor"),
    "in place": (lambda x: x.mul_(0.5), r"exit 2 changes its input in place"),
}


def measure(folder, model: nn.Module, monkeypatch: pytest.MonkeyPatch, metrics: tuple[str, ...] = ("psnr",)):
    monkeypatch.setattr(plugins.find("methods", "decoded"), "load", lambda weights, device: model)
    decoded = [folder / "decoded/tiny/jpeg/40.csv"]
    return evaluate("decoded", None, folder / "originals/tiny.csv", decoded, [*metrics], 8, "matlab", "cpu")


@pytest.mark.parametrize("kind", FAULTS)
def test_what_a_network_may_not_return_stops_the_job_with_method_image_and_exit(kind, folder, monkeypatch):
    fault, words = FAULTS[kind]
    with pytest.raises(ValueError, match=rf"^decoded, image 02 at quality 40: {words}"):
        measure(folder, Faulty(fault), monkeypatch)


def test_the_image_of_a_batch_is_named_that_is_wrong(folder, monkeypatch):
    monkeypatch.setattr("qebench.evaluation.batches.CPU_BATCH", 2)
    with pytest.raises(ValueError, match=r"^decoded, image 10 at quality 40: exit 2 returns NaN"):
        measure(folder, Faulty(FAULTS["nan"][0]), monkeypatch)


@pytest.mark.parametrize("count", [1, 3])
def test_a_network_of_another_number_of_exits_than_it_says_is_refused(count):
    model = Faulty(lambda x: x)
    model.exit_count = count
    with pytest.raises(outputs.WrongOutput, match=rf"exit 2 is .*: the network says it has {count}"):
        tiling.enhance(describe(model), torch.zeros(1, 1, 16, 16))


def test_stopping_early_for_real_checks_too():
    with pytest.raises(outputs.WrongOutput, match="exit 2 returns NaN"):
        multi_exit.enhance(describe(Faulty(FAULTS["nan"][0])), torch.zeros(1, 1, 16, 16), multi_exit.Rule(8, 2.0))


def test_enhance_names_the_picture_and_writes_nothing(tmp_path, monkeypatch):
    images.write(tmp_path / "photo.png", np.zeros((96, 64), np.uint8))
    monkeypatch.setattr(plugins.find("methods", "rbqe"), "load", lambda weights, device: Faulty(FAULTS["nan"][0]))
    words = r"^error: rbqe, image .*photo\.png: exit 2 returns NaN or infinity for 1 of 6144 values"
    command = ["enhance", str(tmp_path / "photo.png"), "-o", str(tmp_path / "out.png"), "--compressor", "jpeg"]
    with pytest.raises(SystemExit, match=words):
        main([*command, "--exit", "2"])
    assert not (tmp_path / "out.png").exists()


SHAPES = st.lists(st.sampled_from([0, 1, 2, 16, 17]), max_size=5).map(tuple)
NUMBERS = st.sampled_from([NAN, INFINITY, -INFINITY, 0.5, 1e38, 0.0])
TYPES = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.complex64, torch.int64, torch.bool])
OTHERS = st.sampled_from([None, 1.0, "text", (), [], {}, np.zeros((1, 1, 16, 16), np.float32)])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.builds(torch.full, SHAPES, NUMBERS).flatmap(lambda x: TYPES.map(x.to)) | OTHERS)
def test_an_output_of_any_shape_and_type_is_taken_or_refused_in_words(output):
    given_x = torch.zeros(1, 1, 16, 16)
    try:
        found = tiling.enhance(describe(Faulty(lambda x: output)), given_x)
    except ValueError as error:
        assert str(error).startswith("exit 2 ")
    else:
        assert found[1].shape == given_x.shape
        assert found[1].isfinite().all()


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_a_metric_that_is_not_finite_stops_the_job(value, folder, monkeypatch):
    psnr = plugins.find("benchmarks/metrics", "psnr")
    monkeypatch.setattr(psnr, "measure", lambda originals, enhanced: torch.full((len(originals),), value).double())
    with pytest.raises(ValueError, match=rf"^decoded, image 02 at quality 40: psnr of exit 1 is {value}, over which"):
        measure(folder, plugins.find("methods", "decoded").load(None, "cpu"), monkeypatch)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.builds(torch.full, SHAPES, NUMBERS).flatmap(lambda x: TYPES.map(x.to)) | OTHERS)
def test_a_metric_of_any_shape_and_type_is_taken_or_refused_in_words(folder, values):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins.find("benchmarks/metrics", "psnr"), "measure", lambda originals, enhanced: values)
        try:
            found, _, _ = measure(folder, plugins.find("methods", "decoded").load(None, "cpu"), patch)
        except ValueError as error:
            assert "psnr" in str(error)
        else:
            assert np.isfinite(found["value"]).all()


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.floats(width=32), min_size=4, max_size=4))
def test_measurements_with_a_number_that_is_not_finite_are_refused_by_tables(values):
    keys = [(image, "jpeg", 10, method, 1, "psnr_unrounded") for image in "ab" for method in ("decoded", "net")]
    found = rows(dict(zip(keys, values, strict=True)))
    results = Results(found, pd.DataFrame(), pd.DataFrame(), {}, ["decoded", "net"], "words")
    if np.isfinite(values).all():
        expected = np.mean([values[1] - values[0], values[3] - values[2]])
        scores = rows({(*key[:5], "iqam"): 0.5 for key in keys})
        results = Results(
            pd.concat([found, scores]), pd.DataFrame(), pd.DataFrame(), {"jpeg": 0.9}, ["decoded", "net"], "words"
        )
        assert table1.tabulate(results)["net"].iat[0] == pytest.approx(expected, rel=1e-6, abs=1e-3)
    else:
        with pytest.raises(ValueError, match=r"psnr_unrounded of .*, image . by jpeg at 10, exit 1 is (nan|-?inf)"):
            table1.tabulate(results)


def test_a_file_of_measurements_with_nan_is_refused_by_its_name(tmp_path):
    measurements.write(PSNRS.assign(value=NAN), [{}], tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x\.parquet holds no measurements \(psnr of decoded, image a .* is nan"):
        measurements.read(tmp_path / "x.parquet")


def test_the_psnr_of_equal_pictures_is_stated():
    equal = PSNRS.assign(value=PSNRS["value"].where(PSNRS.index > 0, 100.0))
    assert measurements.identical(equal) == " 1 of 7 results equal their original: their PSNR counts as 100 dB."
    assert measurements.identical(PSNRS) == ""
