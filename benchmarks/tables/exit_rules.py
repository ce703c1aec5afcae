"""Exit rules: what every rule of early exit costs and gains, and whether it beats a coin (the null test).

The paper's own points go through the same test.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from qebench.common import plugins
from qebench.evaluation import exit_cases, null_test, published_exits
from qebench.evaluation.exit_cases import Cases
from qebench.evaluation.null_test import ALLOWED, WITHIN, Outcome
from qebench.evaluation.results import Results
from qebench.networks import rules, thresholds
from qebench.networks.rules import FOLDER

UNITS = {"gmacs": 2, "gmacs_paper": 2, "ms": 1}  # with their decimals
KEYS = ["method", "compressor", "rule"]
POINT = [*KEYS, "calibrated_on", *UNITS, "share", "delta_psnr", "to_last", "over_coin", "timed", "exits"]
NEEDED = [f"needed_{within:.3f}".replace("0.", "") for within in WITHIN]
TEST = [*KEYS, *NEEDED, *(f"{unit}_{NEEDED[WITHIN.index(ALLOWED)]}" for unit in ("gmacs", "ms"))]
TEST += ["to_coin", "low", "high", "of_oracle"]
OTHERS = "other pictures of these"


def tabulate(results: Results) -> pd.DataFrame:
    """Return per method, compressor and rule the columns POINT, then TEST.

    gmacs, gmacs_paper, ms, delta_psnr (dB) and exits (shares of images in per cent) are those of one setting. What
    calibrated_on says has chosen it: other pictures of the run, or those that the settings which ship are from. share
    is its gmacs_paper over the last exit's, to_last and over_coin are its gain less the last exit's and less that of a
    coin at the same gmacs_paper (dB). timed, of settings that ship, is the mean time of pictures by the rule as a share
    of all of the network's in the same run. needed_X is the share of the last exit's gmacs_paper that is needed to stay
    within .X dB of its gain, gmacs_ and ms_needed the same in other units. to_coin is needed_010 less the coin's in
    points, with its interval from low to high; of_oracle is the part of the oracle's saving.
    """
    rows: list[dict] = []
    for method, compressor, cases in exit_cases.every(results):
        head = {"method": method, "compressor": compressor}
        times, threshold = _timed(results.timed, method, compressor), results.thresholds[compressor]
        found = null_test.judge_all(cases, results.exit_rules)
        rows += [head | row for row in _measured(cases, found)]
        rows += [head | row for row in _shipped(cases, found["coin"][0], method, compressor, threshold, times)]
    rows += [{"method": "rbqe (paper)", "compressor": "hevc"} | row for row in _published()]
    return pd.DataFrame(rows, columns=list(dict.fromkeys([*POINT, *TEST]))).dropna(axis="columns", how="all")


def parts(frame: pd.DataFrame) -> list[list[str]]:
    """Return the columns of operating points, and those of the test."""
    return [[name for name in part if name in frame] for part in (POINT, TEST)]


def _timed(rows: pd.DataFrame, method: str, compressor: str) -> dict[str, float]:
    """Return by rule the mean time of pictures over that of all of the network, in one run; the decision counts."""
    if not len(rows):
        return {}
    rows = rows[(rows["method"] == method) & (rows["compressor"] == compressor)]
    whole = rows.loc[~rows["early_exit"].astype(bool), "mean_ms"].mean()
    means = rows[rows["early_exit"].astype(bool)].groupby("rule")["mean_ms"].mean()
    return {str(rule): round(mean / whole, 3) for rule, mean in means.items()}


def _measured(cases: Cases, found: dict[str, tuple[Outcome, Outcome]]) -> Iterator[dict]:
    """Yield the rows of the forced exits and of the rules, given the curves and choices that `judge_all` found."""
    forced, coin = plugins.find(FOLDER, "forced"), found["coin"][0]
    for exit in range(1, len(cases.cost) + 1):
        yield {"rule": f"exit {exit}"} | _point(null_test.play(forced, [exit], cases), coin, cases)
    for name, (curve, chosen) in found.items():
        low, high = null_test.interval(curve, coin, cases) if name != "coin" else (np.nan, np.nan)
        row = {"rule": name, "calibrated_on": OTHERS} | _point(chosen, coin, cases)
        yield row | _test(curve, coin, found["oracle"][0], cases) | {"low": _points(low), "high": _points(high)}


def _shipped(
    cases: Cases, coin: Outcome, method: str, compressor: str, threshold: thresholds.Threshold, times: dict[str, float]
) -> Iterator[dict]:
    """Yield the row of every rule as it ships, the thresholds in use first: with the settings that `enhance` takes."""
    ships = rules.shipped(method, compressor)
    origin = {"iqam": "as configured"} | dict.fromkeys(ships, rules.calibrated_on(method, compressor))
    for name, settings in {"iqam": threshold, **ships}.items():
        rule = plugins.find(FOLDER, name)
        if exit_cases.usable(rule, cases):
            label = f"iqam {thresholds.text(threshold)}" if name == "iqam" else f"{name}, as shipped"
            row = _point(null_test.play(rule, [settings], cases), coin, cases)
            time = {"timed": times[name]} if name in times else {}
            yield {"rule": label, "calibrated_on": origin[name]} | row | time


def _published() -> Iterator[dict]:
    """Yield the rows of the paper's points: Fig. 6b for forced exits and what follows from them, Fig. 6a for IQAM."""
    cases = published_exits.cases()
    forced = plugins.find(FOLDER, "forced")
    found = {name: null_test.judge(plugins.find(FOLDER, name), cases, cases) for name in ("coin", "quality", "oracle")}
    coin, oracle, sweep = found["coin"][0], found["oracle"][0], published_exits.sweep(cases)
    for exit in range(1, len(cases.cost) + 1):
        yield {"rule": f"exit {exit}"} | _point(null_test.play(forced, [exit], cases), coin, cases)
    judged = {"coin": found["coin"], "iqam": (sweep, published_exits.in_use(sweep)), "quality": found["quality"]}
    for name, (curve, chosen) in judged.items():
        low, high = published_exits.interval(curve, coin) if name != "coin" else (np.nan, np.nan)
        row = {"rule": name, "calibrated_on": "the same figure"} | _point(chosen, coin, cases)
        yield row | _test(curve, coin, oracle, cases) | {"low": _points(low), "high": _points(high)}


