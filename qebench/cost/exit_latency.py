"""Does early exit pay in milliseconds? Decoded pictures of each quality, by every exit rule and without.

Each picture goes through the network as far as a rule asks for, the decision inside the clock, and in turn through all
of the network, which computes the last exit alone. The rest is as in `latency`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from qebench.common import files
from qebench.cost import clock, latency, machine
from qebench.cost.complexity import SIDE
from qebench.datasets import originals
from qebench.networks import loading, multi_exit, pixels
from qebench.networks import rules as exit_rules
from qebench.networks.multi_exit import Rule
from qebench.networks.network import Network
from qebench.networks.thresholds import Threshold

RUNS = 3  # of every picture


def rules(method: str, compressor: str, block_size: int, threshold: Threshold, variant: str) -> dict[str, Rule]:
    """Return the exit rules that have settings for a method and a compressor: IQAM at a threshold, and shipped ones."""
    known = {"iqam": threshold, **exit_rules.shipped(method, compressor)}
    return {name: Rule(block_size, settings, variant, name) for name, settings in known.items()}


def measure(
    method: str,
    weights: Path | None,
    compressor: str,
    decoded: list[Path],
    rules: list[Rule],
    device: str,
    precision: str = "float32",
) -> list[dict]:
    """Return one record (latency.COLUMNS) per quality and way: all of the network, and each rule if it has exits.

    `decoded` are the manifests of decoded pictures, named by their quality. Pictures are cut to 512x512 pixels, from
    the upper left, which keeps the codec's block grid; if some are smaller, those of the commonest size are taken.
    """
    network, records = loading.build(method, weights, device, precision), []
    for manifest in decoded:
        quality = int(manifest.stem)
        rates = files.read_csv(manifest).set_index("image")["bpp"]
        pictures = originals.load(manifest.with_suffix(""), manifest)
        images = _of_one_size([(name, image[:SIDE, :SIDE]) for name, image in pictures])
        cases = [
            (
                network.planes(pixels.to_tensor([image], device)),
                [replace(rule, quality=float(quality), bpp=float(rates[name])) for rule in rules],
            )
            for name, image in images
        ]
        head = {"method": method, "compressor": compressor, "quality": quality, "pictures": len(images)}
        with machine.Watch() as watch:
            rows = [head | row for row in _compare(network, cases, device)]
        records += latency.complete(rows, cases[0][0], watch, device, network.precision)
    return records


def text(records: list[dict]) -> str:
    """Return the mean time per picture by each rule over that of all of the network, and what of it looking takes."""
    frame = pd.DataFrame(records)
    whole = frame.loc[~frame["early_exit"], "mean_ms"].mean()
    name, early = frame["method"].iat[0], frame[frame["early_exit"]]
    if not len(early):
        return f"{name} has one exit: {whole:.1f} ms a picture"
    lines = [f"{name}, {frame['compressor'].iat[0]}: {whole:.1f} ms a picture by all of the network"]
    for rule, rows in early.groupby("rule", sort=False):
        mean, looking = rows["mean_ms"].mean(), (rows["score_share"] * rows["mean_ms"]).sum() / rows["mean_ms"].sum()
        lines.append(f"{rule}: {mean:.1f} ms, ratio {mean / whole:.3f}; looking takes {100 * looking:.1f} % of it")
    return "\n".join(lines)


def _compare(network: Network, cases: list[tuple[Tensor, list[Rule]]], device: str) -> list[dict]:
    """Return what was timed of some pictures, each with the rules for it: one record per way."""
    if network.exit_count == 1:
        whole = [partial(network.last, x) for x, _ in cases]
        alone = [clock.times([compute], RUNS, device)[0] for compute in whole]
        return [{"early_exit": False, "exit": 1} | _summary(alone, whole[0], device)]
    timed, exits, shares = [], [], []
    for x, rules in cases:
        stopping = [partial(multi_exit.stop, network, x, rule) for rule in rules]
        whole_image = x.reshape(1, -1, *x.shape[2:])
        looking = [partial(rule.look, whole_image, whole_image) for rule in rules]
        exits.append([compute().exit for compute in stopping])
        times = clock.times([partial(network.last, x), *stopping, *looking], RUNS, device)
        timed.append(times[: 1 + len(rules)])
        most = network.exit_count - 1
        counts = [min(exit, most) if rule.looks else 0 for rule, exit in zip(rules, exits[-1], strict=True)]
        looks = zip(times[1 + len(rules) :], counts, timed[-1][1:], strict=True)
        shares.append([latency.share(*each) for each in looks])
    first, rules = cases[0]
    whole_row, *rows = np.array(timed).swapaxes(0, 1)
    records: list[dict] = [
        {"early_exit": False, "exit": network.exit_count} | _summary(whole_row, partial(network.last, first), device)
    ]
    for place, (rule, times) in enumerate(zip(rules, rows, strict=True)):
        taken = {"mean_exit": round(float(np.mean(exits, axis=0)[place]), 3)}
        share = {"score_share": round(float(np.mean(shares, axis=0)[place]), 4)}
        summary = _summary(times, partial(multi_exit.stop, network, first, rule), device)
        records.append({"early_exit": True, "rule": rule.name} | taken | share | summary)
    return records


def _summary(times: Sequence[np.ndarray], compute: partial, device: str) -> dict[str, float | None]:
    """Return the columns of time and memory, given the runs of every picture."""
    mean = float(np.mean([np.median(runs) for runs in times]))
    timed = {"mean_ms": round(mean, 3), "images_per_s": round(1e3 / mean, 3)}
    return {**clock.summarise(np.concatenate(times)), **timed, "peak_mb": machine.peak_mb(compute, device)}


def _of_one_size(images: list[tuple[str, np.ndarray]]) -> list[tuple[str, np.ndarray]]:
    shape, _ = Counter(image.shape for _, image in images).most_common(1)[0]
    return [(name, image) for name, image in images if image.shape == shape]
