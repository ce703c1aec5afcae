"""What cannot work is refused with advice, as the config or a picture is read; what is large is planned in time."""

import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.tiny_run import CONFIG, copy, forked, snakemake, write_picture
from helpers.workflows import jobs

from qebench import config as checked


def test_a_run_of_paper_scale_is_planned_within_ten_seconds(fresh: Path, tmp_path: Path) -> None:
    tree = copy(fresh, tmp_path)
    for number in range(1000):
        shutil.copy2(tree / "pictures/hill.png", tree / f"pictures/{number}.png")
    names = [f"net{number}" for number in range(7)]  # and `decoded`
    for name in names:
        shutil.copy2(tree / "methods/tiny.py", tree / f"methods/{name}.py")
    methods = ", ".join(f"{name}: {{}}" for name in names)
    config = f"dataset: mine\nfolders: {{mine: pictures}}\nmethods: {{{methods}}}\nonly: [{', '.join(names)}]\n"
    (tree / "mine.yaml").write_text(config)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = snakemake(tree, "--dry-run", "results/table1.csv", "--config", "shards=10")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout
    counts = jobs(done)
    assert (counts["compress"], counts["evaluate"]) == (2 * 5 * 10, 2 * 8 * 10)
    # Processor time: on a busy machine the clock says more.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10


def test_more_shards_than_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="shards is 9, but there are 8 pictures: set it to that or less"):
        checked.check(checked.default() | {"only": ["decoded"], "shards": 9})


MISTAKES = {  # what replaces what in the config file, and what the message says
    "method": ("[tiny]", "[tinny]", "only names 'tinny', which is not under methods: tiny"),
    "compressor": ("hevc:", "hevk:", "no 'hevk' in compressors/: it has"),
    "key": ("only:", "onyl: []\nonly:", "'onyl' is no key of the top level: did you mean 'only'?"),
    "weights": ("{tiny: {}}", "{tiny: {weights: lost.pt}}", "tiny for jpeg needs lost.pt, which is missing: methods/"),
    "empty folder": ("mine: pictures", "mine: empty", "empty has no pictures: put files in it that end in .png"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_config_is_refused_with_advice(fresh: Path, tmp_path: Path, mistake: str) -> None:
    tree = copy(fresh, tmp_path)
    before, after, advice = MISTAKES[mistake]
    assert CONFIG.count(before) == 1
    (tree / "mine.yaml").write_text(CONFIG.replace(before, after))
    (tree / "empty").mkdir()
    done = forked(tree, "results/table1.csv")
    assert done.returncode != 0
    message = next(line for line in done.stdout.splitlines() if line.startswith("config: "))
    assert advice in message
    assert not (tree / "results/table1.csv").exists()


TAKES = {"jpeg": {"qualities": [10], "iqam_block_size": 8, "threshold": 1}}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("compressors", {"hevc": {"qualities": [52], "iqam_block_size": 4, "threshold": 1}}, "takes qp 0..51, not 52"),
        (
            "compressors",
            TAKES | {"hevc": {"qualities": [37], "weights_of": ["jpg"]}},
            "hevc takes weights of 'jpg': choose",
        ),
        ("compressors", TAKES | {"hevc": {"qualities": [37], "threshold": 1}}, "'iqam_block_size' is a required"),
        ("metrics", ["pnsr"], "no 'pnsr' in benchmarks/metrics/: it has"),
        ("tables", ["tabel1"], "no 'tabel1' in benchmarks/tables/: it has"),
        ("figures", ["gain"], "no 'gain' in benchmarks/figures/: it has"),
        (
            "protocol",
            {"colour": "luma", "coded": "luma", "crop": "64", "scale": 1, "iqam": "matlab"},
            "write them in a file",
        ),
        ("folders", {"demo": "pictures"}, "choose another"),
        ("dataset", "mine", "choose demo or a name under folders"),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_advice(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        checked.check(checked.default() | {"only": ["decoded"], key: value})


def test_generalization_gives_every_compressor_the_weights_of_those_in_the_default_config() -> None:
    settings = checked.preset("generalization")
    checked.check(settings)
    assert set(settings["compressors"]) > {"jpeg", "hevc"}
    for name in settings["compressors"]:
        assert checked.trained_on(settings, "rbqe", name) == ["jpeg", "hevc"]
        assert checked.trained_on(settings, "decoded", name) == [""]
        for codec in ("jpeg", "hevc"):
            assert checked.iqam(settings, name, codec) == settings["compressors"][codec]


def test_a_compressor_may_take_the_weights_of_one_that_is_not_run() -> None:
    settings = checked.default()
    settings["compressors"]["hevc"]["weights_of"] = ["jpeg"]
    settings["only"] = ["dcad", "hevc"]
    checked.check(settings)
    assert list(checked.codecs(settings)) == ["hevc"]
    assert checked.trained_on(settings, "dcad", "hevc") == ["jpeg"]
    assert checked.iqam(settings, "hevc", "jpeg")["iqam_block_size"] == 8
    assert checked.iqam(settings, "hevc")["iqam_block_size"] == 4  # of the decoded images


def test_braces_in_the_name_of_a_picture_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "a{b}.png", 64, 64, seed=0)
    settings = {"only": ["decoded"], "folders": {"mine": str(tmp_path)}, "dataset": "mine"}
    with pytest.raises(ValueError, match=re.escape("a{b}.png has braces in its name")):
        checked.check(checked.default() | settings)


@pytest.fixture(scope="module")
def refused_pictures(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess:
    """Return one run that prepares three data sets, each with one good and one bad picture."""
    tree = copy(fresh, tmp_path_factory.mktemp("pictures"))
    for name in ("text", "truncated", "small"):
        write_picture(tree / name / "good.png", 64, 64, seed=0)
    (tree / "text/bad.png").write_text("no picture")
    (tree / "truncated/bad.png").write_bytes((tree / "truncated/good.png").read_bytes()[:-1000])
    write_picture(tree / "small/bad.png", 4, 4, seed=0)
    folders = "{mine: pictures, text: text, truncated: truncated, small: small}"
    (tree / "mine.yaml").write_text(CONFIG.replace("{mine: pictures}", folders))
    done = forked(tree, *(f"results/originals/{name}.csv" for name in ("text", "truncated", "small")))
    assert not list((tree / "results/originals").glob("*.csv"))
    return done


@pytest.mark.parametrize(
    ("folder", "advice"), [("text", "export it as"), ("truncated", "get it again"), ("small", "16")]
)
def test_a_bad_picture_is_refused_with_its_name_and_advice(refused_pictures, folder: str, advice: str) -> None:
    assert refused_pictures.returncode != 0
    message = next(line for line in refused_pictures.stdout.splitlines() if f"error: {folder}/bad.png" in line)
    assert advice in message
