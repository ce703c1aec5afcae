"""Does early exit pay in milliseconds? Decoded pictures of each quality, with early exit and without.

Each picture goes through the network as far as its scores ask for, IQAM inside the clock, and in turn through all of
the network, which computes the last exit alone. The rest is as in `latency`.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from qebench.cost import clock, latency, machine
from qebench.cost.complexity import SIDE
from qebench.datasets import originals
from qebench.networks import loading, multi_exit, pixels
from qebench.networks.multi_exit import Rule
from qebench.networks.network import Network

RUNS = 3  # of every picture


def measure(
    method: str,
    weights: Path | None,
    compressor: str,
    decoded: list[Path],
    rule: Rule,
    device: str,
    precision: str = "float32",
) -> list[dict]:
    """Return one record (latency.COLUMNS) per quality and way: all of the network, and early exit if it has exits.

    `decoded` are the manifests of decoded pictures, named by their quality. Pictures are cut to 512x512 pixels, from
    the upper left, which keeps the codec's block grid; if some are smaller, those of the commonest size are taken.
    """
    network, records = loading.build(method, weights, device, precision), []
    for manifest in decoded:
        pictures = originals.load(manifest.with_suffix(""), manifest)
        images = _of_one_size([image[:SIDE, :SIDE] for _, image in pictures])
        batches = [network.planes(pixels.to_tensor([image], device)) for image in images]
        head = {"method": method, "compressor": compressor, "quality": int(manifest.stem), "pictures": len(images)}
        with machine.Watch() as watch:
            rows = [head | row for row in _compare(network, batches, rule, device)]
        records += latency.complete(rows, batches[0], watch, device, network.precision)
    return records


def text(records: list[dict]) -> str:
    """Return the mean time per picture with early exit over that without, and what of it scores take."""
    frame = pd.DataFrame(records)
    means = frame.groupby("early_exit")["mean_ms"].mean()
    if True not in means:
        return f"{frame['method'].iat[0]} has one exit: {means[False]:.1f} ms a picture"
    scores = (frame["score_share"] * frame["mean_ms"]).sum() / frame.loc[frame["early_exit"], "mean_ms"].sum()
    return (
        f"{frame['method'].iat[0]}, {frame['compressor'].iat[0]}: {means[True]:.1f} ms a picture with early exit, "
        f"{means[False]:.1f} without, ratio {means[True] / means[False]:.3f}; scores take {100 * scores:.1f} % of it"
    )


def _compare(network: Network, batches: list[Tensor], rule: Rule, device: str) -> list[dict]:
    """Return what was timed of some pictures, one record per way."""
    whole = [partial(network.last, x) for x in batches]
    if network.exit_count == 1:
        alone = [clock.times([compute], RUNS, device)[0] for compute in whole]
        return [{"early_exit": False, "exit": 1} | _summary(alone, whole[0], device)]
    stopping = [partial(multi_exit.stop, network, x, rule) for x in batches]
    scoring = [partial(rule.score, x[:1]) for x in batches]
    exits = [compute().exit for compute in stopping]
    ways = zip(whole, stopping, scoring, strict=True)
    times, stopped, scores = zip(*(clock.times(three, RUNS, device) for three in ways), strict=True)
    shares = [
        latency.share(score, min(exit, network.exit_count - 1), picture)
        for score, exit, picture in zip(scores, exits, stopped, strict=True)
    ]
    taken = {"mean_exit": round(float(np.mean(exits)), 3), "score_share": round(float(np.mean(shares)), 4)}
    return [
        {"early_exit": False, "exit": network.exit_count} | _summary(times, whole[0], device),
        {"early_exit": True} | taken | _summary(stopped, stopping[0], device),
    ]


def _summary(times: Sequence[np.ndarray], compute: partial, device: str) -> dict[str, float | None]:
    """Return the columns of time and memory, given the runs of every picture."""
    mean = float(np.mean([np.median(runs) for runs in times]))
    timed = {"mean_ms": round(mean, 3), "images_per_s": round(1e3 / mean, 3)}
    return {**clock.summarise(np.concatenate(times)), **timed, "peak_mb": machine.peak_mb(compute, device)}


def _of_one_size(images: list[np.ndarray]) -> list[np.ndarray]:
    shape, _ = Counter(image.shape for image in images).most_common(1)[0]
    return [image for image in images if image.shape == shape]
