"""The workflow as users run it, in a copy of the tree, on two tiny pictures and two tiny methods."""

import ast
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import torch
from helpers import tracing, workflows
from helpers.tiny_run import CONFIG, TINY, command, copy, forked, snakemake, write_picture
from helpers.workflows import jobs
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2]
THRESHOLDS = {"jpeg": 0.91, "hevc": 0.70}
QUALITIES = {"jpeg": [50, 10], "hevc": [37]}
TARGETS = ("results/table1.csv", "results/table2.csv", "results/figures/gain_over_cost.pdf")
STAGED = '''\
"""Staged: two exits with more and more of a 3x3 mean."""

from torch import nn

from qebench.checkpoints import reading

SHARES = (0.1, 0.2)


class Staged(nn.Module):
    exit_count = 2

    def __init__(self):
        super().__init__()
        self.channels = 1
        self.mean = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.mean.weight, 1 / 9)

    def exits(self, x):
        for share in SHARES:
            kept = yield (1 - share) * x + share * self.mean(x)
            x = x if kept is None else x[kept]

    def forward(self, x, exit=2):
        return (1 - SHARES[exit - 1]) * x + SHARES[exit - 1] * self.mean(x)


def load(weights, device):
    return reading.restore(Staged(), weights, device)
'''


@pytest.fixture(scope="module")
def ran(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """Return a copy of the tree and the run in it that made tables and figure."""
    tree = copy(fresh, tmp_path_factory.mktemp("finished"))
    done = snakemake(tree, *TARGETS)
    assert done.returncode == 0, done.stdout
    return tree, done


@pytest.fixture(scope="module")
def finished(ran: tuple[Path, subprocess.CompletedProcess]) -> Path:
    """Return a copy of the tree after that run; tests copy it before they write."""
    return ran[0]


@pytest.fixture
def tree(finished: Path, tmp_path: Path) -> Path:
    """Return a finished copy for one test to write in."""
    return copy(finished, tmp_path)


def qebench(tree: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run one command in a tree; what it prints is in `stdout`."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run([sys.executable, "-m", "qebench", *arguments], cwd=tree, **streams)


def step(tree: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run one step of the workflow in a tree, as `qebench` does."""
    return qebench(tree, "step", *arguments)


def measurements(tree: Path) -> tuple[pd.DataFrame, list[dict]]:
    table = pyarrow.parquet.read_table(tree / "results/measurements.parquet")
    return table.to_pandas(), json.loads(table.schema.metadata[b"qebench"])


def times(tree: Path, method: str) -> dict[str, int]:
    """Return when each result of a method was written, in ns."""
    return {str(path.relative_to(tree)): path.stat().st_mtime_ns for path in tree.glob(f"results/**/{method}.*")}


def gain(rows: pd.DataFrame, compressor: str, quality: int, method: str, codec: str) -> float:
    """Return the mean gain in unrounded PSNR over images, each at the first exit that reaches the threshold.

    `codec` is the compressor that the weights and the threshold are for.
    """
    level = rows[(rows["compressor"] == compressor) & (rows["quality"] == quality)]
    level = level[level["trained_on"].isin(["", codec])]
    gains = []
    for image in level["image"].unique():
        values = {(row.method, row.exit, row.metric): row.value for row in level[level["image"] == image].itertuples()}
        exits = sorted(exit for name, exit, metric in values if name == method and metric == "iqam")
        reached = [exit for exit in exits if values[method, exit, "iqam"] >= THRESHOLDS[codec]]
        taken = [*reached, exits[-1]][0]
        gains.append(values[method, taken, "psnr_unrounded"] - values["decoded", 1, "psnr_unrounded"])
    return sum(gains) / len(gains)


def assert_table1_is_right(tree: Path, methods: list[str], qualities: dict[str, list[int]]) -> None:
    """Compare every number of table 1 with one computed from the measurements by hand."""
    rows, _ = measurements(tree)
    table = pd.read_csv(tree / "results/table1.csv", dtype={"quality": str})
    assert list(table.columns) == ["compressor", "quality", *methods]
    lines = iter(table.to_dict("records"))
    for compressor, levels in qualities.items():
        gains = {(level, name): gain(rows, compressor, level, name, compressor) for level in levels for name in methods}
        for level in [*levels, "ave."]:
            line = next(lines)
            assert (line["compressor"], line["quality"]) == (compressor, str(level))
            for name in methods:
                expected = gains.get((level, name), sum(gains[each, name] for each in levels) / len(levels))
                assert line[name] == pytest.approx(expected, abs=0.0005 + 1e-9)  # printed with three decimals
    assert not list(lines)


def test_a_run_gives_tables_figures_and_measurements(finished: Path) -> None:
    assert_table1_is_right(finished, ["tiny"], QUALITIES)
    columns = ["method", "early_exit", "params", "gmacs", "gmacs_paper", "latency_ms", "peak_mb"]
    columns += ["device", "busy_cores"]
    columns += [f"delta_{metric}_{compressor}" for metric in ("psnr", "ssim") for compressor in ("jpeg", "hevc")]
    assert list(pd.read_csv(finished / "results/table2.csv").columns)[: len(columns)] == columns
    for name in ("table1.md", "table1.tex", "table2.md", "table2.tex", "figures/gain_over_cost.pdf"):
        assert (finished / "results" / name).stat().st_size > 0
    rows, provenance = measurements(finished)
    columns = ["dataset", "image", "compressor", "quality", "method", "trained_on", "exit", "metric", "value"]
    assert list(rows.columns) == columns
    assert set(rows["metric"]) == {"bpp", "iqam", "psnr", "psnr_unrounded", "ssim"}
    assert len(provenance) == 2 * 3  # decoded and tiny at each quality
    for record in provenance:
        assert {"commit", "versions", "codec", "weights", "device", "images"} <= record.keys()


def test_elsewhere_than_on_a_terminal_a_job_is_three_lines_and_its_start_names_what_it_makes(ran) -> None:
    shown, count = ran[1].stdout, sum(jobs(ran[1]).values())
    assert re.search(r"^Job \d+: compress compressor=jpeg,part=mine,quality=10$", shown, re.M)
    assert f"{count} of {count} steps (100%) done" in shown
    for detail in ("wildcards:", "input:", "eason:", "    resources:"):
        assert detail not in shown
    # Beside its three lines when it begins and ends, and Snakemake's of selecting it: under 60 lines for three jobs.
    assert len(shown.splitlines()) < 39 + 7 * count


def test_a_second_run_does_nothing_even_if_sources_were_touched(tree: Path) -> None:
    for name in ("methods/tiny.py", "compressors/jpeg/__init__.py", "benchmarks/metrics/ssim.py", "pictures/hill.png"):
        (tree / name).touch()
    done = forked(tree, *TARGETS)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


def test_without_a_target_the_reproduction_is_made_beside_tables_and_figures(tree: Path) -> None:
    assert jobs(forked(tree, "--dry-run")) == {"survey": 1, "reproduction": 1, "all": 1}


def test_editing_a_method_reruns_its_jobs_and_what_joins_them(tree: Path) -> None:
    (tree / "methods/tiny.py").write_text(TINY.replace("0.2", "0.3"))
    done = forked(tree, "--dry-run", "results/table1.csv")
    assert jobs(done) == {"evaluate": 2, "complexity": 1, "latency": 1, "measurements": 1, "table": 1}
    assert "method=decoded" not in done.stdout
    os.utime(tree / "methods/tiny.py", (0, 0))  # as a file that was moved here or came out of an archive
    assert jobs(forked(tree, "--dry-run", "results/table1.csv")) == jobs(done)


MEASURED = {"measurements": 1, "table": 1}
EDITS = {  # of a shared file: what in it is replaced, the target, and the jobs that follow
    "one codec's encoder": ("qebench/coding/x265.py", "0.57", "0.56", {"compress": 1, "evaluate": 2} | MEASURED),
    "the score": ("qebench/iqa/definition.py", "0.004", "0.005", {"evaluate": 4, "latency": 2} | MEASURED),
    "a metric": ("benchmarks/metrics/ssim.py", "1.5", "1.6", {"evaluate": 4} | MEASURED),
    "evaluation": (
        "qebench/evaluation/batches.py",
        "CPU_BATCH = 1",
        "CPU_BATCH = 2",
        {"evaluate": 4} | MEASURED,
    ),
    "running a codec": (
        "qebench/coding/folder.py",
        "3 * tools",
        "4 * tools",
        {"compress": 3, "evaluate": 4} | MEASURED,
    ),
    "counting": (
        "qebench/cost/complexity.py",
        "GIGA = 1e9",
        "GIGA = 1e10",
        {"complexity": 2, "table": 1},
    ),
    "printing": ("qebench/common/typesetting.py", "†", "*", {"table": 1}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_shared_file_plans_the_jobs_that_run_it_and_no_others(tree: Path, edit: str) -> None:
    name, before, after, expected = EDITS[edit]
    replace(tree / name, before, after)
    done = forked(tree, "--dry-run", "results/table1.csv")
    assert jobs(done) == expected
    if edit == "one codec's encoder":
        assert "compressor=jpeg" not in done.stdout


def test_an_edited_comment_and_an_edited_docstring_plan_nothing(tree: Path) -> None:
    replace(tree / "qebench/coding/x265.py", "MIN_SIDE = 32  #", "MIN_SIDE = 32  # of a side:")
    replace(tree / "qebench/iqa/iqam.py", '"""IQAM: the', '"""The IQAM: the')
    assert "Nothing to be done" in forked(tree, "--dry-run", "results/table1.csv").stdout


def replace(path: Path, before: str, after: str) -> None:
    """Replace a text that a file has."""
    source = path.read_text()
    assert before in source
    path.write_text(source.replace(before, after))


def test_an_edited_style_plans_figures_alone(tree: Path) -> None:
    with (tree / "qebench/common/qebench.mplstyle").open("a") as style:
        style.write("axes.titlesize: 11\n")
    done = forked(tree, "--dry-run", "results/table1.csv", "results/figures/gain_over_cost.pdf")
    assert jobs(done) == {"figure": 1}


def test_layers_of_two_methods_are_followed_by_both_and_no_other(fresh: Path, tmp_path: Path) -> None:
    tree = copy(fresh, tmp_path)
    code = "from qebench.common import plugins as p; print({m: p.content(f'methods.{m}') for m in p.names('methods')})"

    def contents() -> dict[str, str]:
        return ast.literal_eval(subprocess.check_output([sys.executable, "-c", code], cwd=tree, text=True))

    before, layers = contents(), tree / "qebench/networks/layers/encoder_decoder.py"
    layers.write_text(layers.read_text().replace("(64, 128, 256)", "(64, 128, 255)"))
    after = contents()
    assert {method for method in before if before[method] != after[method]} == {"unet", "cbdnet"}


FAILS = """

def _fail(self, x):
    raise ValueError("this network is broken")


Tiny.forward = _fail
"""


def test_a_failed_job_sets_aside_what_depends_on_it_and_keeps_the_rest(tree: Path) -> None:
    results, table = tree / "results", (tree / "results/table1.csv").read_bytes()
    (tree / "methods/tiny.py").write_text(TINY + FAILS)
    measured = "results/measurements/mine/jpeg/none/tiny.parquet"
    done = forked(tree, "results/table1.csv", "--rerun-triggers", "mtime", "--forcerun", measured)  # this job alone
    assert done.returncode != 0
    assert "this network is broken" in done.stdout
    assert re.search(r"moved to results/\.superseded/, as a job that they depend on failed: .*table1\.csv", done.stdout)
    assert not (results / "table1.csv").exists()
    assert (results / ".superseded/table1.csv").read_bytes() == table
    assert (results / "measurements/mine/jpeg/none/decoded.parquet").exists()
    assert not (tree / measured).exists()
    (tree / "methods/tiny.py").write_text(TINY)
    done = forked(tree, "results/table1.csv")
    assert done.returncode == 0, done.stdout
    assert jobs(done) == {"evaluate": 1, "measurements": 1, "table": 1}
    assert (results / "table1.csv").read_bytes() == table


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused_and_nothing_is_lost(tree: Path) -> None:
    def kept() -> dict[Path, int]:
        found = (path for path in (tree / "results").rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in found}

    before = kept()
    done = forked(tree, "results/table1.csv", "--config", "device=cuda")
    assert done.returncode != 0
    assert "device cuda: this machine has no GPU that torch" in done.stdout
    assert kept() == before
    assert "Nothing to be done" in forked(tree, "results/table1.csv", "--config", "device=cpu").stdout


def test_replacing_a_picture_reruns_measurements_but_not_costs(tree: Path) -> None:
    write_picture(tree / "pictures/hill.png", 64, 64, seed=2)
    os.utime(tree / "pictures/hill.png", (0, 0))  # as a file that was moved here or came out of an archive
    done = forked(tree, "--dry-run", "results/table1.csv")
    assert jobs(done) == {"prepare": 1, "compress": 3, "evaluate": 4, "measurements": 1, "table": 1}


def documented(title: str, name: str) -> tuple[str, str]:
    """Return the file that begins with a title in docs/extend.md, and the config line of a name."""
    page = (ROOT / "docs/extend.md").read_text()
    return re.search(rf'```python\n("""{title}.*?)```', page, re.S)[1], re.search(rf"`({name}: {{.*?}})`", page)[1]


@pytest.mark.long
def test_the_method_of_the_docs_is_one_file_and_one_config_line_and_runs_alone(tree: Path) -> None:
    others = {name: times(tree, name) for name in ("decoded", "tiny")}
    source, line = documented("MyNet: ", "mynet")
    (tree / "methods/mynet.py").write_text(source)
    shapes = {
        "layers.0.weight": (32, 1, 3, 3),
        "layers.0.bias": 32,
        "layers.2.weight": (1, 32, 3, 3),
        "layers.2.bias": 1,
    }
    (tree / "path").mkdir()
    for compressor in ("jpeg", "hevc"):
        weights = {name: np.full(shape, 0.001, np.float32) for name, shape in shapes.items()}
        save_file(weights, tree / f"path/mynet-luma-{compressor}.safetensors")
    config = CONFIG.replace("{tiny: {}}", f"{{tiny: {{}}, {line}}}").replace("[tiny]", "[tiny, mynet]")
    (tree / "mine.yaml").write_text(config)
    done = snakemake(tree, "results/table1.csv", "results/table2.csv")
    assert done.returncode == 0, done.stdout
    assert jobs(done) == {"evaluate": 2, "complexity": 1, "latency": 1, "measurements": 1, "table": 2}
    assert set(re.findall(r"method=(\w+)", done.stdout)) == {"mynet"}
    assert {name: times(tree, name) for name in others} == others
    assert_table1_is_right(tree, ["tiny", "mynet"], QUALITIES)
    table = pd.read_csv(tree / "results/table2.csv").set_index("method")
    assert list(table.index) == ["decoded", "tiny", "mynet"]
    assert table.loc["mynet", "params"] == 9 * 32 + 32 + 9 * 32 + 1


@pytest.mark.long
def test_the_codec_metric_and_table_of_the_docs_run_together(tree: Path) -> None:
    codec, line = documented("Coarse: ", "coarse")
    page = (ROOT / "docs/extend.md").read_text()
    metric, table = (re.search(rf'```python\n("""{title}.*?)```', page, re.S)[1] for title in ("Mean", "Errors"))
    for path, source in (
        ("compressors/coarse", codec),
        ("benchmarks/metrics/mae", metric),
        ("benchmarks/tables/errors", table),
    ):
        (tree / f"{path}.py").write_text(source)
    config = CONFIG.replace("  jpeg:", f"  {line}\n  jpeg:").replace("[tiny]", "[tiny, coarse]")
    (tree / "mine.yaml").write_text(config.replace("[table1, table2]", "[errors]") + "metrics: [mae]\n")
    done = snakemake(tree, "results/errors.csv")
    assert done.returncode == 0, done.stdout
    errors = pd.read_csv(tree / "results/errors.csv").set_index(["compressor", "quality"])
    assert list(errors.index) == [("coarse", 8), ("coarse", 32)]
    # Levels spread evenly over steps of n, decoded to n // 2, are n / 4 off in the mean.
    assert errors["decoded"].to_list() == pytest.approx([2, 8], rel=0.05)


@dataclass(frozen=True)
class Transfer:
    """What became of a finished copy to which a method was added, first with weights that cannot be read."""

    tree: Path
    others: dict[str, dict[str, int]]  # the times of the results of the other methods, before
    failed: list[tuple[subprocess.CompletedProcess, list[Path]]]  # runs and the tables they left
    done: subprocess.CompletedProcess


@pytest.fixture(scope="module")
def transferred(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Transfer:
    """Return a finished copy after runs with a method of two exits, weights for either compressor and all tables."""
    tree = copy(finished, tmp_path_factory.mktemp("transferred"))
    others = {name: times(tree, name) for name in ("decoded", "tiny")}
    (tree / "methods/staged.py").write_text(STAGED)
    config = CONFIG.replace("{tiny: {}}", '{tiny: {}, staged: {weights: "mine/{compressor} net.safetensors"}}')
    config = config.replace("[tiny]", "[tiny, staged]")
    config = config.replace("qualities: [37]", "qualities: [37], weights_of: [hevc, jpeg]")
    names = "leaderboard, table1, table2, table3, intervals, bd_rate, calibration, generalization"
    (tree / "mine.yaml").write_text(config.replace("[table1, table2]", f"[{names}]"))
    weights = {codec: tree / f"mine/{codec} net.safetensors" for codec in ("jpeg", "hevc")}
    (tree / "mine").mkdir()
    for path in weights.values():
        path.write_text("no weights")
    failed = []
    for _ in range(2):
        done = snakemake(tree, "results/table1.csv", "results/table2.csv")
        failed.append((done, list((tree / "results").glob("table*"))))
    for codec, share in (("jpeg", 1 / 9), ("hevc", 1 / 8)):
        save_file({"mean.weight": np.full((1, 1, 3, 3), share, np.float32)}, weights[codec])
    done = snakemake(tree)
    assert done.returncode == 0, done.stdout
    return Transfer(tree, others, failed, done)


@pytest.mark.long
def test_weights_that_do_not_load_are_refused_before_any_job_and_tables_stay(transferred: Transfer) -> None:
    for done, tables in transferred.failed:
        assert done.returncode != 0
        assert re.search(r"error: mine/(jpeg|hevc) net\.safetensors", done.stdout)
        assert "Error in rule" not in done.stdout
        assert {path.name for path in tables} >= {"table1.csv", "table1.md", "table2.csv", "table2.tex"}


@pytest.mark.long
def test_a_new_method_runs_alone_with_native_weights_and_others(transferred: Transfer) -> None:
    tree, done = transferred.tree, transferred.done
    expected = {"evaluate": 3, "complexity": 1, "latency": 1, "measurements": 1, "table": 7, "figure": 1}
    assert jobs(done) == expected | {"survey": 1, "reproduction": 1, "all": 1}
    assert {name: times(tree, name) for name in transferred.others} == transferred.others
    assert_table1_is_right(tree, ["tiny", "staged"], QUALITIES)
    table = pd.read_csv(tree / "results/table2.csv").set_index(["method", "early_exit"])
    assert list(table.index) == [("decoded", "no"), ("tiny", "no"), ("staged", "no"), ("staged", "yes")]
    for compressor in ("jpeg", "hevc"):  # some images leave early and some do not
        assert not table.loc[("staged", "yes"), f"exit_shares_{compressor}"].startswith(("100/", "0/"))


@pytest.mark.long
def test_weights_for_another_compressor_are_measured_beside_the_native_ones(transferred: Transfer) -> None:
    tree = transferred.tree
    rows, provenance = measurements(tree)
    for record in provenance:
        if record["method"] == "staged":
            assert record["weights"]["file"] == f"mine/{record['trained_on']} net.safetensors"
    table = pd.read_csv(tree / "results/generalization.csv", dtype={"quality": str})
    assert list(table) == ["compressor", "quality", "tiny", "staged_jpeg", "staged_hevc"]
    assert list(zip(table["compressor"], table["quality"], strict=True)) == [
        ("jpeg", "50"),
        ("jpeg", "10"),
        ("jpeg", "ave."),
        ("hevc", "37"),
        ("hevc", "ave."),
    ]
    for codec in ("jpeg", "hevc"):
        expected = gain(rows, "hevc", 37, "staged", codec)
        assert table[f"staged_{codec}"].iloc[3:].to_list() == pytest.approx([expected] * 2, abs=0.0005 + 1e-9)
    assert table["staged_hevc"].iloc[:3].isna().all()
    markdown = (tree / "results/generalization.md").read_text().splitlines()
    assert ["†" in cell for cell in markdown[5].split("|")[1:-1]] == [False, False, False, False, True]  # hevc 37


@pytest.mark.long
def test_kept_results_join_the_next_leaderboard(tree: Path) -> None:
    config = (tree / "mine.yaml").read_text()
    (tree / "mine.yaml").write_text(config.replace("[table1, table2]", "[leaderboard]"))
    done = snakemake(tree, "results/leaderboard.csv")
    assert done.returncode == 0, done.stdout
    kept = step(tree, "results-keep", "tiny-lab", "--results", "results")
    assert kept.stdout.strip() == str(tree / "benchmarks/measured/tiny-lab.zip")
    done = snakemake(tree, "results/leaderboard.csv")
    assert jobs(done) == {"table": 1}
    board = pd.read_csv(tree / "results/leaderboard.csv").query("dataset == 'mine'")
    ours, theirs = (board[board["origin"] == origin].drop(columns="origin") for origin in ("here", "tiny-lab"))
    assert len(ours) == 2
    columns = ["compressor", "method", "delta_psnr", "gmacs", "latency_ms", "peak_mb", "device"]
    assert ours[columns].to_numpy().tolist() == theirs[columns].to_numpy().tolist()


@pytest.mark.long
def test_every_number_of_the_tables_is_traced_to_rows_of_measurements(transferred: Transfer) -> None:
    tree = transferred.tree
    measured = tracing.Measured(tree / "results/measurements.parquet", THRESHOLDS)
    for table in tracing.TABLES:
        found = tracing.cells(table, tree / f"results/{table}.csv", measured)
        assert len(found) >= 10
        assert [cell for cell in found if not tracing.agrees(*cell[1:])] == []


@pytest.mark.long
def test_all_results_removed_and_made_again_in_shards_are_the_same_byte_for_byte(
    transferred: Transfer, tmp_path: Path
) -> None:
    before = transferred.tree
    tree = copy(before, tmp_path)
    for path in (tree / "results").iterdir():
        if path.name not in ("README.md", "latency"):  # times are others every time
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = snakemake(tree, "--config", "shards=2")
    assert done.returncode == 0, done.stdout
    found = jobs(done)
    assert [found[rule] for rule in ("shard", "compress", "evaluate", "join", "table")] == [2, 6, 14, 7, 7]
    assert sorted(path.name for path in (tree / "results/decoded").iterdir()) == ["mine.1of2", "mine.2of2"]
    published = {path.name for suffix in ("csv", "md", "tex") for path in (before / "results").glob(f"*.{suffix}")}
    assert {"table2.tex", "intervals.md", "reproduction.csv", "complexity.tex"} <= published
    made = {name: (tree / "results" / name).read_bytes() for name in published}
    assert [name for name in made if made[name] != (before / "results" / name).read_bytes()] == []
    assert_equal_results(tree, before)
    sampled = qebench(tree, "verify", "results", "--sample", "4", "--device", "cpu")
    assert sampled.returncode == 0, sampled.stdout


@pytest.mark.long
def test_a_picture_that_cannot_be_read_fails_every_run_until_it_is_mended(tree: Path) -> None:
    picture = tree / "pictures/hill.png"
    before = picture.read_bytes()
    picture.write_text("no picture")
    for _ in range(2):
        done = snakemake(tree)
        assert done.returncode != 0
        assert "error: pictures/hill.png" in done.stdout
        assert not (tree / "results/table1.csv").exists()
    picture.write_bytes(before)
    assert jobs(snakemake(tree, "--dry-run", "results/table1.csv"))["prepare"] == 1


@pytest.mark.long
def test_a_setting_that_cannot_work_fails_every_run(tree: Path) -> None:
    (tree / "mine.yaml").write_text(CONFIG + "protocol: {scale: 8}\n")  # leaves 8x8 pixels
    (tree / "results/run.json").unlink()  # which refuses another protocol earlier
    for _ in range(2):
        done = snakemake(tree)
        assert done.returncode != 0
        assert "error: pictures/hill.png" in done.stdout
        assert not (tree / "results/table1.csv").exists()


@pytest.mark.long
def test_a_killed_run_goes_on_to_the_same_numbers(tree: Path, finished: Path) -> None:
    remove_measured(tree, "mine/hevc")
    for _ in range(2):
        log = (tree / "killed.log").open("w")
        streams = {"stdout": log, "stderr": log, "env": workflows.environment()}
        run = subprocess.Popen(command("results/table1.csv"), cwd=tree, start_new_session=True, **streams)
        time.sleep(random.uniform(2, 6))  # any moment must do
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        done = snakemake(tree, "--unlock")
        assert done.returncode == 0, done.stdout
    done = snakemake(tree, "results/table1.csv")
    assert done.returncode == 0, done.stdout
    assert_equal_results(tree, finished)


@pytest.mark.long
def test_a_second_workflow_in_the_folder_is_refused_and_does_no_harm(
    tree: Path, finished: Path, record_property: Callable[[str, int], None]
) -> None:
    remove_measured(tree, "mine/hevc")
    log = (tree / "first.log").open("w")
    streams = {"stdout": log, "stderr": log, "env": workflows.environment()}
    first = subprocess.Popen(command("results/table1.csv"), cwd=tree, **streams)
    while not (tree / "results/decoded/mine/hevc").exists():  # the first job has begun
        assert first.poll() is None
        time.sleep(0.02)
    second = snakemake(tree, "results/table1.csv")
    record_property("injected", 1)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout
    assert first.wait() == 0, (tree / "first.log").read_text()
    assert_equal_results(tree, finished)
    record_property("identical", 1)


def assert_equal_results(tree: Path, expected: Path) -> None:
    """Compare the table byte for byte, and all measurements with what they come from."""
    for suffix in ("csv", "md", "tex"):
        path = f"results/table1.{suffix}"
        assert (tree / path).read_bytes() == (expected / path).read_bytes()
    (rows, provenance), (expected_rows, expected_provenance) = measurements(tree), measurements(expected)
    pd.testing.assert_frame_equal(rows, expected_rows, check_exact=True)
    assert provenance == expected_provenance


def remove_measured(tree: Path, part: str = "") -> None:
    """Remove all but the originals and the costs from results; of what tables are made from, one part if named."""
    for path in (*tree.glob("results/*.*"), tree / "results/decoded" / part, tree / "results/measurements" / part):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[None]:
    """Run a Slurm cluster of one node, this machine, for the time of a test."""
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(name)]
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine: they come with Debian's slurm-wlm and munge")
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("no snakemake-executor-plugin-slurm: pip install '.[cluster]'")
    if os.geteuid() or Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("needs root, and a machine that is part of no Slurm cluster yet")
    script = ROOT / "tests/helpers/slurm.sh"
    try:
        subprocess.run([script, "start", tmp_path / "slurm"], check=True)
        yield
    finally:
        subprocess.run([script, "stop", tmp_path / "slurm"], check=True)


ON_ONE_NODE = ["--default-resources", "mem_mb=1000", "runtime=10", "--set-resources", "latency:mem_mb=1000"]
ON_ONE_NODE += ["--max-threads", "2", "--latency-wait", "10", "--seconds-between-status-checks", "2"]
ON_ONE_NODE += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"]

FAILS_ONCE = """

import sys
from pathlib import Path

if "evaluate" in sys.argv and not Path("failed").exists():
    Path("failed").touch()
    raise MemoryError("the first job that measures this method fails")
"""


def test_slurm_gives_the_same_results_and_more_memory_to_what_failed(slurm: None, tree: Path, finished: Path) -> None:
    remove_measured(tree)
    (tree / "methods/tiny.py").write_text(TINY + FAILS_ONCE)
    arguments = [*ON_ONE_NODE, "--workflow-profile", "workflow/profiles/slurm"]
    done = snakemake(tree, "results/table1.csv", *arguments, seconds=900)
    assert done.returncode == 0, done.stdout
    assert "has been submitted with SLURM jobid" in done.stdout
    assert (tree / "failed").exists()
    submitted = "".join(re.findall(r"^rule evaluate:.*?\n\n", done.stdout, re.M | re.S))
    assert re.findall(r"mem_mb=(8000),", submitted) == ["8000"]  # one of four, tried again
    assert "group_publish" in done.stdout
    assert_equal_results(tree, finished)


def test_the_gpu_profile_asks_slurm_for_a_gpu_for_networks_and_not_for_codecs(slurm: None, tree: Path) -> None:
    remove_measured(tree)
    arguments = [*ON_ONE_NODE, "--workflow-profile", "workflow/profiles/gpu", "--retries", "0"]
    done = snakemake(tree, "results/measurements/mine/jpeg/none/tiny.parquet", *arguments)
    listed = subprocess.run(["scontrol", "show", "jobs", "--oneliner"], capture_output=True, text=True, check=True)
    asked = {
        re.search(r"Comment=rule_([a-z]+)_", job)[1]: re.findall(r"TresPerJob=(\S+)", job)
        for job in listed.stdout.splitlines()
    }
    assert asked == {"compress": [], "evaluate": ["gres:gpu:1"]}
    if not torch.cuda.is_available():  # the node has none, and the job says so
        assert done.returncode != 0
        assert "device cuda: this machine has no GPU that torch" in done.stdout


def test_lint_finds_nothing(tree: Path) -> None:
    done = forked(tree, "--lint")
    assert done.returncode == 0, done.stdout
    assert "good condition" in done.stdout


def test_the_report_holds_tables_and_figure(tree: Path) -> None:
    done = forked(tree, *TARGETS, "--report", "report.html")
    assert done.returncode == 0, done.stdout
    page = (tree / "report.html").read_text()
    assert all(name in page for name in ("table1.csv", "table2.csv", "gain_over_cost.png"))


@pytest.mark.long
def test_our_report_is_made_with_its_examples_and_twice_the_same(tree: Path) -> None:
    assert snakemake(tree).returncode == 0  # with the reproduction, which the page has
    done = snakemake(tree, "results/report.html")
    assert done.returncode == 0, done.stdout
    assert jobs(done) == {"examples": 2, "strips": 2, "page": 1}
    page = (tree / "results/report.html").read_text(encoding="utf-8")
    for title in ("hill", "lake", "PSNR gain by codec and quality", "Cost and gain"):
        assert title in page
    for row in pd.read_csv(tree / "results/table1.csv", dtype=str).itertuples(index=False):
        assert all(cell in page for cell in row[2:])
    assert "Nothing to be done" in snakemake(tree, "results/report.html").stdout
    made = ("report.html", "examples/mine/jpeg.csv", "figures/qualitative/mine-jpeg.png")
    before = [(tree / "results" / name).read_bytes() for name in made]
    (tree / "results/report.html").unlink()
    (tree / "results/examples/mine/jpeg.csv").unlink()
    assert jobs(snakemake(tree, "results/report.html")) == {"examples": 1, "strips": 1, "page": 1}
    template = tree / "qebench/publishing/report/page.html.jinja"
    source = template.read_text()
    template.write_text(source + "<!-- edited -->")
    assert jobs(snakemake(tree, "--dry-run", "results/report.html")) == {"page": 1}
    template.write_text(source)
    assert [(tree / "results" / name).read_bytes() for name in made] == before
    verified = qebench(tree, "verify", "results", "--sample", "1", "--device", "cpu")
    assert verified.returncode == 0, verified.stdout
