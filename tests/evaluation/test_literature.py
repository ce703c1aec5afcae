"""The literature's protocol gives the literature's numbers, and they stand beside ours."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import photograph

from compressors import jpeg
from qebench.__main__ import main
from qebench.common import images, plugins, published
from qebench.evaluation import literature
from qebench.networks import conversion

TEST_IMAGES = Path(os.environ.get("QEBENCH_TEST_IMAGES", plugins.ROOT.parent / "shared/data/test"))
DNCNN3 = Path(os.environ.get("QEBENCH_DNCNN3", plugins.ROOT.parent / "shared/data/weights/DnCNN3.mat"))
GOLDEN = json.loads((Path(__file__).parents[1] / "golden/jpeg_baseline.json").read_text())


@pytest.fixture
def classic5(tmp_path: Path) -> Path:
    """Return a folder of five small pictures."""
    for number in range(5):
        images.write(tmp_path / f"{number}.png", photograph("camera")[64 * number :][:64, 200:264])
    return tmp_path


def test_means_stand_beside_the_published_values(classic5: Path) -> None:
    table = literature.compare("decoded", None, {"classic5": classic5}, "cpu", qualities=(10, 40))
    errors = []
    for number in range(5):
        original = images.read(classic5 / f"{number}.png").astype(float)
        errors.append(np.mean((jpeg.decode(jpeg.encode(original.astype(np.uint8), 40)) - original) ** 2))
    row = table.query("quality == 40 and metric == 'psnr'").squeeze()
    assert row["ours"] == pytest.approx(np.mean(10 * np.log10(255**2 / np.array(errors))), abs=1e-9)
    assert row["published"] == 32.43
    assert row["difference"] == row["ours"] - 32.43
    assert table[literature.KEYS].drop_duplicates().shape == (4, 4)


def test_the_command_prints_both_and_leaves_out_what_nobody_published(classic5: Path, capsys) -> None:
    weights = ["--weights", str(plugins.ROOT / "methods/weights/dcad-luma-jpeg.safetensors")]
    main(
        ["study", "jpeg-literature", "dcad", *weights, "--classic5", str(classic5), "--device", "cpu", "--threads", "1"]
    )
    lines = [line.split() for line in capsys.readouterr().out.split("\n")]
    assert [line[:4] for line in lines[2:10]] == [
        ["classic5", "5", str(qf), method] for qf in (10, 20, 30, 40) for method in ("decoded", "dcad")
    ]
    assert [len(line) for line in lines[2:10]] == [10, 6] * 4
    assert (lines[2][5], lines[2][8]) == ("27.82", "0.7595")


def test_another_number_of_pictures_is_another_data_set(classic5: Path) -> None:
    (classic5 / "4.png").unlink()
    with pytest.raises(ValueError, match="has 4 pictures, and classic5 5: name its folder"):
        literature.compare("decoded", None, {"classic5": classic5}, "cpu")


def test_a_command_without_pictures_says_how_to_name_them(capsys) -> None:
    with pytest.raises(SystemExit, match="name a folder by --classic5, --live1 or both"):
        main(["study", "jpeg-literature", "dncnn"])


def test_published_values_are_tidy_and_those_of_the_baseline() -> None:
    papers = published.read("jpeg_literature")
    assert not papers.duplicated(["dataset", "quality", "method", "metric"]).any()
    assert papers["source"].notna().all()
    values = papers.set_index(["method", "dataset", "quality", "metric"])["value"]
    for row in GOLDEN["rows"]:
        keys = "decoded", row["set"].lower(), str(row["qf"])
        assert values[(*keys, "psnr")] == row["published_psnr"]
        assert values[(*keys, "ssim")] == row["published_ssim"]


@pytest.mark.long
@pytest.mark.skipif(
    not (TEST_IMAGES.is_dir() and DNCNN3.is_file()),
    reason=f"classic5 and the weights of DnCNN-3 may not be passed on: put them in {TEST_IMAGES}/classic5 and {DNCNN3} "
    "(or set QEBENCH_TEST_IMAGES and QEBENCH_DNCNN3)",
)
def test_dncnn_3_gives_the_published_values(tmp_path: Path) -> None:
    conversion.convert(DNCNN3, "dncnn", tmp_path / "weights.safetensors")
    folders = {"classic5": TEST_IMAGES / "classic5"}
    table = literature.compare("dncnn", tmp_path / "weights.safetensors", folders, "cpu", qualities=(10,))
    tolerance = table["metric"].map({"psnr": 0.006, "ssim": 6e-5})  # the papers' rounding
    assert len(table) == 4
    assert (table["difference"].abs() < tolerance).all()
