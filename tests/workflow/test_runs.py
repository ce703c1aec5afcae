"""Runs have folders of their own, which refuse other data and protocols; a command line chooses what runs."""

import json
import re
from pathlib import Path

import pytest
import yaml
from helpers import trees, workflows

from qebench import config, runs
from qebench.common import plugins

ROOT = plugins.ROOT


def chosen(files: tuple[Path, ...] = (), **changes: object) -> dict:
    """Return the default config with changes as a command line lays them over it."""
    settings = config.default() | changes
    config.choose(settings, files)
    config.check(settings)
    return settings


def test_the_folder_of_a_run_has_its_name_and_that_of_an_unnamed_one_is_results() -> None:
    assert runs.folder(None) == Path("results")
    assert runs.folder("mine") == Path("results/mine")
    assert runs.folder("mine", "logs") == Path("logs/mine")


def test_no_run_has_the_name_of_a_part_of_the_results() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    made = set(re.findall(r'"<results>/(\w+)/', rules))
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "results/README.md").read_text(), re.M)
    listed = set(re.findall(r"`(\w+)/`", "".join(rows)))
    texts = (path.read_text() for path in (ROOT / "workflow/config").glob("*.yaml"))
    named = {name for text in texts for name in re.findall(r"^run: (\w+)", text, re.M)}  # by configurations that ship
    assert made | (listed - named) <= set(runs.TAKEN)
    with pytest.raises(ValueError, match=r"results/figures/ has a part of other results: choose another name"):
        chosen(run="figures")


@pytest.mark.parametrize("name", ["a/b", "../up", ".hidden", "", "-x"])
def test_a_name_that_is_no_single_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="run: "):
        chosen(run=name)


def test_a_number_is_a_name() -> None:
    assert chosen(run=2020)["run"] == "2020"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"dataset": "mine"}, "dataset demo, and this run has mine"),
        ({"folders": {"demo": "elsewhere"}}, "folder None, and this run has elsewhere"),
        ({"split": "workflow/splits/eccv2020.csv"}, "split None, and"),
        ({"protocol": {"crop": None}}, "protocol.crop 512, and this run has None"),
    ],
)
def test_other_data_or_another_protocol_in_the_folder_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict, key: str
) -> None:
    monkeypatch.chdir(ROOT)
    first = config.default()
    runs.claim(tmp_path / "results", first)
    changed = first | changes | {"protocol": first["protocol"] | changes.get("protocol", {})}
    before = (tmp_path / "results/run.json").read_bytes()
    with pytest.raises(ValueError) as caught:
        runs.claim(tmp_path / "results", changed)
    assert key in str(caught.value)
    assert "--config run=NAME" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "results/run.json").read_bytes() == before
    runs.claim(tmp_path / "results/other", changed)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_a_damaged_record_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json is no record of a run .*: remove .*, and run again"):
        runs.claim(tmp_path, config.default())


def test_other_methods_codecs_and_qualities_go_into_the_same_folder(tmp_path: Path) -> None:
    runs.claim(tmp_path, config.default())
    runs.claim(tmp_path, chosen(methods="rbqe", only="jpeg", qualities=10))
    assert json.loads((tmp_path / "run.json").read_text())["dataset"] == "demo"


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        (None, "results/mine/table1.csv", "add --config run=mine"),
        ("mine", "results/table1.csv", "ask for results/mine/table1.csv"),
        ("mine", "results/other/figures/gains.pdf", "ask for results/mine/figures/gains.pdf"),
    ],
)
def test_a_file_of_another_run_is_refused_with_its_own_name(name: str | None, target: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        runs.check_target(name, target)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (None, "results/table1.csv"),
        (None, "results/figures/gains.pdf"),
        ("mine", "results/mine/figures/gains.pdf"),
        ("mine", "all"),
    ],
)
def test_a_file_of_the_run_is_accepted(name: str | None, target: str) -> None:
    runs.check_target(name, target)


def test_named_runs_are_no_part_of_the_folder_that_they_are_in(tmp_path: Path) -> None:
    names = ("table1", "figures/gains", "mine/table1", ".superseded/table1")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.provenance.json").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in runs.records(tmp_path)]
    assert found == ["figures/gains.provenance.json", "table1.provenance.json"]
    assert len(runs.records(tmp_path / "mine")) == 1


@pytest.mark.parametrize("given", ["rbqe", ["rbqe"], "decoded, rbqe"])
def test_methods_of_a_command_line_are_names_of_those_in_the_files(given: object) -> None:
    settings = chosen(methods=given, only=["dcad", "jpeg"])
    assert config.methods(settings) == ["decoded", "rbqe"]
    assert list(config.codecs(settings)) == ["jpeg"]
    assert settings["methods"] == config.default()["methods"]


def test_methods_of_a_command_line_may_be_those_of_a_file_of_yours(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"methods": {"reapply": {"compressors": ["jpeg"]}}}))
    settings = chosen((mine,), methods="reapply")
    assert config.methods(settings) == ["decoded", "reapply"]
    assert settings["methods"]["reapply"] == {"compressors": ["jpeg"]}


@pytest.mark.parametrize("given", [10, "10", ["10"], {"jpeg": "10"}, {"jpeg": ["10"]}])
def test_qualities_of_a_command_line_are_those_of_the_one_codec_that_runs(given: object) -> None:
    settings = chosen(qualities=given, only=["jpeg"])
    assert config.codecs(settings)["jpeg"]["qualities"] == [10]
    assert "qualities" not in settings


def test_qualities_of_a_command_line_may_be_several_and_of_several_codecs() -> None:
    settings = chosen(qualities={"jpeg": "50,10", "hevc": ["37"]})
    assert [each["qualities"] for each in config.codecs(settings).values()] == [[50, 10], [37]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": "rbqee"}, "methods names 'rbqee', which is not under methods: decoded, dcad, rbqe"),
        ({"qualities": 10}, "qualities is one list for jpeg and hevc: name one of them in only, or write"),
        ({"qualities": {"jpg": 10}}, "qualities names 'jpg', but the compressors are jpeg, hevc"),
        ({"qualities": "high", "only": "jpeg"}, "qualities has 'high', which is no whole number"),
        ({"qualities": {"hevc": 52}}, "takes qp 0..51, not 52"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        chosen(**changes)


def test_a_named_run_plans_all_of_its_files_in_its_own_folder(tmp_path: Path) -> None:
    tree = trees.copy(tmp_path / "tree")
    file = "workflow/config/ranking.yaml"
    settings = ["run=mine", "methods=rbqe", "qualities={jpeg: [10], hevc: [37]}"]
    targets = ["--dry-run", "all", "results/mine/report.html"]
    done = workflows.fork(tree, *targets, "--configfile", file, "--config", *settings)
    assert done.returncode == 0, done.stdout
    assert "methods/weights/rbqe-luma-jpeg-short.safetensors" in done.stdout  # as the file says
    assert "methods/weights/rbqe-luma-jpeg.safetensors" not in done.stdout
    written = re.findall(r"^    (?:output|log): (.+)$", done.stdout, re.M)
    paths = [path for line in written for path in line.split(", ")]
    assert len(paths) > 50
    assert all(path.startswith(("results/mine/", "logs/mine/")) for path in paths)
    assert {"results/mine/decoded/demo/jpeg/10.csv", "results/mine/report.html"} <= set(paths)
    assert not [path for path in paths if "dcad" in path]
