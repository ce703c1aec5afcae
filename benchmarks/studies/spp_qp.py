"""python -m benchmarks.spp_qp FOLDER

Choose the QPs of the method spp for the mean PSNR gain on the luma of a folder of validation pictures: one per JPEG
quality factor, and one for HEVC at all its QPs. What it prints goes into methods/spp.py.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # torch takes seconds to import
    from qebench.training.pair_files import Pairs

JPEG_QUALITIES = [90, 80, 70, 60, 50, 40, 30, 20, 10]  # neighbours have similar QPs, from which the search starts


def main(arguments: list[str] | None = None) -> None:
    """Print the constants for methods/spp.py, with the mean gain of each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.spp_qp", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="pictures that are used for no test")
    parser.add_argument("--pairs", type=Path, default=Path("results/pairs"), help="where compressed pictures are kept")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="threads that compress (default: all)")
    options = parser.parse_args(arguments)

    from qebench.training import pair_files, pair_sources

    try:
        jpeg, hevc = (
            pair_files.cached(
                pair_sources.Recipe([options.folder], name, qualities, "luma"), options.workers, options.pairs
            )
            for name, qualities in (("jpeg", JPEG_QUALITIES), ("hevc", pair_sources.QUALITIES["qp"]))
        )
        chosen, qp = {}, 1
        for layer, quality in enumerate(JPEG_QUALITIES, start=1):
            qp, best = climb(lambda qp: mean_gain(jpeg, layer, qp), qp)  # noqa: B023
            chosen[quality] = qp
            print(f"# JPEG QF {quality}: qp {qp}, {best:+.3f} dB", flush=True)
        layers = range(1, len(hevc.qualities) + 1)
        other, _ = climb(lambda qp: float(np.mean([mean_gain(hevc, layer, qp) for layer in layers])), 1)
        for layer, quality in zip(layers, hevc.qualities, strict=True):
            print(f"# HEVC QP {quality}: qp {other}, {mean_gain(hevc, layer, other):+.3f} dB", flush=True)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    print(f"JPEG_QP = {dict(sorted(chosen.items()))}\nOTHER_QP = {other}")


def climb(gain: Callable[[int], float], start: int) -> tuple[int, float]:
    """Return the QP with the highest gain, and that gain, going up or down from `start` as long as it rises.

    The gain has one peak: too low a threshold leaves artifacts, too high a one takes texture.
    """
    from methods.spp import QPS

    best = start, gain(start)
    for step in (1, -1):
        for qp in itertools.takewhile(QPS.__contains__, itertools.count(start + step, step)):
            found = gain(qp)
            if found <= best[1]:
                break
            best = qp, found
        if best[0] != start:
            break
    return best


def mean_gain(decoded: "Pairs", layer: int, qp: int) -> float:
    """Return the mean PSNR gain (dB) over all pictures of some pairs, of one quality, at a QP."""
    from benchmarks.metrics import of_pictures, psnr
    from methods import spp
    from qebench.networks import pixels

    gains = []
    for number in range(len(decoded.sizes)):
        original, before = (pixels.to_images(decoded.image(number, place))[0] for place in (0, layer))
        after = spp.postprocess(before[None], qp)[0]
        gains.append(of_pictures(psnr, original, after) - of_pictures(psnr, original, before))
    return float(np.mean(gains))


if __name__ == "__main__":
    main()
