"""Split files: which pictures of a data set a protocol trains, validates and tests on.

A CSV file after lines of explanation that start with #. Each row is a part: its name, how many pictures it has, and the
names of the first and the last. Where these are blank nobody has published the names, and the part is the next `count`
pictures of the folder by name, after those of the rows above.
"""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One part of a split; `first` and `last` are names without suffix, or blank."""

    count: int
    first: str
    last: str


def read(split: Path) -> dict[str, Part]:
    """Return the parts of a split file by name, in its order.

    Raises FileNotFoundError if there is no such file, and ValueError if it is no split file.
    """
    try:
        with Path(split).open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(line for line in file if not line.startswith("#"))
            return {row["part"]: Part(int(row["count"]), row["first"], row["last"]) for row in rows}
    except FileNotFoundError:
        raise FileNotFoundError(f"{split} is missing: workflow/splits/ has the split files of the protocols") from None
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{split} is no split file: its columns are part, count, first, last") from None


def choose(paths: list[Path], split: Path, part: str) -> list[Path]:
    """Return those pictures, sorted by name, that are in one part of a split file.

    Raises ValueError if there is no such part, or if none of the pictures is in it.
    """
    parts = read(split)
    if part not in parts:
        raise ValueError(f"{split} has no part {part!r}: it has {', '.join(parts)}")
    rest = sorted(paths, key=lambda path: path.stem)
    for name, chosen in parts.items():
        if chosen.first:
            found = [path for path in rest if chosen.first <= path.stem <= chosen.last]
        else:
            found = rest[: chosen.count]
        if name == part:
            break
        taken = set(found)
        rest = [path for path in rest if path not in taken]
    if not found:
        raise ValueError(f"{paths[0].parent} has no picture of the {part} part of {split}: name another, or none")
    return found
