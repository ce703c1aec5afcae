"""The protocols are those of the papers, and run from end to end on a handful of pictures, which they call a subset."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from helpers import trees
from helpers.pictures import photograph
from PIL import Image
from snakemake.utils import update_config

from benchmarks.metrics import psnr
from compressors import jpeg
from qebench import config
from qebench.coding import interface
from qebench.common import colour, plugins
from qebench.datasets import originals

ROOT = plugins.ROOT


def protocol(name: str, *changes: dict) -> dict:
    """Return the default config with that of a protocol and changes over it, merged as Snakemake does."""
    merged = config.preset(name)
    for layer in changes:
        update_config(merged, layer)
    return merged


@pytest.mark.parametrize(
    ("name", "colours", "crop", "scale", "variant", "thresholds"),
    [  # both code colour; eccv2020 measures luma of it
        ("eccv2020", "luma", 512, 1, "matlab", {"jpeg": 0.79, "hm": 0.89}),  # RBQE, ECCV 2020; README of its code
        ("powerqe", "rgb", None, 2, "powerqe", {"jpeg": 0.855, "bpg": 0.900}),  # ryanxingql/powerqe, tag v1.0
    ],
)
def test_the_protocols_are_those_of_the_papers(name, colours, crop, scale, variant, thresholds):
    settings = protocol(name)
    chosen = {"colour": colours, "coded": "colour", "crop": crop, "scale": scale, "iqam": variant}
    assert settings["protocol"] == chosen
    codecs = config.codecs(settings)
    assert {codec: codecs[codec]["threshold"] for codec in codecs} == thresholds
    assert codecs["jpeg"]["qualities"] == [50, 40, 30, 20, 10]
    assert next(codecs[codec]["qualities"] for codec in codecs if codec != "jpeg") == [22, 27, 32, 37, 42]
    with pytest.raises(
        NotADirectoryError, match=r"data/\w+ is no folder: name one with pictures in it\. .* official page"
    ):
        config.check(settings)


POWERQE = json.loads((Path(__file__).parents[1] / "golden/powerqe_jpeg.json").read_text())["pictures"]


@pytest.mark.original("JPEG: pixels and PSNR of PowerQE's scripts")
@pytest.mark.parametrize("golden", POWERQE, ids="{0[image]}-{0[qf]}".format)
def test_powerqe_codes_jpeg_in_colour_as_its_own_scripts_do(golden):
    settings = protocol("powerqe")
    chosen = {key: settings["protocol"][key] for key in ("colour", "crop", "scale")}
    original = originals.prepare(photograph(golden["image"]), originals.Protocol(**chosen))
    codec = interface.configure(jpeg, config.codecs(settings)["jpeg"].get("settings", {}))
    decoded = jpeg.decode(jpeg.encode(original, golden["qf"], codec), codec)
    found = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in (original, decoded)]
    assert found == [golden["original"], golden["decoded"]]
    both = [torch.tensor(picture, dtype=torch.float64).movedim(2, 0)[None] for picture in (original, decoded)]
    assert psnr.measure(*both).item() == pytest.approx(golden["psnr"], abs=1e-6)


def test_a_known_data_set_without_a_folder_is_told_with_its_source():
    with pytest.raises(ValueError, match=r"dataset is 'kodak': choose demo or a name under folders\. It is at r0k\.us"):
        config.check(config.default() | {"dataset": "kodak"})


def test_only_chooses_methods_and_compressors():
    settings = protocol("eccv2020")
    assert config.methods(settings) == ["decoded", "dcad", "rbqe"]
    assert list(config.codecs(settings)) == ["jpeg", "hm"]
    for only, methods, codecs in [
        (["jpeg", "hevc"], ["decoded", "dcad", "rbqe"], ["jpeg", "hevc"]),
        (["rbqe", "hevc"], ["decoded", "rbqe"], ["hevc"]),
        (["rbqe"], ["decoded", "rbqe"], ["jpeg", "hevc", "hm"]),
        ("hm", ["decoded", "dcad", "rbqe"], ["hm"]),
        ([], ["decoded", "dcad", "rbqe"], ["jpeg", "hevc", "hm"]),
    ]:
        chosen = settings | {"only": only}
        assert (config.methods(chosen), list(config.codecs(chosen))) == (methods, codecs)
    with pytest.raises(
        ValueError, match=r"only names 'hmm', .* under methods: decoded, dcad, rbqe, nor .*jpeg, hevc, hm"
    ):
        config.codecs(settings | {"only": ["hmm"]})


def test_a_method_for_none_of_the_chosen_compressors_is_named():
    settings = config.default() | {"methods": {"reapply": {"compressors": ["jpeg"]}}, "only": ["hevc"]}
    with pytest.raises(ValueError, match="methods: reapply is for none of hevc: name its compressor in only"):
        config.check(settings)


def test_weights_for_libx265_serve_for_hm():
    settings = protocol("eccv2020")
    hevc, hm = (config.weights(settings, "rbqe", name) for name in ("hevc", "hm"))
    assert hm == hevc == ["methods/weights/rbqe-luma-hevc.safetensors"]


def smooth(height: int, width: int, seed: int) -> np.ndarray:
    """Return colours that change little from pixel to pixel, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def hevc() -> str:
    """Return `hm` if HM is installed, else what stands for it."""
    try:
        plugins.find("compressors", "hm").version()
    except (FileNotFoundError, ValueError):
        return "hevc"
    return "hm"


