"""Copies of the source tree, for tests that run the workflow or write what users write."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def copy(tree: Path) -> Path:
    """Fill a folder with all that git tracks or would track, and with what Python and numba have compiled of it.

    Without the latter every copy would compile again, for some ten seconds.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")):
        source = ROOT / os.fsdecode(name)
        compiled = source.parent.glob(f"__pycache__/{source.stem}.*") if source.suffix == ".py" else ()
        for path in filter(Path.is_file, [source, *compiled]):
            (tree / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, tree / path.relative_to(ROOT))
    return tree
