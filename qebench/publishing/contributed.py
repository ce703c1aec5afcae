"""Results of other people and machines: archives of `qebench archive`, read if they can be compared with ours.

Gains are comparable if the protocol, the originals, the codecs and the code of the metric are the same. Ours are those
of the run, and those that are kept (`publishing.kept`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from qebench.evaluation.results import Results
from qebench.publishing import archive

METRIC = "psnr_unrounded"
KEYS = ["dataset", "compressor", "quality"]


def read(archives: Iterable[Path], ours: Results, protocol: dict) -> dict[str, Results]:
    """Return the results in some archives by the name of the archive, of what was measured in `ours`, too.

    `protocol` is that of our configuration.

    Raises ValueError that names the archive, if it is none of ours, cannot be compared or has a name that is taken.
    """
    return {path.stem: _comparable(path, ours, protocol) for path in archives}


def _comparable(path: Path, ours: Results, protocol: dict) -> Results:
    if path.stem in ours.kept:
        raise ValueError(f"{path} has the name of a file in benchmarks/measured: give it another")
    results, config = archive.read(path)
    here = _facts(known(ours))
    reasons = [*differences(results, config, ours, protocol)]
    if not {*here} & {*_facts(results.records)}:
        reasons.append("no picture set, codec and quality is in both")
    if reasons:
        raise ValueError(f"{path} cannot be compared with these results: {reasons[0]}. Remove it from its folder")
    rows = results.measurements.merge(pd.DataFrame(here.keys(), columns=KEYS), on=KEYS)
    return replace(results, measurements=rows, all_measurements=rows)


def known(ours: Results) -> list[dict]:
    """Return where our results come from, the kept ones included; the run's are the last."""
    return [record for each in (*ours.kept.values(), ours) for record in each.records]


def differences(theirs: Results, config: dict, ours: Results, protocol: dict) -> Iterator[str]:
    """Yield why results, made with `config`, cannot be compared with ours, made with `protocol`."""
    other = config.get("protocol") or {}
    for key in [key for key in {**protocol, **other} if protocol.get(key) != other.get(key)]:
        yield f"{key} of its protocol is {other.get(key)}, of ours {protocol.get(key)}"
    for code in _codes(theirs.records) - _codes(ours.records):
        yield f"the code of {METRIC} differs: {code} there, {', '.join(map(str, _codes(ours.records)))} here"
    here = _facts(known(ours))
    for key, facts in _facts(theirs.records).items():
        for what, value in facts.items():
            if key in here and value != here[key][what]:
                yield f"{what} differs for {', '.join(map(str, key))}: {value} there, {here[key][what]} here"


def _codes(records: list[dict]) -> set[str | None]:
    return {record.get("metrics", {}).get(METRIC) for record in records}


def _facts(records: list[dict]) -> dict[tuple[str, str, int], dict[str, object]]:
    """Return what must be equal, by data set, compressor and quality."""
    return {
        (record["dataset"], record["compressor"], record["quality"]): {
            "the manifest of the originals": record["images"]["manifest_sha256"],
            "the codec": record["codec"],
        }
        for record in records
    }