def jpeg_psnr(picture: np.ndarray, measured: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the PSNR in dB of what is `measured` of a picture after JPEG at QF 10, by Pillow and the definition."""
    encoded = BytesIO()
    Image.fromarray(picture).save(encoded, "JPEG", quality=10)
    error = measured(np.asarray(Image.open(encoded))).astype(float) - measured(picture)
    return 10 * np.log10(255**2 / (error**2).mean())


@dataclass(frozen=True)
class Run:
    """A protocol on a handful of pictures: what it is given, and what must come out."""

    folder: str
    files: tuple[str, ...]
    size: tuple[int, int]  # height, width
    codec: str
    changes: dict  # of the config, beside those of all runs
    given: Callable[[np.ndarray], np.ndarray]  # a picture to what JPEG codes of it, by hand
    measured: Callable[[np.ndarray], np.ndarray]  # and to what is measured of that
    words: str  # in the note under the table

    def pictures(self) -> dict[str, np.ndarray]:
        """Return pictures by file."""
        return {file: smooth(*self.size, seed) for seed, file in enumerate(self.files)}

    def config(self) -> dict:
        """Return a config that leaves one method, and one quality per codec."""
        qualities = {"jpeg": {"qualities": [10]}, self.codec: {"qualities": [37]}}
        only = ["spp", *qualities]
        return {"compressors": qualities, "methods": {"spp": {}}, "only": only, "device": "cpu"} | self.changes


RUNS = {
    "eccv2020": Run(
        folder="data/raise",
        files=("r000da54ft.TIF", "r001d260dt.TIF"),
        size=(2000, 3008),
        codec=hevc(),
        changes={"protocol": {"crop": 64}},
        given=lambda picture: picture,
        measured=lambda picture: colour.luma(picture[968:1032, 1472:1536]),
        words="subset of RAISE, 2 of 8,156 pictures where the protocol takes 1,000; BT.601 limited-range luma of what "
        f"was coded in colour, centre crops of at most 64x64 after jpeg, before {hevc()}",
    ),
    "powerqe": Run(
        folder="data/DIV2K",
        files=("0801.png", "0900.png", "0700.png"),  # the last is for training
        size=(48, 2040),
        codec="bpg",
        changes={},
        given=lambda picture: ((picture.reshape(24, 2, 1020, 2, 3).sum(axis=(1, 3), dtype=int) + 2) // 4).astype(
            np.uint8
        ),
        measured=lambda picture: picture,
        words="subset of DIV2K, 2 of 900 pictures where the protocol takes 100; RGB, scaled down by 2, whole pictures, "
        "IQAM as in powerqe",
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a copy of the tree per protocol after its run, both at the same time."""

    def run(name: str) -> Path:
        tree = trees.copy(base / name)
        (tree / RUNS[name].folder).mkdir(parents=True)
        for file, picture in RUNS[name].pictures().items():
            Image.fromarray(picture).save(tree / RUNS[name].folder / file)
        (tree / "handful.yaml").write_text(yaml.safe_dump(RUNS[name].config()))
        command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "2", f"results/{name}/table1.csv"]
        files = ["--configfile", f"workflow/config/{name}.yaml", "handful.yaml"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
        environment |= {"OMP_WAIT_POLICY": "passive"}
        done = subprocess.run(
            [*command, *files], cwd=tree, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return tree

    base = tmp_path_factory.mktemp("protocols")  # not by the threads, which would create the first folder twice
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(RUNS, pool.map(run, RUNS), strict=True))


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_a_protocol_runs_on_a_handful_of_pictures_and_says_so(finished, name):
    table = pd.read_csv(finished[name] / f"results/{name}/table1.csv")
    assert set(table["compressor"]) == {"jpeg", RUNS[name].codec}
    assert table["spp"].notna().all()
    assert RUNS[name].words in re.sub(r"\s+", " ", (finished[name] / f"results/{name}/table1.md").read_text())


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_a_protocol_measures_the_pictures_of_its_test_part_as_it_says(finished, name):
    rows = pd.read_parquet(finished[name] / f"results/{name}/measurements.parquet")
    rows = rows.query("compressor == 'jpeg' and method == 'decoded' and metric == 'psnr'")
    pictures = list(RUNS[name].pictures().items())[:2]
    given, measured = RUNS[name].given, RUNS[name].measured
    expected = {Path(file).stem: jpeg_psnr(given(picture), measured) for file, picture in pictures}
    assert rows.set_index("image")["value"].to_dict() == pytest.approx(expected, abs=1e-9)
