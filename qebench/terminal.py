"""The time left beside the bars that snakemake-logger-plugin-rich draws, which have the time so far alone."""

from collections.abc import Iterable
from typing import Any

from rich.progress import ProgressColumn, Task
from rich.text import Text


class TimeLeft(ProgressColumn):
    """Time left of the bar of all jobs, at the mean pace so far; nothing beside the bars of single rules."""

    def render(self, task: Task) -> Text:
        if task.id != 0 or task.elapsed is None or task.remaining is None or not task.completed or task.finished:
            return Text("")
        return Text(f"about {text(task.elapsed / task.completed * task.remaining)} left")


def text(seconds: float) -> str:
    """Return a time in the unit that says most: "40 s", "3 min", "2.5 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def add_time_left(handlers: Iterable[Any]) -> None:
    """Add the column to the bars of Snakemake's log handlers, as far as they have any."""
    for handler in handlers:
        if bars := getattr(handler, "progress", None):
            bars.columns = (*bars.columns, TimeLeft())
