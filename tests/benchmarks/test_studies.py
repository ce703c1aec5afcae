"""Studies whose numbers the docs quote."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from benchmarks.studies import told_quality
from methods import pixelunet
from qebench.__main__ import main
from qebench.common import files, images
from qebench.common.quantisation import SAVED_ONCE
from qebench.cost import backends, latency


def test_enhancing_chroma_gains_more_than_luma_alone(tmp_path: Path, capsys) -> None:
    images.write(tmp_path / "a.png", data.coffee()[:96, 200:296])
    main(["study", "own-pictures", "--data", str(tmp_path), "--qualities", "20", "--device", "cpu"])
    said = capsys.readouterr().out
    luma_420, whole_420, least, luma_444, whole_444, _ = map(float, re.findall(r"[+-]\d\.\d{3}", said))
    assert 0 < luma_420 < whole_420 == least and 0 < luma_444 < whole_444


def test_bounds_gain_and_tell_of_an_earlier_save(tmp_path: Path, capsys) -> None:
    images.write(tmp_path / "a.png", data.coffee()[:96, 200:296])
    main(["study", "jpeg-bounds", "--data", str(tmp_path), "--qualities", "40", "--device", "cpu"])
    first, second = capsys.readouterr().out.split("largest share kept")
    free, *bound, share = map(float, re.findall(r"[+-]\d\.\d{3}", first))
    assert bound[1] == max(bound) > free > 0 and share > SAVED_ONCE
    assert float(re.search(r"10 \| +85 \| +(\d\.\d{3})", second)[1]) < SAVED_ONCE


def test_the_network_that_is_told_the_quality_starts_as_the_blind_one() -> None:
    torch.manual_seed(0)
    blind = pixelunet.PixelUNet(1, *told_quality.SMALL)
    told = told_quality.told_of(blind)
    x = torch.rand(2, 1, 16, 24)
    torch.testing.assert_close(told(x, torch.tensor([5.0, 85.0])), blind(x))
    told.head.weight.data[:, -1] = 1
    changed = (told(x, torch.tensor([5.0, 85.0])) - blind(x)).abs().mean(dim=(1, 2, 3))
    assert changed[1] > changed[0] > 0  # it is read, and the higher quality is the larger number


def test_both_networks_learn_from_the_same_crops(tmp_path: Path, capsys) -> None:
    for name, picture in (("a", data.coffee()[:128, :128]), ("b", data.coffee()[128:256, :128])):
        images.write(tmp_path / name / "a.png", picture)
    folders = ["--data", str(tmp_path / "a"), "--validation", str(tmp_path / "b"), "--pairs", str(tmp_path / "pairs")]
    main(["study", "told-quality", *folders, "--steps", "3", "--threads", "1"])
    said = capsys.readouterr().out
    blind, told = (line.split() for line in said.splitlines() if line.startswith(("blind", "told")))
    assert len(blind) == len(told) == 2 + len(told_quality.QUALITIES)
    assert "after 0 million pixels each" in said


def test_backends_are_timed_beside_rbqe(tmp_path: Path, capsys, monkeypatch) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(latency, "photograph", lambda channels: data.camera()[:64, :96])
    monkeypatch.setattr(backends, "RUNS", 2)
    weights = tmp_path / "pixelunet-luma-jpeg.safetensors"
    save_file(pixelunet.FORMS["small"].build(1).state_dict(), weights)
    output = tmp_path / "backends.csv"
    main(["study", "backends", "pixelunet", "--weights", str(weights), "--threads", "1", "-o", str(output)])
    assert "onnxruntime" in capsys.readouterr().out
    rows = files.read_csv(output)
    assert set(zip(rows["height"], rows["width"], rows["runs"], strict=True)) == {(64, 96, 2)}
    assert list(rows.columns) == list(latency.COLUMNS)
    assert list(rows["execution"])[:3] == ["eager", "eager", "onnxruntime"] and (rows["min_ms"] > 0).all()
    assert list(rows["method"])[:3] == ["rbqe", "pixelunet", "pixelunet"] and rows["exit"].tolist()[:3] == [5, 1, 1]
