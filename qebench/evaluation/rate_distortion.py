"""Rate and distortion: the curve of each image before and after enhancement, and what lies between two curves.

Enhancement needs no bits, so an enhanced image has the rate of the decoded one. BD-rate and BD-PSNR are those of
G. Bjontegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33, 2001, by the package
`bjontegaard` (C. Herglotz et al., "The Bjontegaard Bible", arXiv:2304.12852). Piecewise cubic interpolation (PCHIP), as
in the JCT-VC common test conditions, stands in for the one cubic of 2001: it takes any number of qualities and never
overshoots between them.
"""

import numpy as np
import pandas as pd

from qebench.common.metrics import IDENTICAL
from qebench.evaluation import early_exit, measurements
from qebench.networks.thresholds import Threshold

IMAGE = ["dataset", "image", "compressor", "quality"]
INTERPOLATION = "pchip"
POINTS = 4  # of a curve at least, as in VCEG-M33


def points(rows: pd.DataFrame, thresholds: dict[str, Threshold]) -> pd.DataFrame:
    """Return the columns IMAGE, method, early_exit (bool), bpp, and before and after: PSNR in dB (unrounded output).

    `rows` are native measurements. Multi-exit methods come twice: at the last exit, and with early exit at
    `thresholds`. The method `decoded` is there, too: after is before.

    Raises ValueError if PSNR was not measured.
    """
    psnr = measurements.select(rows, "psnr_unrounded")
    exits = early_exit.chosen(rows, thresholds)
    full = early_exit.last(psnr).assign(early_exit=False)
    early = early_exit.taken(psnr, exits).assign(early_exit=True)
    found = pd.concat([full, early]).rename(columns={"value": "after"})
    for name, decoded in (("bpp", measurements.select(rows, "bpp")), ("before", psnr[psnr["method"] == "decoded"])):
        column = decoded.rename(columns={"value": name})[[*IMAGE, name]]
        found = found.merge(column, on=IMAGE, validate="many_to_one")
    return found[[*IMAGE, "method", "early_exit", "bpp", "before", "after"]]


def deltas(curves: pd.DataFrame) -> dict[str, float | str]:
    """Return bd_rate (%), bd_psnr (dB) and overlap of one image's curve after enhancement against that before.

    `curves` are its rows of `points`, one per quality. overlap is the share of the range of PSNR of both curves that
    they have in common: BD-rate is the mean over that part. Where there is no such number, the result is the reason
    instead, as `left_out`.
    """
    import bjontegaard

    curves = curves.sort_values("bpp")
    bpp, before, after = (curves[name].to_numpy() for name in ("bpp", "before", "after"))
    reason = _reason(bpp, before, after)
    if reason:
        return {"left_out": reason}
    common = min(before.max(), after.max()) - max(before.min(), after.min())
    choice = {"method": INTERPOLATION, "min_overlap": 0}
    return {
        "bd_rate": float(bjontegaard.bd_rate(bpp, before, bpp, after, **choice)),
        "bd_psnr": float(bjontegaard.bd_psnr(bpp, before, bpp, after, **choice)),
        "overlap": float(common / (max(before.max(), after.max()) - min(before.min(), after.min()))),
    }


def _reason(bpp: np.ndarray, before: np.ndarray, after: np.ndarray) -> str:
    """Return why two curves cannot be compared, "" if they can; they are in the order of their rates."""
    if len(bpp) < POINTS:
        return f"fewer than {POINTS} qualities"
    if max(before.max(), after.max()) >= IDENTICAL:
        return "a quality without loss"
    if (np.diff(bpp) <= 0).any():
        return "two qualities of one rate"
    for name, psnr in (("before", before), ("after", after)):
        if (np.diff(psnr) <= 0).any():
            return f"PSNR {name} does not rise with the rate"
    if min(before.max(), after.max()) <= max(before.min(), after.min()):
        return "no PSNR in common"
    return ""
