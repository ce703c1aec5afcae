"""Calibration: the threshold of early exit that the data set at hand suggests, beside the one in use.

Run it on a validation set; `threshold_sweep` is the figure that justifies it.
"""

import pandas as pd

from benchmarks import thresholds
from benchmarks.figures import multi_exit_methods
from benchmarks.tables import Results


def tabulate(results: Results) -> pd.DataFrame:
    """Return per method and compressor: threshold_in_use, then threshold, gmacs and delta_psnr at the turning point.

    gmacs_full and delta_psnr_full are those of the last exit for all images. The rule is `thresholds.turning_point`.
    """
    rows = []
    for method in multi_exit_methods(results):
        measured = results.measurements[results.measurements["method"] == method]
        for compressor in measured["compressor"].unique():
            curve = thresholds.sweep(results.measurements, results.complexity, method, compressor)
            chosen = thresholds.turning_point(curve)
            point, full = (curve.set_index("threshold").loc[value] for value in (chosen, curve["threshold"].max()))
            rows.append(
                {
                    "method": method,
                    "compressor": compressor,
                    "threshold_in_use": results.thresholds[compressor],
                    "threshold": chosen,
                    "gmacs": round(point["gmacs"], 2),
                    "delta_psnr": round(point["delta_psnr"], 3),
                    "gmacs_full": round(full["gmacs"], 2),
                    "delta_psnr_full": round(full["delta_psnr"], 3),
                }
            )
    return pd.DataFrame(rows)


def note(results: Results) -> str:
    """Return what a reader must know: the rule, the data, the units."""
    return (
        f"Cheapest threshold whose mean PSNR gain (dB) is within {thresholds.TOLERANCE} dB of the best, over "
        f"n = {results.image_count} images of {results.datasets} and all qualities; {results.protocol}. GMACs are at "
        "512x512, in the paper's accounting."
    )
