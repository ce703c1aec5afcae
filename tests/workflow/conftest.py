"""What tests of the workflow share."""

from pathlib import Path

import pytest
from helpers import tiny_run


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tree with pictures, a method and a config, not run yet; tests copy it before they write."""
    return tiny_run.tree(tmp_path_factory.mktemp("fresh") / "tree")
