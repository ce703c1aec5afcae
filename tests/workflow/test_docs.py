"""The commands of README and docs run as written: short ones are run, of long ones it is checked that they would."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from helpers import trees, workflows
from PIL import Image

from compressors import bpg, hm
from qebench import config, runs
from qebench.common import plugins

ROOT = plugins.ROOT
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent
PROGRAMS = ("qebench ", "python", "make", "snakemake", "pip", "conda", ".venv/bin/")
# Not run, but parsed: every option must be one of the command's.
LONG = {
    "verify": "needs finished results; tests/common/test_provenance.py runs it",
    "compare": "needs two folders of results; tests/common/test_provenance.py runs it",
    "archive": "needs finished results; tests/common/test_provenance.py runs it",
    "dataset": "downloads, or checks pictures that are not here; tests/datasets/test_collections.py runs it",
    "import": "needs the authors' file; tests/checkpoints/test_conversion.py runs it",
    "train": "needs pictures to train on, and hours; tests/training/test_training_runs.py runs it",
    "pack": "needs pictures to train on; tests/training/test_training_pairs.py runs it",
    "study gpu-ranking": "needs packs; tests/training/test_equal.py runs it",
    "step latency-keep": "needs finished results; tests/cost/test_latency.py runs it",
    "study jpeg-literature": "needs classic5 and LIVE1; tests/evaluation/test_literature.py runs it",
    "study rbqe-speed": "minutes",
    "study training-speed": "minutes",
    "study exit-cost": "minutes",
    "study card-exits": "needs cards of the history; tests/benchmarks/test_exit_rules.py runs its parts",
    "study exit-check": "needs finished results; tests/evaluation/test_evaluate.py runs it",
}
# Not run and not parsed.
ELSEWHERE = {
    r"pip install|\.venv/bin/pip install|conda env create": "needs a package index",
    r"snakemake --executor": "needs a cloud and its plug-ins, which docs/cluster.md says",
    r"python - .*results/measurements\.parquet": "needs finished results",
    r"(\.venv/bin/)?snakemake --unlock": "there is no lock",
    r"make reproduction|python -m pytest": "takes long; tests/publishing/test_scoreboard.py runs its parts",
}


def commands(page: Path) -> list[str]:
    """Return the commands of a page: those of its indented blocks, and the help of steps that its text names."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    found = []
    for block in re.findall(r"(?:^(?: {4}| {7}).*\n(?:\n(?= {4}))?)+", text, re.M):
        lines = re.sub(r"\\\n\s*", "", re.sub(r"^ {4}( {3}(?=\S))?", "", block, flags=re.M))
        found += re.findall(r"^python - <<'END'\n(?s:.*?)^END$|^\S.*$", lines, re.M)
    named = re.findall(r"`(qebench (?:step |study )?[a-z][\w-]*)[^`]*`", re.sub(r"^ {4}.*$", "", text, flags=re.M))
    return [command for command in found if command.startswith(PROGRAMS)] + [f"{step} --help" for step in named]


