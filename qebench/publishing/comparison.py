"""What changed between two folders of results: how they were made, the numbers, and the files that were published."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from qebench import runs
from qebench.common import provenance
from qebench.evaluation import measurements

KEYS = [name for name in measurements.COLUMNS if name != "value"]


def compare(before: Path, after: Path) -> str:
    """Return in words what is in one of two folders of results only, or differs; "nothing changed" if they agree.

    Raises FileNotFoundError if one of them has no measurements.
    """
    read = {}
    for folder in (before, after):
        if not (folder / "measurements.parquet").is_file():
            raise FileNotFoundError(f"{folder}/measurements.parquet is missing: name two folders of results")
        read[folder] = measurements.read(folder / "measurements.parquet")
    (old_rows, old_records), (new_rows, new_records) = read.values() if len(read) == 2 else [read[before]] * 2
    lines = [
        *_changes(provenance.summarise(old_records), provenance.summarise(new_records)),
        *_numbers(old_rows, new_rows),
        *_published(_sidecars(before), _sidecars(after)),
    ]
    return "\n".join(lines or ["nothing changed"])


def _changes(before: dict, after: dict) -> Iterator[str]:
    """Yield the values of each key that are on one side only; those of a key with lists are its items."""
    for key in dict.fromkeys([*before, *after]):
        old, new = ([json.dumps(item, sort_keys=True) for item in _items(side.get(key))] for side in (before, after))
        yield from (f"{key}: no longer {item}" for item in old if item not in new)
        yield from (f"{key}: now {item}" for item in new if item not in old)


def _items(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _numbers(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[str]:
    both = before.merge(after, on=KEYS, how="outer", suffixes=("_before", "_after"), indicator=True)
    for side, word in (("left_only", "no longer there"), ("right_only", "new")):
        counts = both[both["_merge"] == side].groupby(["compressor", "method"], sort=False).size()
        yield from (
            f"measurements: {count} of {method} on {name} are {word}" for (name, method), count in counts.items()
        )
    shared = both[both["_merge"] == "both"]
    shared = shared.assign(change=shared["value_after"] - shared["value_before"])
    for (name, method, metric), group in shared.groupby(["compressor", "method", "metric"], sort=False):
        changed = group.loc[group["change"] != 0, "change"]
        if len(changed):
            yield (
                f"measurements: {metric} of {method} on {name}: {len(changed)} of {len(group)} differ, "
                f"by {group['change'].mean():+.6f} in the mean and {changed.abs().max():.6f} at most"
            )


def _sidecars(folder: Path) -> dict[str, dict]:
    """Return the records of published files by their path in a folder of results."""
    return {path.relative_to(folder).as_posix(): provenance.read(path) for path in runs.records(folder)}


def _published(before: dict[str, dict], after: dict[str, dict]) -> Iterator[str]:
    changes: dict[str, None] = {}  # each change of the configuration once
    for path in dict.fromkeys([*before, *after]):
        old, new = (side.get(path, {"files": {}, "config": None}) for side in (before, after))
        for name in dict.fromkeys([*old["files"], *new["files"]]):
            digests = [side["files"].get(name) for side in (old, new)]
            if digests[0] != digests[1]:
                word = "is new" if digests[0] is None else "is no longer there" if digests[1] is None else "differs"
                yield f"published: {Path(path).parent / name} {word}"
        if old["config"] and new["config"]:
            changes |= dict.fromkeys(_changes(old["config"], new["config"]))
    yield from (f"config: {change}" for change in changes)
