"""The codec plug-ins as the engine sees them: check a quality, make settings of choices, encode."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from qebench.common import plugins


@dataclass(frozen=True)
class NoSettings:
    """The settings of a compressor that leaves nothing to choose."""


def check_quality(compressor: ModuleType, quality: int) -> None:
    """Raise ValueError if a compressor does not take a quality."""
    if quality not in compressor.QUALITIES:
        span = f"{compressor.QUALITY} {compressor.QUALITIES[0]}..{compressor.QUALITIES[-1]}"
        raise ValueError(f"{_name(compressor)} takes {span}, not {quality}")


def quality_of_file(compressor: str, path: Path) -> tuple[str, float | None]:
    """Return what a codec calls its quality, as "QF", and that of a picture file; None if the codec can't tell it."""
    module = plugins.find("compressors", compressor)
    read = getattr(module, "quality_of_file", None)
    return module.QUALITY.upper(), read(path) if read else None


def encoded(compressor: ModuleType, image: Any, quality: int, settings: Any) -> tuple[bytes, str]:
    """Return the bitstream of an image, and what the encoder itself says of it, "" for most."""
    if hasattr(compressor, "encode_and_tell"):
        return compressor.encode_and_tell(image, quality, settings)
    return compressor.encode(image, quality, settings), ""


def configure(compressor: ModuleType, choices: Mapping[str, Any]) -> Any:
    """Return the `Settings` of a compressor with `choices`, whose values may be text, as from a command line.

    Raises ValueError for a setting or a value that the compressor does not have. (Chroma subsampling is written 420 in
    settings: YAML reads 4:2:0 as a time of day.)
    """
    kinds = get_type_hints(compressor.Settings)
    values = {}
    for name, value in choices.items():
        if name not in kinds:
            guesses = difflib.get_close_matches(name, kinds, 1)
            known = f"did you mean {guesses[0]!r}?" if guesses else f"it has {', '.join(kinds) or 'none'}"
            raise ValueError(f"{_name(compressor)} has no setting {name!r}: {known}")
        values[name] = _value(f"{_name(compressor)}: {name}", kinds[name], value)
    return compressor.Settings(**values)


def choices(settings: Any) -> dict[str, Any]:
    """Return the settings as a mapping, which `configure` takes."""
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _value(name: str, kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal:
        for allowed in get_args(kind):
            if str(value).casefold() == str(allowed).casefold():
                return allowed
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(map(str, get_args(kind)))}")
    if kind is bool and str(value).casefold() in ("true", "false"):
        return str(value).casefold() == "true"
    if kind is int and str(value).removeprefix("-").isdecimal():
        return int(value)
    if kind is str:
        return str(value)
    raise ValueError(f"{name} is {value!r}: it takes {'true or false' if kind is bool else 'a whole number'}")


def _name(compressor: ModuleType) -> str:
    return compressor.__name__.split(".")[-1]
