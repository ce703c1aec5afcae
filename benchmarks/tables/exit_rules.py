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
from qebench.networks import thresholds
from qebench.networks.rules import FOLDER

UNITS = {"gmacs": 2, "gmacs_paper": 2, "ms": 1}  # with their decimals
KEYS = ["method", "compressor", "rule"]
POINT = [*KEYS, "judged_on", *UNITS, "delta_psnr", "over_coin", "exits"]
NEEDED = [f"needed_{within:.3f}".replace("0.", "") for within in WITHIN]
TEST = [*KEYS, *NEEDED, *(f"{unit}_{NEEDED[WITHIN.index(ALLOWED)]}" for unit in ("gmacs", "ms"))]
TEST += ["timed", "to_coin", "low", "high", "of_oracle"]
OTHERS = "other pictures"


def tabulate(results: Results) -> pd.DataFrame:
    """Return per method, compressor and rule the columns POINT, then TEST.

    gmacs, gmacs_paper, ms, delta_psnr (dB) and exits (shares of images in per cent) are those of one setting, chosen on
    other pictures; over_coin (dB) is its gain less that of a coin at the same gmacs_paper. needed_X is the share of the
    last exit's gmacs_paper that is needed to stay within .X dB of its gain, gmacs_ and ms_needed the same in other
    units. timed is the mean time of the pictures by the rule as it ships, as a share of all of the network's in the
    same run. to_coin is needed_010 less the coin's in points, with its interval from low to high; of_oracle is the part
    of the oracle's saving.
    """
    rows: list[dict] = []
    for method, compressor, cases in exit_cases.every(results):
        head = {"method": method, "compressor": compressor}
        times = _timed(results.timed, method, compressor)
        for row in _measured(cases, results.thresholds[compressor], results.exit_rules):
            rows.append(head | row | ({"timed": times[row["rule"]]} if row["rule"] in times else {}))
    rows += [{"method": "rbqe (paper)", "compressor": "hevc"} | row for row in _published()]
    return pd.DataFrame(rows, columns=list(dict.fromkeys([*POINT, *TEST]))).dropna(axis="columns", how="all")


def parts(frame: pd.DataFrame) -> list[list[str]]:
    """Return the columns of operating points, and those of the test."""
    return [[name for name in part if name in frame] for part in (POINT, TEST)]


def _in_use(cases: Cases, threshold: thresholds.Threshold) -> Outcome:
    """Return what the thresholds in use do."""
    return null_test.play(plugins.find(FOLDER, "iqam"), [threshold], cases)


def _timed(rows: pd.DataFrame, method: str, compressor: str) -> dict[str, float]:
    """Return by rule the mean time of pictures over that of all of the network, in one run; the decision counts."""
    if not len(rows):
        return {}
    rows = rows[(rows["method"] == method) & (rows["compressor"] == compressor)]
    whole = rows.loc[~rows["early_exit"].astype(bool), "mean_ms"].mean()
    means = rows[rows["early_exit"].astype(bool)].groupby("rule")["mean_ms"].mean()
    return {str(rule): round(mean / whole, 3) for rule, mean in means.items()}


def _measured(cases: Cases, threshold: thresholds.Threshold, names: list[str]) -> Iterator[dict]:
    forced, found = plugins.find(FOLDER, "forced"), null_test.judge_all(cases, names)
    coin = found["coin"][0]
    for exit in range(1, len(cases.cost) + 1):
        yield {"rule": f"exit {exit}"} | _point(null_test.play(forced, [exit], cases), coin)
    yield {"rule": f"iqam {thresholds.text(threshold)}"} | _point(_in_use(cases, threshold), coin)
    for name, (curve, chosen) in found.items():
        low, high = null_test.interval(curve, coin, cases) if name != "coin" else (np.nan, np.nan)
        row = {"rule": name, "judged_on": OTHERS} | _point(chosen, coin)
        yield row | _test(curve, coin, found["oracle"][0], cases) | {"low": _points(low), "high": _points(high)}


def _published() -> Iterator[dict]:
    """Yield the rows of the paper's points: Fig. 6b for forced exits and what follows from them, Fig. 6a for IQAM."""
    cases = published_exits.cases()
    forced = plugins.find(FOLDER, "forced")
    found = {name: null_test.judge(plugins.find(FOLDER, name), cases, cases) for name in ("coin", "quality", "oracle")}
    coin, oracle, sweep = found["coin"][0], found["oracle"][0], published_exits.sweep(cases)
    for exit in range(1, len(cases.cost) + 1):
        yield {"rule": f"exit {exit}"} | _point(null_test.play(forced, [exit], cases), coin)
    rules = {"coin": found["coin"], "iqam": (sweep, published_exits.in_use(sweep)), "quality": found["quality"]}
    for name, (curve, chosen) in rules.items():
        low, high = published_exits.interval(curve, coin) if name != "coin" else (np.nan, np.nan)
        row = {"rule": name, "judged_on": "the same figure"} | _point(chosen, coin)
        yield row | _test(curve, coin, oracle, cases) | {"low": _points(low), "high": _points(high)}


def _point(chosen: Outcome, coin: Outcome) -> dict[str, object]:
    """Return the columns of an operating point."""
    means = {unit: values.mean() for unit, values in chosen.spent.items()}
    gain, paper = chosen.gains.mean(), means["gmacs_paper"]
    same = null_test.reached(coin.spent["gmacs_paper"].mean(axis=1), coin.gains.mean(axis=1), paper)
    shares = chosen.exits.mean(axis=(0, 1))
    return {unit: round(mean, UNITS[unit]) for unit, mean in means.items()} | {
        "delta_psnr": round(gain, 3),
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
        "part of the saving of the rule that knows the original. timed: milliseconds of the rule with the settings "
        "that ship, its decision in the clock, as a share of all of the network's in the same run. over_coin: dB above "
        "a coin at the same cost. "
        f"Calibrated rules are judged on pictures that did not calibrate them, each of at most {null_test.FOLDS} "
        "parts by the others; so is the setting of every row with judged_on, the cheapest within .01 dB on the "
        f"others. n = {results.image_count} images of {results.datasets} at all qualities; {results.protocol}. gmacs: "
        "exact, with the heads on the way; gmacs_paper: in the paper's accounting; ms: as in table 2. rbqe (paper): "
        "RBQE, ECCV 2020, Fig. 6b and, for iqam, Fig. 6a; its low and high are what reading the plots leaves open."
    )
