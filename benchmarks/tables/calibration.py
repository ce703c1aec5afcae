"""Calibration: the thresholds of early exit that the data set at hand suggests, beside those in use.

Run it on a validation set; `threshold_sweep` is the figure that justifies them.
"""

import pandas as pd

from qebench.common import plugins
from qebench.evaluation import calibration, exit_cases, null_test
from qebench.evaluation.results import Results, multi_exit_methods
from qebench.networks.rules import FOLDER
from qebench.networks.thresholds import text

OTHERS = "one per exit, on other pictures"


def tabulate(results: Results) -> pd.DataFrame:
    """Return per method and compressor: rule, threshold, gmacs and delta_psnr of several ways to leave.

    They are: at the threshold in use, at the turning points of one threshold and of one per exit, the latter also on
    pictures that did not calibrate it, and never early. The rule of a turning point is `calibration.turning_point`.
    """
    rows = []
    for method in multi_exit_methods(results):
        measured = results.measurements[results.measurements["method"] == method]
        for compressor in measured["compressor"].unique():
            source = (results.measurements, results.complexity, method, compressor)
            whole = calibration.sweep(*source)
            points = {
                "in use": calibration.point(results.thresholds[compressor], *source),
                "one for all exits": calibration.turning_point(whole),
                "one per exit": calibration.turning_point(calibration.sweep_per_exit(*source)),
                OTHERS: _on_others(results, method, compressor),
                "never early": whole.iloc[-1],
            }
            for rule, point in points.items():
                threshold = "" if rule in (OTHERS, "never early") else text(point["threshold"])
                spent, gain = round(point["gmacs"], 2), round(point["delta_psnr"], 3)
                row = {"rule": rule, "threshold": threshold, "gmacs": spent, "delta_psnr": gain}
                rows.append({"method": method, "compressor": compressor} | row)
    return pd.DataFrame(rows)


def _on_others(results: Results, method: str, compressor: str) -> pd.Series:
    """Return gmacs and delta_psnr of thresholds per exit, each picture by those that other pictures calibrate."""
    cases = exit_cases.collect(results.measurements, results.complexity, results.latency, method, compressor)
    _, chosen = null_test.judge(plugins.find(FOLDER, "iqam_per_exit"), cases)
    return pd.Series({"gmacs": chosen.spent["gmacs_paper"].mean(), "delta_psnr": chosen.gains.mean()})


def note(results: Results) -> str:
    """Return what a reader must know: the rule, the data, the units."""
    return (
        "Ways to stop early: at the threshold in use; at the cheapest one for all exits (as in the paper), or for each "
        f"but the last, whose mean PSNR gain (dB) is within {calibration.TOLERANCE} dB of the best; the latter on "
        "pictures that did not calibrate them, which is what they would do elsewhere; never. "
        f"Means over n = {results.image_count} images of {results.datasets} and all qualities; {results.protocol}. "
        "GMACs are at 512x512, in the paper's accounting."
    )
