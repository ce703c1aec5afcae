"""The project's lists agree, every plug-in keeps its folder's contract, and a mistaken config is told what to do."""

import copy
import graphlib
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import grimp
import numpy as np
import pytest
import torch
import yaml
from packaging.requirements import Requirement

from compressors import jpeg
from qebench import config
from qebench.common import images, plugins
from qebench.networks import pixels, tiling
from qebench.networks.network import describe

ROOT = plugins.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = PROJECT["dependencies"] + [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
PLUGINS = [(folder, name) for folder in plugins.FUNCTIONS for name in plugins.names(folder)]
COMPRESSORS = [plugins.find("compressors", name) for name in plugins.names("compressors")]
every_compressor = pytest.mark.parametrize("compressor", COMPRESSORS, ids=lambda module: module.__name__)


@pytest.mark.parametrize(
    ("file", "required"),
    [
        ("environment.yml", PROJECT["dependencies"]),
        ("environment-test.yml", PROJECT["optional-dependencies"]["test"]),
    ],
)
def test_conda_installs_what_pip_installs_in_the_pinned_versions(file: str, required: list[str]) -> None:
    dependencies = yaml.safe_load((ROOT / file).read_text())["dependencies"]
    assert dependencies[-1]["pip"] == [f"{Requirement(line).name}=={pinned(line)}" for line in required]


def test_conda_takes_the_python_of_the_project() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert environment[0] == f"python{PROJECT['requires-python']}"


def pinned(line: str) -> str:
    """Return the version that constraints.txt has for a requirement."""
    pins = [Requirement(pin) for pin in (ROOT / "constraints.txt").read_text().splitlines()]
    (pin,) = (pin for pin in pins if pin.name.lower() == Requirement(line).name)
    (version,) = (specifier.version for specifier in pin.specifier if specifier.operator == "==")
    return version


@pytest.mark.parametrize("line", REQUIREMENTS)
def test_every_dependency_is_pinned_within_its_bounds(line: str) -> None:
    assert pinned(line) in Requirement(line).specifier


@pytest.mark.parametrize("extra", ["perceptual", "onnx"])
def test_tests_need_the_extras_within_the_same_bounds(extra: str) -> None:
    assert {*PROJECT["optional-dependencies"][extra]} <= {*PROJECT["optional-dependencies"]["test"]}


def test_the_version_is_the_same_in_the_package_the_citation_and_the_changelog() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(r"^## \[([\d.]+)\] - ([\d-]+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert (PROJECT["version"], citation["version"]) == (released[0][0], released[0][0])
    assert str(citation["date-released"]) == released[0][1]


def keys(schema: dict, prefix: str = "") -> set[str]:
    """Return the keys of a schema of mappings, with dots between, and NAME for names that users choose."""
    found = set()
    for name, inner in schema.get("properties", {}).items():
        found |= {f"{prefix}{name}"} | keys(inner, f"{prefix}{name}.")
    if isinstance(inner := schema.get("additionalProperties"), dict):
        found |= {f"{prefix}NAME"} | keys(inner, f"{prefix}NAME.")
    return found


def test_every_key_of_the_config_is_explained() -> None:
    schema = yaml.safe_load(config.SCHEMA.read_text())
    page = (ROOT / "workflow/config/README.md").read_text()
    assert set(re.findall(r"^\| `([\w.]+)` \|", page, re.M)) == keys(schema)


def test_every_configuration_is_explained() -> None:
    page = (ROOT / "workflow/config/README.md").read_text()
    files = {path.name for path in (ROOT / "workflow/config").glob("*.yaml")}
    assert set(re.findall(r"^\| \[([\w.]+\.yaml)\]", page, re.M)) == files


def test_tracked_files_name_no_path_of_a_machine():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    pattern = r"(^|[^A-Za-z0-9._~}-])/(work|root|home)/[A-Za-z0-9]"  # no part of an address or of a longer path
    search = ["git", "grep", "-nE", "--text", pattern]
    found = subprocess.run(search, cwd=ROOT, capture_output=True, env=os.environ | {"LC_ALL": "C"})  # ten times as fast
    assert found.stdout == b""


@pytest.mark.parametrize(("folder", "name"), PLUGINS, ids=lambda value: value)
def test_every_plugin_says_in_one_line_what_it_is(folder, name):
    assert plugins.summary(folder, name)


def test_every_folder_has_plugins():
    assert {folder for folder, _ in PLUGINS} == {
        "methods",
        "compressors",
        "benchmarks/metrics",
        "benchmarks/tables",
        "benchmarks/exit_rules",
        "benchmarks/figures",
        "benchmarks/studies",
    }
    assert ("methods", "weights") not in PLUGINS  # a folder without a module is none
    with pytest.raises(ValueError, match=r"there is no 'weights' in methods/: it has .*rbqe"):
        plugins.find("methods", "weights")


@pytest.mark.parametrize("name", plugins.names("methods"))
def test_every_method_maps_images_to_images(name):
    torch.manual_seed(0)
    plugin = plugins.find("methods", name)
    if getattr(plugin, "FORMS", None) == {}:
        pytest.skip("its weights bring the network: tests/methods has files for it")
    model = plugin.load(None, "cpu")
    assert not (model.training and list(model.parameters()))
    network = describe(model, name)
    shape = (40, 56, 3) if network.channels == 3 else (40, 56)
    noise = np.random.default_rng(0).integers(64, 192, shape, np.uint8)
    x = pixels.to_tensor([jpeg.decode(jpeg.encode(noise, 50))], "cpu")  # some methods are for JPEG alone
    results = tiling.enhance(network, x)
    assert len(results) == network.exit_count
    for result in results:
        assert (result.shape, result.dtype) == (x.shape, x.dtype)
        assert result.isfinite().all()
    assert all(torch.equal(one, two) for one, two in zip(results, tiling.enhance(network, x), strict=True))


def changed(**changes: object) -> dict:
    """Return the default config for the decoded images alone, with top-level entries replaced."""
    return copy.deepcopy(config.default()) | {"methods": {"decoded": {}}} | changes


def compressor(name: str, **changes: object) -> dict:
    settings = {"qualities": [10], "iqam_block_size": 8, "threshold": 0.8}
    return {"compressors": {name: settings | changes}}


def test_the_default_config_is_accepted():
    config.check(config.default())


def test_a_config_of_one_method_is_accepted():
    config.check(changed())
    assert config.methods(changed()) == ["decoded"]


MISTAKES = {
    "key": ({"metrix": ["psnr"]}, "'metrix' is no key of the top level: did you mean 'metrics'"),
    "number as key": ({"training": {0: None}}, "0 is no key of training: it has protocol, folder"),
    "strange key": ({"xyzzy": 1}, "'xyzzy' is no key of the top level: it has run, dataset, folders"),
    "inner key": (
        compressor("jpeg", treshold=0.8),
        "'treshold' is no key of compressors.jpeg: did you mean 'threshold'",
    ),
    "type": (compressor("jpeg", threshold="high"), "compressors.jpeg.threshold: 'high' is not of type 'number'"),
    "method": ({"methods": {"rbqee": {}}}, "there is no 'rbqee' in methods/: it has arcnn, cbdnet"),
    "compressor": (compressor("jpg"), "there is no 'jpg' in compressors/: it has avif, bpg, double_jpeg, double"),
    "metric": ({"metrics": ["pnsr"]}, "there is no 'pnsr' in benchmarks/metrics/: it has ms_ssim, psnr, psnr_b"),
    "table": ({"tables": ["table9"]}, "there is no 'table9' in benchmarks/tables/: it has bd_rate, calibration"),
    "figure": ({"figures": ["pie"]}, "there is no 'pie' in benchmarks/figures/: it has average_cost, complexity"),
    "quality": (compressor("jpeg", qualities=[50, 101]), "compressors: jpeg takes qf 1..100, not 101"),
    "block size": (compressor("jpeg", iqam_block_size=16), "compressors.jpeg.iqam_block_size: 16 is not one of [4, 8]"),
    "crop": (
        {"protocol": config.default()["protocol"] | {"crop": 8}},
        "protocol.crop: 8 is less than the minimum of 16",
    ),
    "weights": (
        {"methods": {"dcad": {"weights": "absent/{colour}-{compressor}.safetensors"}}},
        "dcad for jpeg needs absent/luma-jpeg.safetensors, which is missing: methods/weights/README.md says where",
    ),
    "placeholder": (
        {"methods": {"dcad": {"weights": "{codec}.safetensors"}}},
        "dcad: weights '{codec}.safetensors' takes {compressor} and {colour}",
    ),
    "method's compressor": (
        {"methods": {"dcad": {"compressors": ["jpg"]}}},
        "dcad is for 'jpg', but the compressors are jpeg, hevc",
    ),
    "data set": ({"dataset": "mine"}, "dataset is 'mine': choose demo or a name under folders"),
    "only": (
        {"methods": {"dcad": {}, "rbqe": {}}, "only": ["rbqee"]},
        "only names 'rbqee', which is not under methods: dcad, rbqe",
    ),
    "one word": ({"methods": {"dcad": {}}, "only": "rbqe"}, "only names 'rbqe', which is not under methods: dcad"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_in_the_config_is_named_with_its_remedy(kind):
    changes, message = MISTAKES[kind]
    with pytest.raises(ValueError) as caught:
        config.check(changed(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_forgotten_key_is_named():
    incomplete = changed()
    del incomplete["device"]
    with pytest.raises(ValueError, match="the top level: 'device' is a required property"):
        config.check(incomplete)


def test_a_folder_without_pictures_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"has no pictures: put files in it that end in \.png"):
        config.check(changed(dataset="mine", folders={"mine": str(tmp_path)}))
    with pytest.raises(NotADirectoryError, match="absent is no folder: name one with pictures in it"):
        config.check(changed(dataset="mine", folders={"mine": str(tmp_path / "absent")}))
    images.write(tmp_path / "picture.png", np.zeros((16, 16), np.uint8))
    config.check(changed(dataset="mine", folders={"mine": str(tmp_path)}))


def test_the_weights_of_a_method_are_those_of_the_compressor_and_colour(tmp_path):
    pattern = str(tmp_path / "{colour}-{compressor}.safetensors")
    settings = changed(methods={"dcad": {"weights": pattern}}, **compressor("jpeg"))
    (tmp_path / "luma-jpeg.safetensors").write_bytes(b"")
    config.check(settings)
    assert config.weights(settings, "dcad", "jpeg") == [str(tmp_path / "luma-jpeg.safetensors")]
    assert config.weights(settings, "decoded", "jpeg") == []


def test_a_method_for_one_compressor_needs_no_weights_for_others(tmp_path):
    weights = tmp_path / "dcad-jpeg.safetensors"
    weights.touch()
    settings = {"weights": str(tmp_path / "dcad-{compressor}.safetensors"), "compressors": ["jpeg"]}
    changes = changed(methods={"dcad": settings}, only=["dcad"])
    config.check(changes)
    assert [config.is_for(changes, "dcad", name) for name in ("jpeg", "hevc")] == [True, False]
    assert [config.weights(changes, "dcad", name) for name in ("jpeg", "hevc")] == [[str(weights)], []]


def test_methods_run_in_the_order_of_the_config_after_the_decoded_images():
    settings = changed(methods={"rbqe": {}, "decoded": {}, "dcad": {}})
    assert config.methods(settings) == ["decoded", "rbqe", "dcad"]
    assert config.methods(settings | {"only": ["dcad"]}) == ["decoded", "dcad"]
    assert config.methods(settings | {"only": "rbqe"}) == ["decoded", "rbqe"]


def test_golden_files_are_explained():
    readme = (Path(__file__).parents[1] / "golden/README.md").read_text()
    for path in (Path(__file__).parents[1] / "golden").glob("*.json"):
        json.loads(path.read_text())
        assert path.stem in readme


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("qebench", "methods", "compressors", "benchmarks", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert set(graphlib.TopologicalSorter(imports).static_order()) == graph.modules  # a circle raises CycleError


BESIDE = {  # what stands beside plug-ins
    "methods": {"weights"},
    "compressors": set(),
    "benchmarks": {"metrics", "tables", "figures", "exit_rules", "studies", "published", "measured", "contributed"},
}


@pytest.mark.parametrize("folder", BESIDE)
def test_folders_of_plugins_hold_plugins_alone(folder: str) -> None:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = {Path(line).parts[1].removesuffix(".py") for line in listed.stdout.splitlines()}
    there = plugins.names(folder) if folder in plugins.FUNCTIONS else []
    assert found == {"__init__", *BESIDE[folder], *there}
