"""BD-rate and BD-PSNR: how many bits a method saves at equal PSNR, and its gain at equal rate, per compressor."""

import pandas as pd

from qebench.common.ranking import rank
from qebench.evaluation import rate_distortion
from qebench.evaluation.results import Results

COLUMNS = ["compressor", "method", "early_exit", "bd_rate", "bd_psnr", "overlap", "n", "left_out"]


def tabulate(results: Results) -> pd.DataFrame:
    """Return compressor, method, early_exit, bd_rate (%), bd_psnr (dB), overlap (%), n and left_out.

    Each image's curve over the qualities is compared with that of the decoded image, then the images that have a
    number, n of them, are averaged. left_out counts the others by reason; without any there is no such column.
    """
    points = rate_distortion.points(results.measurements, results.thresholds)
    rows = []
    for compressor in results.measurements["compressor"].unique():
        for method in (method for method in results.methods if method != "decoded"):
            for stops in (False, True):
                chosen = (points["compressor"] == compressor) & (points["method"] == method)
                chosen = points[chosen & (points["early_exit"] == stops)]
                if len(chosen):
                    head = {"compressor": compressor, "method": method, "early_exit": "yes" if stops else "no"}
                    rows.append(head | _means(chosen))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame if frame["left_out"].notna().any() else frame.drop(columns="left_out")


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the places of bd_rate and bd_psnr among those of their compressor."""
    keys = frame[["compressor"]]
    return rank(frame[["bd_rate"]], keys, highest=False).join(rank(frame[["bd_psnr"]], keys))


def _means(points: pd.DataFrame) -> dict[str, object]:
    """Return the columns from bd_rate on: means over the images of `points` whose curves can be compared."""
    curves = points.groupby(["dataset", "image"], sort=False)
    found = pd.DataFrame([rate_distortion.deltas(curve) for _, curve in curves])
    found = found.reindex(columns=["bd_rate", "bd_psnr", "overlap", "left_out"])
    reasons = found["left_out"].value_counts().sort_index()
    return {
        "bd_rate": round(found["bd_rate"].mean(), 2),
        "bd_psnr": round(found["bd_psnr"].mean(), 3),
        "overlap": round(100 * found["overlap"].mean(), 1),
        "n": int(found["bd_rate"].notna().sum()),
        "left_out": ", ".join(f"{reason}: {count}" for reason, count in reasons.items()) or None,
    }


def note(results: Results) -> str:
    """Return what a reader must know to compare: data, units, variant, protocol."""
    return (
        "BD-rate in % (negative: bits saved at equal PSNR) and BD-PSNR in dB (gain at equal rate) against the decoded "
        f"images, per image and then averaged; n = {results.image_count} images of {results.datasets}, column n those "
        f"whose curves allow it; {results.protocol}. Variant: piecewise cubic interpolation (PCHIP) over the logarithm "
        f"of bpp, at least {rate_distortion.POINTS} qualities. bpp counts the whole file; PSNR is that of unrounded "
        "output. BD-rate is the mean over the PSNRs that both curves reach: overlap is their share of all (%)."
    )
