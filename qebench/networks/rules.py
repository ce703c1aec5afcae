"""Exit rules: what may be known at an exit, and the exits that images take when a rule decides.

A rule is a module of benchmarks/exit_rules/; the docstring there is its contract. Tables and running networks ask the
same function of it: where does an image go from here?
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from qebench.common import plugins

FOLDER = "benchmarks/exit_rules"
PRICES = np.array([0.0, *np.geomspace(1e-4, 0.1, 60)])  # of cost, dB per GMAC
Settings = Any  # of a rule: what JSON can hold


@dataclass(frozen=True)
class Evidence:
    """What is known of N images that have reached an exit, 0 being the decoded image.

    `scores` (N, exits) are IQAM scores and `change` (N, exits) mean squared changes in squared 8-bit levels, column k
    of exit k + 1: `change` is from the exit before, in column 0 from the decoded image. `quality` (N,) is the codec's
    parameter, `bpp` (N,) the bits per pixel of the file, `draw` (N,) a number in [0, 1) that says nothing about the
    image. `gains` (N, exits), in dB, are for rules that know the original. Unknown values are NaN.
    """

    exit: int
    scores: np.ndarray
    change: np.ndarray
    quality: np.ndarray
    bpp: np.ndarray
    draw: np.ndarray
    gains: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def exit_count(self) -> int:
        return self.scores.shape[1]

    def of(self, images: np.ndarray) -> "Evidence":
        """Return the evidence of some images, given by indices or by a mask (N,)."""
        arrays = {each.name: getattr(self, each.name)[images] for each in fields(self) if each.name != "exit"}
        return replace(self, **arrays)


class Rule(Protocol):
    """A module of benchmarks/exit_rules/; the docstring there says what each name is."""

    USES: Sequence[str]
    CALIBRATED: bool

    def choose(self, evidence: Evidence, settings: Settings) -> np.ndarray: ...

    def candidates(self, evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[Settings]: ...


def shipped(method: str, compressor: str) -> dict[str, Settings]:
    """Return the settings that ship for a method and a compressor, by rule; none if there is no file.

    What they were calibrated on is in the file, benchmarks/exit_rules/settings/METHOD-COMPRESSOR.json.
    """
    return _file(method, compressor).get("settings", {})


def calibrated_on(method: str, compressor: str) -> str:
    """Return which pictures calibrated the settings that ship, and how many, as "cid22 (24)"; "" if none ship."""
    origin = _file(method, compressor).get("calibrated_on")
    return f"{origin['dataset']} ({len(origin['pictures'])})" if origin else ""


def _file(method: str, compressor: str) -> dict[str, Any]:
    path = plugins.ROOT / FOLDER / "settings" / f"{method}-{compressor}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def follow(rule: Rule, settings: Settings, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Return the exit (N,) that each image takes by a rule, and which exits are computed on its way, bool (N, exits).

    `evidence` is that of the last exit. The rule is shown no more of it than a network has computed by then.
    """
    count = evidence.exit_count
    target = np.zeros(len(evidence), int)
    visited = np.zeros((len(evidence), count), bool)
    for exit in range(count + 1):
        here = np.flatnonzero(target == exit)
        if exit:
            visited[here, exit - 1] = True
        if exit < count and len(here):
            chosen = rule.choose(_known(evidence.of(here), exit, visited[here], rule), settings)
            target[here] = np.clip(chosen, max(exit, 1), count)
    return target, visited


def _known(evidence: Evidence, exit: int, visited: np.ndarray, rule: Rule) -> Evidence:
    """Return the evidence without what cannot be known at `exit` after the exits `visited`."""
    before = np.column_stack([np.ones(len(visited), bool), visited[:, :-1]])
    return replace(
        evidence,
        exit=exit,
        scores=np.where(visited, evidence.scores, np.nan),
        change=np.where(visited & before, evidence.change, np.nan),
        gains=evidence.gains if "gains" in rule.USES else np.full_like(evidence.gains, np.nan),
    )