def _point(chosen: Outcome, coin: Outcome, cases: Cases) -> dict[str, object]:
    """Return the columns of an operating point."""
    means = {unit: values.mean() for unit, values in chosen.spent.items()}
    gain, paper = chosen.gains.mean(), means["gmacs_paper"]
    same = null_test.reached(coin.spent["gmacs_paper"].mean(axis=1), coin.gains.mean(axis=1), paper)
    shares = chosen.exits.mean(axis=(0, 1))
    return {unit: round(mean, UNITS[unit]) for unit, mean in means.items()} | {
        "share": round(paper / cases.cost[-1], 3),
        "delta_psnr": round(gain, 3),
        "to_last": round(gain - cases.gains[:, -1].mean(), 4) + 0.0,
        "over_coin": round(gain - same, 4) + 0.0,
        "exits": "" if np.isnan(shares).any() else "/".join(f"{100 * share:.0f}" for share in shares),
    }


def _test(curve: Outcome, coin: Outcome, oracle: Outcome, cases: Cases) -> dict[str, float]:
    """Return the columns of the test but for the interval."""
    needed = dict(zip(NEEDED, (round(null_test.share(curve, cases, within=each), 3) for each in WITHIN), strict=True))
    allowed = NEEDED[WITHIN.index(ALLOWED)]
    for unit in set(curve.spent) & {"gmacs", "ms"}:
        needed[f"{unit}_{allowed}"] = round(null_test.share(curve, cases, unit), 3)
    own, null, bound = (null_test.share(each, cases) for each in (curve, coin, oracle))
    return needed | {"to_coin": _points(own - null), "of_oracle": round((1 - own) / (1 - bound), 2)}


def _points(share: float) -> float:
    return round(100 * share, 1) + 0.0


def note(results: Results) -> str:
    """Return what a reader must know: the test, the data, the units."""
    return (
        "The null test. needed_X: gmacs_paper needed to stay within .X dB of the last exit's mean PSNR gain, as a "
        "share of the last exit's (gmacs_ and ms_needed: the same in other units); every curve is its upper concave "
        "envelope, for two settings may be mixed. coin: two neighbouring exits mixed at random. to_coin: points of "
        "cost (per cent of the last exit's) at .01 dB more than the coin needs, so that a rule below 0 beats it; "
        f"low, high: its 95 % interval by bootstrap over pictures ({null_test.RESAMPLES:,} resamples). of_oracle: "
        "part of the saving of the rule that knows the original. share: gmacs_paper over the last exit's; to_last and "
        "over_coin: dB above the last exit, and above a coin at the same cost. calibrated_on: what chose the row's "
        "setting. Of other pictures of these, each of at most "
        f"{null_test.FOLDS} parts is judged by the cheapest setting within .01 dB on the others, and calibrated rules "
        "have their curves so, too. As shipped: the settings of `qebench enhance`; timed: their milliseconds, the "
        "decision in the clock, as a share of all of the network's in the same run. "
        f"n = {results.image_count} images of {results.datasets} at all qualities; {results.protocol}. gmacs: "
        "exact, with the heads on the way; gmacs_paper: in the paper's accounting; ms: as in table 2. rbqe (paper): "
        "RBQE, ECCV 2020, Fig. 6b and, for iqam, Fig. 6a; its low and high are what reading the plots leaves open."
    )
