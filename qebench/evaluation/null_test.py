"""Does an exit rule beat a coin? The null test of early exit.

Every rule is a curve of gain over cost, one point per setting, and time may be shared between two settings: the curve
is its upper concave envelope, with the last exit for all as one of its points. The null hypothesis is the curve of the
forced exits, two neighbours mixed at random. A rule is judged by the cost at which it stays within some dB of the last
exit. A calibrated rule is judged on pictures that did not calibrate it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qebench.common import plugins
from qebench.evaluation import statistics
from qebench.evaluation.exit_cases import Cases, usable
from qebench.networks.rules import FOLDER, Rule, Settings, follow

BOUNDS = ("coin", "oracle")  # what knows nothing and what knows all: always judged, first and last in tables
WITHIN = (0.005, 0.01, 0.02, 0.05)  # dB of the last exit's gain
ALLOWED = 0.01  # dB: of the setting that a calibration chooses
FOLDS = 10  # parts of the pictures, each judged by what the others calibrate
DRAWS = 20  # of a rule that draws: as many as a coin has steps between two exits, so that its means are exact
RESAMPLES = 1000  # of the pictures


@dataclass(frozen=True)
class Outcome:
    """What P settings do to N images: gains (P, N), costs by unit (P, N), and the share (P, N, exits) of each exit."""

    gains: np.ndarray
    spent: dict[str, np.ndarray]
    exits: np.ndarray

    def of(self, images: np.ndarray) -> "Outcome":
        """Return the outcome for some images, given by indices or by a mask (N,)."""
        spent = {unit: values[:, images] for unit, values in self.spent.items()}
        return Outcome(self.gains[:, images], spent, self.exits[:, images])

    def at(self, place: int) -> "Outcome":
        """Return the outcome of one setting."""
        spent = {unit: values[[place]] for unit, values in self.spent.items()}
        return Outcome(self.gains[[place]], spent, self.exits[[place]])


def play(rule: Rule, settings: list[Settings], cases: Cases) -> Outcome:
    """Return what each of some settings does to the cases; a rule that draws is given DRAWS evenly spaced numbers."""
    draws = (np.arange(DRAWS) + 0.5) / DRAWS if "draw" in rule.USES else np.array([np.nan])
    images, numbers = np.repeat(np.arange(len(cases.gains)), len(draws)), np.tile(draws, len(cases.gains))
    evidence = replace(cases.evidence.of(images), draw=numbers)
    played = []
    for each in settings:
        exits, visited = follow(rule, each, evidence)
        before = visited[:, :-1] & (np.arange(1, visited.shape[1]) < exits[:, None])
        spent = [alone[exits - 1] + before @ np.diff(so_far - alone) for alone, so_far in cases.costs.values()]
        found = [cases.gains[images, exits - 1], np.eye(visited.shape[1])[exits - 1], *spent]
        played.append([values.reshape(-1, len(draws), *values.shape[1:]).mean(axis=1) for values in found])
    gains, exits, *spent = (np.array(values) for values in zip(*played, strict=True))
    return Outcome(gains, dict(zip(cases.costs, spent, strict=True)), exits)


def judge(rule: Rule, cases: Cases, calibration: Cases | None = None) -> tuple[Outcome, Outcome]:
    """Return the curve of a rule on the cases, and what the one setting does that was chosen on other pictures.

    That is the cheapest that loses ALLOWED on them. They are those of `calibration`, or in turn all but each of FOLDS
    parts of the pictures. A rule that is not CALIBRATED has the same curve on any pictures.
    """
    curve, chosen = [], []
    parts = [*_folds(cases)] if calibration is None else [np.ones(len(cases.gains), bool)]
    whole = None if rule.CALIBRATED else play(rule, rule.candidates(cases.evidence, cases.gains, cases.cost), cases)
    for held in parts:
        others = calibration or cases.of(~held)
        settings = rule.candidates(others.evidence, others.gains, others.cost)
        tried = play(rule, settings, others) if whole is None or calibration else whole.of(~held)
        curve.append(play(rule, settings, cases.of(held)) if whole is None else whole.of(held))
        chosen.append(curve[-1].at(cheapest(tried, others)))
    order = np.argsort(np.concatenate([np.flatnonzero(held) for held in parts]))
    return _joined(curve).of(order), _joined(chosen).of(order)


def cheapest(outcome: Outcome, cases: Cases) -> int:
    """Return which setting costs least of those whose mean gain is within ALLOWED of the last exit's, else the best."""
    gains, spent = outcome.gains.mean(axis=1), outcome.spent["gmacs_paper"].mean(axis=1)
    enough = gains >= min(cases.gains[:, -1].mean() - ALLOWED, gains.max()) - 1e-9
    return int(np.where(enough, spent, np.inf).argmin())


