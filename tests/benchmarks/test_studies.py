"""A study whose numbers the docs quote."""

import re
from pathlib import Path

from skimage import data

from qebench.__main__ import main
from qebench.common import images


def test_enhancing_chroma_gains_more_than_luma_alone(tmp_path: Path, capsys) -> None:
    images.write(tmp_path / "a.png", data.coffee()[:96, 200:296])
    main(["study", "own-pictures", "--data", str(tmp_path), "--qualities", "20", "--device", "cpu"])
    said = capsys.readouterr().out
    luma_420, whole_420, least, luma_444, whole_444, _ = map(float, re.findall(r"[+-]\d\.\d{3}", said))
    assert 0 < luma_420 < whole_420 == least and 0 < luma_444 < whole_444
