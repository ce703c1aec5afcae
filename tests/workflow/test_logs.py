"""What a run shows: bars and the time left on a terminal, at the end its table.

What it shows elsewhere, three short lines a job, is looked at in test_workflow.py, at the run that is made there.
"""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import trees, workflows
from PIL import Image
from rich.progress import Progress

from qebench import runs, terminal

TARGETS = ("results/decoded/mine/jpeg/50.csv", "results/decoded/mine/jpeg/10.csv")
SETTINGS = ("dataset=mine", "folders={mine: pictures}", "only=jpeg", "methods=decoded")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tree with one small picture."""
    tree = trees.copy(tmp_path_factory.mktemp("logs") / "tree")
    (tree / "pictures").mkdir()
    Image.fromarray(np.arange(64 * 64).reshape(64, 64).astype(np.uint8)).save(tree / "pictures/hill.png")
    return tree


def command(*arguments: str) -> list[str]:
    """Return a run of three jobs: prepare, and compress twice."""
    program = str(Path(sys.executable).with_name("snakemake"))
    return [program, "--cores", "1", "--forceall", *arguments, *TARGETS, "--config", *SETTINGS]


def environment() -> dict[str, str]:
    """Return ours for a terminal that is wide enough for whole lines."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
    return kept | {"COLUMNS": "160", "TERM": "xterm-256color"}


def on_a_terminal(arguments: list[str], folder: Path) -> str:
    """Run a command whose output is a terminal, and return what it wrote there."""

    def written() -> Iterator[bytes]:
        while True:
            try:
                yield os.read(ours, 4096)
            except OSError:  # the other end is closed
                return

    ours, theirs = pty.openpty()
    process = subprocess.Popen(arguments, cwd=folder, env=environment(), stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    text = b"".join(written()).decode()
    os.close(ours)
    assert process.wait(timeout=60) == 0, text
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.long
def test_a_terminal_shows_a_bar_per_rule_and_one_of_all_jobs_with_the_time_left(tree: Path) -> None:
    shown = on_a_terminal(command(), tree)
    for bar in ("prepare", "compress", "Total Progress"):
        assert re.search(rf"{bar}.*%", shown)
    assert re.search(r"Total Progress.* about \d+ (s|min) left", shown)
    assert not re.search(r"compress .*left", shown)
    assert "wildcards" not in shown


def test_a_dry_run_says_what_jobs_read_and_why(tree: Path) -> None:
    done = workflows.fork(tree, *command("--dry-run")[1:])
    assert "input: pictures/hill.png" in done.stdout
    assert re.search(r"reason: .+", done.stdout)


@pytest.mark.parametrize(("seconds", "words"), [(4.2, "4 s"), (59, "59 s"), (150, "2 min"), (5400, "1.5 h")])
def test_a_time_is_in_the_unit_that_says_most(seconds: float, words: str) -> None:
    assert terminal.text(seconds) == words


def test_the_time_left_is_that_of_all_jobs_at_the_mean_pace() -> None:
    clock = iter([0.0, *[60.0] * 50])
    bars = Progress(get_time=lambda: next(clock))
    everything = bars.add_task("Total Progress", total=4)  # at 0 s
    bars.update(everything, completed=1)
    single = bars.add_task("prepare", total=2)
    first, second = bars.tasks
    assert terminal.TimeLeft().render(first).plain == "about 3 min left"
    bars.update(single, completed=1)
    assert terminal.TimeLeft().render(second).plain == ""
    bars.update(everything, completed=4)
    assert terminal.TimeLeft().render(first).plain == ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return results with two tables, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("results", "results/mine"):
        (tmp_path / name).mkdir()
        for table in ("table1", "table2"):
            (tmp_path / f"{name}/{table}.md").write_text(f"| {table} |\n|---|\n| 1 |\n\nA note.\n")
    return tmp_path


def test_a_run_ends_with_the_table_that_was_asked_for_and_where_all_is(folder: Path) -> None:
    words = runs.closing(None, ["results/table2.csv"])
    assert words.startswith("| table2 |\n|---|\n| 1 |\n\nA note.\n")
    assert "results/table2.md" in words
    assert "`make report` makes results/report.html" in words
    (folder / "results/report.html").touch()
    assert runs.closing(None, ["results/table2.csv"]).endswith("Report: results/report.html")


def test_the_end_of_a_named_run_names_its_folder(folder: Path) -> None:
    words = runs.closing("mine", ["results/mine/table1.csv"])
    assert words.startswith("| table1 |")
    assert "`make report CONFIG='run=mine'` makes results/mine/report.html" in words


def test_the_end_of_a_run_with_a_configuration_file_names_that(folder: Path) -> None:
    words = runs.closing("mine", ["results/mine/table1.csv"], [Path("mine.yaml")])
    command = "snakemake --cores all results/mine/report.html --configfile mine.yaml --config run=mine"
    assert words.endswith(f"Report: none yet; `{command}` makes results/mine/report.html")


@pytest.mark.parametrize("targets", [[], ["all", "results/report.html"], ["results/table1.csv", "results/table2.csv"]])
def test_of_several_tables_the_places_are_named(folder: Path, targets: list[str]) -> None:
    assert runs.closing(None, targets).startswith("Tables: results/*.md, .csv and .tex")


def test_the_table_is_for_a_terminal(folder: Path) -> None:
    table = "| a | ms              |\n|:--|----------------:|\n| x | <ins>12.5</ins> |\n| y |         **9.1** |\n"
    (folder / "results/table1.md").write_text(f"{table}\n{'a word ' * 40}\n")
    shown = runs.closing(None, ["results/table1.csv"])
    assert "| x |            12.5 |\n| y |         **9.1** |\n" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_a_long_table_is_cut(folder: Path) -> None:
    (folder / "results/table1.md").write_text("\n".join(f"| {number} |" for number in range(100)))
    shown = runs.closing(None, ["results/table1.csv"]).splitlines()
    assert shown[runs.LINES - 1] == f"| {runs.LINES - 1} |"
    assert f"| {runs.LINES} |" not in shown


def test_a_run_that_makes_no_results_ends_without_words(folder: Path) -> None:
    assert runs.closing(None, ["weights"]) == ""
