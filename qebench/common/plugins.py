"""The folders are the registry: a plug-in is a module of the right folder that defines the right function.

A plug-in is one file, `methods/dcad.py`, or one folder, `methods/rbqe/`, whose `__init__.py` defines the function.
"""

import ast
import hashlib
import importlib
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("qebench", "methods", "compressors", "benchmarks")
FUNCTIONS = {
    "methods": "load",
    "compressors": "encode",
    "benchmarks/metrics": "measure",
    "benchmarks/tables": "tabulate",
    "benchmarks/figures": "draw",
    "benchmarks/exit_rules": "choose",
    "benchmarks/studies": "run",
}
_PARSING = threading.Lock()  # Python 3.11 may fail with a SystemError when two threads make syntax trees


def names(folder: str) -> list[str]:
    """Return the names of all plug-ins in a folder of FUNCTIONS, without importing them."""
    paths = [*(ROOT / folder).glob("*.py"), *(ROOT / folder).glob("*/__init__.py")]
    found = {_name(path): path for path in paths if _name(path)}
    return sorted(name for name, path in found.items() if _defines(path, FUNCTIONS[folder]))


def check(folder: str, name: str) -> None:
    """Raise ValueError unless `folder` has a plug-in of that name; the message lists those there are."""
    if name not in names(folder):
        raise ValueError(f"there is no {name!r} in {folder}/: it has {', '.join(names(folder))}")


def find(folder: str, name: str) -> ModuleType:
    """Import the plug-in `name` of `folder`; errors as in `check`."""
    check(folder, name)
    return importlib.import_module(f"{folder.replace('/', '.')}.{name}")


def path(folder: str, name: str) -> Path:
    """Return the file of a plug-in from ROOT on: `methods/dcad.py`, or `methods/rbqe/__init__.py`."""
    file, package = Path(folder, f"{name}.py"), Path(folder, name, "__init__.py")
    return file if (ROOT / file).exists() else package


def summary(folder: str, name: str) -> str:
    """Return the first line of a plug-in's docstring, without importing it."""
    return (ast.get_docstring(_parse(ROOT / path(folder, name))) or "").split("\n")[0]


def sources(*modules: str) -> list[Path]:
    """Return the files of modules of ours and of all modules of ours that they import, in the order of their names.

    A module is named as in an import, "methods.rbqe" or "qebench.evaluation.evaluate". Imports within functions
    count, those for types alone do not. Raises ValueError if there is no such module.
    """
    found: set[Path] = set()
    waiting = [_file(module) for module in modules]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported(file)
    return sorted(found)


def content(*modules: str) -> str:
    """Return a checksum of the code of `sources`, which comments, docstrings and layout do not change."""
    digest = hashlib.sha256()
    for file in sources(*modules):
        digest.update(f"{file.relative_to(ROOT)} {_code(file)}\n".encode())
    return digest.hexdigest()


def _name(path: Path) -> str:
    """Return the name of the plug-in that a file would be, "" for a folder's own `__init__.py`."""
    if path.name != "__init__.py":
        return path.stem
    return path.parent.name if (path.parent.parent / "__init__.py").exists() else ""


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if file.exists():
            return file
    raise ValueError(f"there is no module {module!r} in {', '.join(PACKAGES)}")


@cache
def _imported(file: Path) -> list[Path]:
    """Return the files of ours that importing a file runs, or calling its functions may import."""
    package = file.relative_to(ROOT).parent.parts
    found = [ROOT.joinpath(*package[: length + 1], "__init__.py") for length in range(len(package))]
    for name in _imports(_tree(file)):
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            path = ROOT.joinpath(*parts[:length])
            found += [each for each in (path.with_name(f"{path.name}.py"), path / "__init__.py") if each.exists()]
    return [each for each in found if each.exists() and each != file]


def _imports(node: ast.AST) -> Iterator[str]:
    """Yield the names that a syntax tree imports from PACKAGES, each with the module it is taken from before it."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] in PACKAGES)
    elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for part in ("body", "orelse", "handlers", "finalbody", "cases"):  # statements alone hold imports
        for child in getattr(node, part, ()):
            yield from _imports(child)


@cache
def _code(file: Path) -> str:
    """Return the syntax tree of a file as text, without docstrings."""
    return ast.dump(_tree(file))


@cache  # a workflow asks for the same names some twenty times at its start
def _tree(file: Path) -> ast.Module:
    """Return the syntax tree of a file, with `pass` in place of docstrings."""
    tree = _parse(file)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body[0] = ast.Pass()
    return tree


def _parse(file: Path) -> ast.Module:
    with _PARSING:
        return ast.parse(file.read_bytes(), file)  # with its path, so that a SyntaxError names it


def _defines(file: Path, function: str) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in _tree(file).body)