COMMANDS = sorted({command for page in PAGES for command in commands(page)})
RUN = [command for command in COMMANDS if not any(re.match(each, command, re.S) for each in ELSEWHERE)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tree with the pictures and files that the pages take for granted."""
    tree = trees.copy(tmp_path_factory.mktemp("docs") / "tree")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    pictures = ["photo.png", "photo.jpg", "path/to/photos/one.png", "data/raise/r000da54ft.TIF", "data/DIV2K/0801.png"]
    pictures += ["data/LIVE1/bikes.png", "data/kodak24/kodim01.png", "data/train/one.png", "data/validation/two.png"]
    for name in pictures:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(tree / name)
    (tree / "photo.bpg").write_bytes(bpg.encode(noise, 37))
    (tree / "mine.yaml").write_text("dataset: mine\nfolders: {mine: path/to/photos}\n")
    for codec in ("jpeg", "bpg"):  # which the authors have, or training makes
        (tree / f"methods/weights/rbqe-powerqe-v3-rgb-{codec}.safetensors").touch()
    (tree / ".venv").mkdir()
    (tree / ".venv/.installed").touch()
    (tree / ".venv/bin").symlink_to(BIN)
    return tree


def parsed(command: str) -> str:
    """Return a shell command that does not do the work of `command` but fails if it has a mistake."""
    words = shlex.split(command.partition("<<")[0])
    if words[0] == "make":  # and what it hands on to Snakemake
        snakemake = r's/^PATH="[^"]*" \(snakemake --cores .*\)/\1 --dry-run --quiet all/p'
        return f"set -o pipefail; make --dry-run {shlex.join(words[1:])} | sed -n {shlex.quote(snakemake)}"
    if words[0].endswith("snakemake"):
        return f"{command} --dry-run --quiet all"
    if words[0].endswith("qebench"):  # the installed one may run another copy of the tree
        command = command.replace(words[0], "python -m qebench", 1)
        verb = words[1 : 3 if words[1] in ("step", "study") else 2]
        return f"{shlex.join(['python', '-m', 'qebench', *verb])} --help" if " ".join(verb) in LONG else command
    return command


@pytest.fixture(scope="module")
def ran(tree: Path) -> Callable[[str], subprocess.CompletedProcess]:
    """Return a function that runs the parsed form of a command, once, and says what became of it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
    environment |= {"PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    @cache
    def run(command: str) -> subprocess.CompletedProcess:
        if re.fullmatch(r"snakemake [^|;&$`]+", command):
            return workflows.fork(tree, *shlex.split(command)[1:], **environment)
        shell = ["bash", "-c", command]
        done = subprocess.run(shell, cwd=tree, env=environment, capture_output=True, text=True, timeout=300)
        made = done.stdout.splitlines() if "; make --dry-run " in command and not done.returncode else []
        return next((each for each in map(run, made) if each.returncode), done)

    return run


def _missing(command: str) -> str:
    """Return what a command needs that is not on this machine, or nothing."""
    if "workflow/profiles" in command and find_spec("snakemake_executor_plugin_slurm") is None:
        return "no snakemake-executor-plugin-slurm: pip install '.[cluster]'"
    if command.endswith("eccv2020.yaml"):
        try:
            hm.version()
        except (FileNotFoundError, ValueError) as error:
            return str(error)
    return ""


IN_THE_README = commands(PAGES[0])
CASES = [pytest.param(each, marks=() if each in IN_THE_README else pytest.mark.long) for each in RUN]


@pytest.mark.parametrize("command", CASES)
def test_a_command_of_the_docs_runs_as_written(ran, command):
    if missing := _missing(command):
        pytest.skip(missing)
    done = ran(parsed(command))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for option in re.findall(r" (--?[a-z][a-z0-9-]*)", command) if parsed(command).endswith(" --help") else []:
        assert re.search(rf"(^|[\s,\[]){option}\b", done.stdout)


@pytest.mark.long
@pytest.mark.parametrize("command", [command for command in RUN if "<<'END'" in command])
def test_a_program_of_the_findings_prints_what_they_say(ran, command):
    pages = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("findings", "errata"))
    page = pages.replace(command.replace("\n", "\n    "), "")
    said = set(re.findall(r"\d[\d,.]*\d", page))
    printed = re.findall(r"\d+\.\d+|\d{5,}", ran(command).stdout)
    assert printed
    assert {f"{int(number):,}" if number.isdigit() else number for number in printed} <= said


def _tour() -> tuple[list[str], list[str]]:
    """Return the code of the notebook's cells, and the text that it shows under them."""
    cells = json.loads((ROOT / "docs/tour.ipynb").read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [output.get("text") or output["data"]["text/plain"] for output in outputs]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"], ["".join(each) for each in texts]


def test_the_notebook_is_executed_small_and_of_no_machine():
    _, shown = _tour()
    assert len(shown) == 5  # a shape, a table, a plot, pictures, scores
    text = (ROOT / "docs/tour.ipynb").read_text()
    assert len(text) < 100_000
    assert "stderr" not in text


@pytest.mark.long
def test_the_notebook_shows_what_its_code_gives(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    code, shown = _tour()
    program = "\n".join([*code, "print(table.to_string())"])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    printed = [float(number) for number in re.findall(r"\d+\.\d+", done.stdout)]
    table, scores = ([float(number) for number in re.findall(r"\d+\.\d+", shown[place])] for place in (1, 4))
    assert printed == pytest.approx(scores + table, abs=2e-3)  # processors round differently


def _transcript() -> list[str]:
    """Return the lines that the README shows of the first command's output."""
    return re.search(r"^```text\n(.*?)^```", PAGES[0].read_text(), re.M | re.S)[1].splitlines()


def _table(lines: list[str]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the cells of the pieces of table 2 by their rows (method, early exit) and columns, without emphasis."""
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    header: list[str] = []
    for line in lines:
        row = [cell.strip(" *") for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = row
        elif not line.startswith("|:"):
            cells.setdefault(tuple(row[:2]), {}).update(zip(header[2:], row[2:], strict=True))
    return cells


def test_the_readme_is_at_most_90_lines():
    assert len(PAGES[0].read_text().splitlines()) <= 90


def test_the_readme_begins_with_the_table_of_the_ranking():
    """Its columns are those of the table `overview`, its rows the methods of ranking.yaml, RBQE's two."""
    header, _, *rows = [line for line in PAGES[0].read_text().partition("##")[0].splitlines() if line.startswith("|")]
    columns = ["method", "early_exit"]
    columns += [f"{name}_{codec}" for codec in ("jpeg", "hevc") for name in ("delta_psnr", "interval", "places")]
    assert [cell.strip() for cell in header.strip("|").split("|")] == [*columns, "gmacs", "latency_ms"]
    shown = [row.strip("|").split("|")[0].strip() for row in rows]
    assert sorted(shown) == sorted([*config.methods(config.preset("ranking"))[1:], "rbqe"])


def test_the_readme_takes_the_table_and_the_figure_of_a_new_ranking(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# Title\n\n| a |\n|:--|\n| 1 |\n\nText.\n\n| b |\n|:--|\n| 2 |\n")
    (tmp_path / "overview.md").write_text("| a |\n|:--|\n| 3 |\n| 4 |\n\nA note.\n")
    (tmp_path / "overview.png").write_bytes(b"picture")
    put = runpy.run_path(str(ROOT / "docs/site/ranking.py"))["put"]
    put(tmp_path / "README.md", tmp_path / "overview.md", tmp_path / "overview.png")
    page = "# Title\n\n| a |\n|:--|\n| 3 |\n| 4 |\n\nText.\n\n| b |\n|:--|\n| 2 |\n"
    assert (tmp_path / "README.md").read_text() == page
    assert (tmp_path / "docs/overview.png").read_bytes() == b"picture"


def test_the_readme_shows_the_end_of_the_first_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/table2.md").touch()
    assert _transcript()[-2:] == runs.closing(None, ["results/table2.csv"]).splitlines()[-2:]
    shown = _table(_transcript())
    assert list(shown) == [("decoded", "no"), ("dcad", "no"), ("rbqe", "no"), ("rbqe", "yes")]
    assert all(re.fullmatch(r"\d+\.\d{3}", row["delta_psnr_jpeg"]) for row in shown.values())


@pytest.mark.long
def test_the_first_command_prints_what_the_readme_shows(tmp_path):
    tree = trees.copy(tmp_path / "tree")
    command = [str(BIN / "snakemake"), "--cores", "all", "results/table2.csv"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
    environment["OMP_WAIT_POLICY"] = "passive"
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr[-2000:]
    printed, shown = _table(done.stdout.splitlines()), _table(_transcript())
    assert list(printed) == list(shown)
    for key, row in shown.items():
        for column, cell in row.items():  # times and the machine are its own
            if column.startswith(("delta_", "gmacs", "params", "exit_shares")) and "/" not in cell and cell:
                assert float(printed[key][column]) == pytest.approx(float(cell), abs=2e-3)
            assert column in printed[key]
    assert done.stdout.splitlines()[-2:] == _transcript()[-2:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page):
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {path}"
        if anchor:  # as GitHub makes them: lower case, no punctuation, hyphens for spaces
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
