"""Processes to compress in: most codecs run inside Python, where a thread that hangs could not be stopped.

They are forked from one that has imported what they need, and all have started before there is work for them. Work is
shared out in batches: to hand over one picture after the other takes the parent 0.2 ms each, and twice that of all
processes together, of the 13 ms that JPEG takes for 512x512 pixels.
"""

import multiprocessing
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qebench.common import files, memory

if TYPE_CHECKING:
    import pebble

BATCH = 0.5  # seconds of work for one process
Item = TypeVar("Item")


def prepare(compressor: str) -> None:
    """Start the process that those of `pool` are forked from, unless it runs, and let it import their modules.

    It takes its time, so call this before this process imports the same: both then do it at once.
    """
    forkserver.set_forkserver_preload(["qebench.datasets.manifests", "pebble", "qebench.coding.folder", compressor])
    meeting = Path(tempfile.gettempdir())  # of the processes, by a socket there
    try:
        with files.writing(meeting):
            forkserver.ensure_running()
    except OSError as error:
        if "path too long" not in str(error):  # a socket's may have 107 bytes
            raise
        raise OSError(f"{meeting} is too long a path for processes to meet: name a shorter one by TMPDIR") from error


@contextmanager
def pool(workers: int) -> Iterator["pebble.ProcessPool"]:
    """Give a pool of processes, all of which have started, and end them afterwards with the programs they run."""
    import pebble  # late: while the process of `prepare` imports, too

    context = multiprocessing.get_context("forkserver")
    started = context.Semaphore(0)
    processes = pebble.ProcessPool(workers, context=context, initializer=_start, initargs=[started])
    try:
        # A process that starts while the pool ends would miss its locks, and say so.
        for _ in range(workers):
            while processes.active and not started.acquire(timeout=1):
                pass
        yield processes
    finally:
        processes.stop()
        processes.join()


def share(
    pool: "pebble.ProcessPool", task: Callable, items: Iterable[Item], workers: int, limit: float
) -> Iterator[tuple[list[Item], futures.Future]]:
    """Let the `workers` of a pool do `task`, which takes a list of items, and yield each list with its job as it ends.

    A list is one item at first, then what takes BATCH seconds, and less towards the end, so that all end together
    (guided self-scheduling). What takes over `limit` seconds is stopped; how a job ended is told by its `result`.
    """
    waiting, ended, size, began = deque(items), 0, 1, time.monotonic()
    jobs: dict[futures.Future, list[Item]] = {}
    while waiting or jobs:
        while waiting and len(jobs) < 2 * workers:  # for each process one in work and one at hand
            batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
            jobs[pool.schedule(task, [batch], timeout=limit)] = batch
        for job in futures.wait(jobs, return_when=futures.FIRST_COMPLETED).done:
            ended += len(jobs[job])
            yield jobs.pop(job), job
        done_in_time = ended / (time.monotonic() - began) / workers * BATCH
        size = max(1, int(min(done_in_time, len(waiting) / workers / 4)))


def _start(started: Any) -> None:
    """Let the pool's SIGTERM unwind a process, so that `tools.run` stops its program; Pebble's own exits at once."""

    def stop(*_: object) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    memory.keep()
    started.release()
