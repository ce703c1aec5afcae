"""The folders are the registry: a plug-in is a module of the right folder that defines the right function."""

import ast
import importlib
import threading
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = {
    "methods": "load",
    "compressors": "encode",
    "benchmarks/metrics": "measure",
    "benchmarks/tables": "tabulate",
    "benchmarks/figures": "draw",
    "benchmarks/exit_rules": "choose",
}
_PARSING = threading.Lock()  # Python 3.11 may fail with a SystemError when two threads make syntax trees


def names(folder: str) -> list[str]:
    """Return the names of all plug-ins in a folder of FUNCTIONS, without importing them."""
    paths = (ROOT / folder).glob("*.py")
    return sorted(path.stem for path in paths if _defines(path.read_bytes(), path, FUNCTIONS[folder]))


def check(folder: str, name: str) -> None:
    """Raise ValueError unless `folder` has a plug-in of that name; the message lists those there are."""
    if name not in names(folder):
        raise ValueError(f"there is no {name!r} in {folder}/: it has {', '.join(names(folder))}")


def find(folder: str, name: str) -> ModuleType:
    """Import the plug-in `name` of `folder`; errors as in `check`."""
    check(folder, name)
    return importlib.import_module(f"{folder.replace('/', '.')}.{name}")


def summary(folder: str, name: str) -> str:
    """Return the first line of a plug-in's docstring, without importing it."""
    return (ast.get_docstring(ast.parse((ROOT / folder / f"{name}.py").read_bytes())) or "").split("\n")[0]


@cache  # a workflow asks for the same names some twenty times at its start
def _defines(source: bytes, path: Path, function: str) -> bool:
    with _PARSING:
        body = ast.parse(source, path).body  # with its path, so that a SyntaxError names it
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in body)