def judge_all(cases: Cases, names: Sequence[str] = ()) -> dict[str, tuple[Outcome, Outcome]]:
    """Return by name what `judge` returns of some rules, or of all but `forced`, with coin first and oracle last.

    Rules that use what was not measured are left out.
    """
    others = [name for name in names or ["iqam", *plugins.names(FOLDER)] if name not in ("forced", *BOUNDS)]
    rules = {name: plugins.find(FOLDER, name) for name in (BOUNDS[0], *others, BOUNDS[1])}
    return {name: judge(rule, cases) for name, rule in rules.items() if usable(rule, cases)}


def _folds(cases: Cases) -> Iterator[np.ndarray]:
    """Yield which images are held out in turn, as masks (N,): all images of a picture are in one part."""
    _, number = np.unique(cases.pictures, return_inverse=True)
    for fold in range(min(FOLDS, number.max() + 1)):
        yield number % FOLDS == fold


def _joined(parts: list[Outcome]) -> Outcome:
    """Return outcomes for parts of the images as one."""
    spent = {unit: np.hstack([part.spent[unit] for part in parts]) for unit in parts[0].spent}
    return Outcome(np.hstack([part.gains for part in parts]), spent, np.hstack([part.exits for part in parts]))


def needed(spent: np.ndarray, gains: np.ndarray, target: np.ndarray | float) -> np.ndarray:
    """Return the least cost (...) at which points (..., P), mixed by two, reach a `target` (...); NaN if none does.

    The edge of the envelope over the target is found by moving an end of a line to the point farthest under it.
    """
    spent, gains = np.broadcast_arrays(spent, gains)
    goal = np.broadcast_to(np.asarray(target)[..., None], (*spent.shape[:-1], 1))
    enough = gains >= goal - 1e-9

    def at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, place, axis=-1)

    right = np.where(enough, spent, np.inf).argmin(axis=-1, keepdims=True)
    left = np.where(enough, np.inf, spent).argmin(axis=-1, keepdims=True)
    mixed = (
        enough.any(axis=-1, keepdims=True) & ~enough.all(axis=-1, keepdims=True) & (at(spent, left) < at(spent, right))
    )
    while True:
        rise = np.where(mixed, at(gains, right) - at(gains, left), 1)
        slope = np.where(mixed, at(spent, right) - at(spent, left), 0) / rise
        under = spent - slope * gains
        lowest = under.argmin(axis=-1, keepdims=True)
        moves = mixed & (at(under, lowest) < at(under, right) - 1e-9)
        if not moves.any():
            break
        right = np.where(moves & at(enough, lowest), lowest, right)
        left = np.where(moves & ~at(enough, lowest), lowest, left)
    best = at(spent, right) - slope * np.maximum(at(gains, right) - goal, 0)
    return np.where(enough.any(axis=-1, keepdims=True), best, np.nan)[..., 0]


def reached(spent: np.ndarray, gains: np.ndarray, budget: float) -> float:
    """Return the highest gain that points (P,), mixed by two, have at a cost; NaN if all cost more."""
    return -float(needed(-gains, -spent, -budget))


def share(outcome: Outcome, cases: Cases, unit: str = "gmacs_paper", within: float = ALLOWED) -> float:
    """Return the cost at which a rule stays `within` some dB of the last exit's mean gain, as a share of its cost."""
    spent, gains = outcome.spent[unit].mean(axis=1), outcome.gains.mean(axis=1)
    last, whole = cases.gains[:, -1].mean(), cases.costs[unit][0][-1]
    return float(shares(spent[None], gains[None], last[None], whole, within)[0])


def shares(spent: np.ndarray, gains: np.ndarray, last: np.ndarray, whole: float, within: float = ALLOWED) -> np.ndarray:
    """Return `share` (B,) for mean costs (B, P) and gains (B, P) of P settings, the last exit's gains (B,) and cost.

    Going to the last exit always is one of the points, for every rule can be left aside.
    """
    spent = np.column_stack([spent, np.full(len(spent), whole)])
    gains = np.column_stack([gains, last])
    return needed(spent, gains, last - within) / whole


def interval(curve: Outcome, coin: Outcome, cases: Cases) -> tuple[float, float]:
    """Return the 95 % confidence interval, by bootstrap over pictures, of a rule's `share` less the coin's."""
    weights = _resampled(cases.pictures)
    last, whole = weights @ cases.gains[:, -1], cases.cost[-1]
    own, null = (
        shares(weights @ each.spent["gmacs_paper"].T, weights @ each.gains.T, last, whole) for each in (curve, coin)
    )
    low, high = np.quantile(own - null, [0.025, 0.975]).tolist()
    return low, high


def _resampled(pictures: np.ndarray) -> np.ndarray:
    """Return the weight of each image in RESAMPLES samples of the pictures, drawn with replacement: sums of 1."""
    names, number = np.unique(pictures, return_inverse=True)
    rng = np.random.default_rng(statistics.SEED)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)[:, number].astype(float)
    return weights / weights.sum(axis=1, keepdims=True)
