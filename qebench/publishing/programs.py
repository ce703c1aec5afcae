"""What the authors' programs and the reference codecs gave, against ours: the tests that hold it, as rows.

Their files, checksums, scores and outputs are golden values of tests/ (tests/golden/README.md); the tests that compare
with them carry the marker `original`, with the program's name. Here they are run, and each is a row of the scoreboard.
"""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from qebench.common import files
from qebench.common.plugins import ROOT

MARKER = "original"
COMMAND = f"python -m pytest -m {MARKER}"
COLUMNS = ["source", "number", "verdict", "note", "command"]


def run(report: Path) -> pd.DataFrame:
    """Run the tests with the marker, keep pytest's report (JUnit XML), and return `read` of it.

    Raises RuntimeError with pytest's words if it does not get to the tests.
    """
    with files.replacing(report) as temporary:
        command = [sys.executable, "-m", "pytest", "-m", MARKER, f"--junitxml={temporary.absolute()}", "-q"]
        done = subprocess.run([*command, "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True)
        if done.returncode not in (0, 1):  # 1: tests failed, which is a result
            raise RuntimeError(f"{COMMAND} ended with status {done.returncode}: {(done.stdout + done.stderr).strip()}")
    return read(report)


def read(report: Path) -> pd.DataFrame:
    """Return COLUMNS of a report: verdict is reproduced, deviates or not run, and note the reason of the latter two.

    Raises ValueError if the file is no report of pytest.
    """
    try:
        cases = ElementTree.parse(report).getroot().iter("testcase")
        rows = [_row(case) for case in cases]
    except ElementTree.ParseError as error:
        raise ValueError(f"{report} is no report of pytest ({error}): delete it and run again") from None
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(case: ElementTree.Element) -> list[str]:
    sources = [each.get("value", "") for each in case.iter("property") if each.get("name") == MARKER]
    name = case.get("name", "")
    function, _, number = name.partition("[")
    verdict, note = "reproduced", ""
    for kind, means in (("failure", "deviates"), ("error", "deviates"), ("skipped", "not run")):
        if (found := case.find(kind)) is not None:
            verdict, note = means, found.get("message", "").splitlines()[0]
    return [sources[0] if sources else "", number.rstrip("]") or function, verdict, note, f"{COMMAND} -k {function}"]
