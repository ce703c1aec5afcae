"""What a training run tells while it goes: a CSV file and TensorBoard's events of validation gains, and what is odd."""

import csv
import sys
from importlib.util import find_spec
from pathlib import Path

from qebench.common import files
from qebench.training import validation
from qebench.training.run import Clock, Progress, Run
from qebench.training.validation import Gains

COLUMNS = ["step", "seconds", "loss", "quality", "exit", "delta_psnr"]
WARNING = """
##### WARNING: the mean validation gain is {gain:+.3f} dB after {steps} steps ({seconds:.0f} s), not above 0.
##### Look for, in this order: a learning rate too high for this network (the loss is {loss:.3g}; well above 1 it
##### diverges: try --learning-rate 1e-4); start values that do not suit it (qebench/training/start_values.py);
##### pictures that had been compressed before; a machine so slow that these steps are too few. Training goes on.
"""


class Journal:
    """The history of a run, of which `output`.csv is a copy and `output`.events TensorBoard's.

    The history is part of every checkpoint, so a run that is killed and goes on has each validation once.
    """

    def __init__(self, output: Path, progress: Progress) -> None:
        self._table, events = (output.with_name(output.name + ending) for ending in (".csv", ".events"))
        self._events = None
        if find_spec("tensorboardX"):  # a lent GPU machine may lack it
            from tensorboardX import SummaryWriter

            with files.writing(events):
                self._events = SummaryWriter(str(events), purge_step=progress.step or None)

    def write(self, run: Run, loss: float, gains: Gains) -> None:
        """Note the gains now, with the mean loss since the last time, and print them."""
        progress, clock = run.progress, run.progress.clock
        rows = [(quality, exit, gain) for quality, row in gains.items() for exit, gain in enumerate(row, start=1)]
        progress.history += [[progress.step, round(clock.total), round(loss, 5), *row] for row in rows]
        with files.replacing(self._table) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *progress.history])
        speed = progress.step * run.settings.batch / max(clock.stepping, 1e-9)
        if self._events:
            scalars = {f"gain/{quality}/exit {exit}": gain for quality, exit, gain in rows}
            scalars |= {
                "loss": loss,
                "learning rate": float(run.schedules[0].get_last_lr()[0]),
                "patches per second": speed,
            }
            for name, value in scalars.items():
                self._events.add_scalar(name, value, progress.step)
            self._events.flush()
        deepest = ", ".join(f"{quality}: {row[-1]:+.3f}" for quality, row in gains.items())
        say(
            f"step {progress.step}: loss {loss:.4f}, gain {validation.mean(gains):+.3f} dB ({deepest}),"
            f" {speed:.1f} patches/s, {clock.waiting_share():.1%} of the time waiting for crops"
        )

    def close(self) -> None:
        if self._events:
            self._events.close()


def warn(clock: Clock, steps: int, gains: Gains, loss: float) -> None:
    """Say loudly that a network gains nothing, if it does not, and what to look for."""
    if (gain := validation.mean(gains)) <= 0:
        say(WARNING.format(seconds=clock.total, steps=steps, gain=gain, loss=loss))


def say(text: str) -> None:
    """Print to standard error, above a progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)
