"""How fast a job goes through its images, and which part of its work takes the time."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from qebench.common import devices


class Pace:
    """The wall time of a job on a device since this was made, and what of it its named parts took."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._began = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the `with` block to a part; on a GPU the block ends when its work is done."""
        began = time.perf_counter()
        yield
        devices.synchronize(self._device)
        self._seconds[name] += time.perf_counter() - began

    def each(self, name: str, items: Iterable) -> Iterator:
        """Yield the items, and count the time until each is there to a part."""
        items, end = iter(items), object()
        while True:
            with self.part(name):
                item = next(items, end)
            if item is end:
                return
            yield item

    def text(self, count: int) -> str:
        """Return in a line how many images per second those `count` were, and the shares of the parts and the rest."""
        seconds = time.perf_counter() - self._began
        parts = dict(self._seconds) | {"other": seconds - sum(self._seconds.values())}
        shares = ", ".join(f"{name} {100 * part / seconds:.1f} %" for name, part in parts.items())
        return f"{count} images in {seconds:.1f} s, {count / seconds:.2f} images/s: {shares}"
