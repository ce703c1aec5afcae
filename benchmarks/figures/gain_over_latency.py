"""PSNR gain against milliseconds: the paper's Fig. 5b in time, with the latencies and gains of table 2.

Early exit is the time of really stopping, scores and earlier exits included, averaged over the exits that images take.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import gain_over_cost
from qebench.evaluation.results import Results, device


def draw(results: Results) -> Figure:
    """Return one panel per compressor, the time of one 512x512 image from 0 on, gain in dB on the other axis.

    Raises ValueError without latencies.
    """
    if results.latency.empty:
        raise ValueError("this figure is drawn from measurements and latencies: add --measurements and --latency")
    latency = results.latency.rename(columns={"median_ms": "cost"})
    machines = latency[["device", "threads"]].drop_duplicates().itertuples(index=False)
    places = "; ".join(device(*machine) for machine in machines)

    def finish(_: str, panel: Axes) -> None:
        panel.set_xlim(0, 1.15 * panel.get_xlim()[1])  # with room for the last quality

    return gain_over_cost.draw_over(results, latency, f"latency (ms, 512x512)\n{places}", finish)
