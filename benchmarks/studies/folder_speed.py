"""How compression of a folder scales: the workflow's command with one and with two processes, in turn."""

import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from qebench.common import plugins
from qebench.datasets import originals

PROTOCOL = originals.Protocol("luma", crop=512)


def text(compressors: list[str], count: int) -> str:
    """Return a table of the seconds that it takes to compress `count` pictures, start and end of the command included.

    The pictures are those of the demo, again and again, as luma of at most 512x512; each codec is run in the middle of
    its range of qualities. The ratios mean something only where the machine has two cores and nothing else to do, and
    one process takes ten seconds or more: half a second goes into start and end.
    """
    from tabulate import tabulate

    modules = {name: plugins.find("compressors", name) for name in compressors}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        manifest = _prepare(Path(folder), count)
        for name, module in modules.items():
            quality = module.QUALITIES[len(module.QUALITIES) // 2]
            one, two = (_seconds(name, quality, manifest, processes) for processes in (1, 2))
            rows.append([name, f"{module.QUALITY} {quality}", count, one, two, one / two])
    header = ["codec", "quality", "pictures", "one process (s)", "two (s)", "one / two"]
    return tabulate(rows, header, floatfmt=("", "", "", ".2f", ".2f", ".2f"))


def _prepare(folder: Path, count: int) -> Path:
    """Write `count` originals, the demo's repeated under other names, and return their manifest."""
    (folder / "pictures").mkdir()
    for number, source in enumerate(islice(cycle(originals.sources(None)), count)):
        (folder / f"pictures/{number:04}.png").symlink_to(source)
    originals.write(originals.sources(folder / "pictures"), PROTOCOL, folder / "originals", folder / "originals.csv")
    return folder / "originals.csv"


def _seconds(compressor: str, quality: int, manifest: Path, processes: int) -> float:
    """Return how long the command takes."""
    command = [sys.executable, "-m", "compressors", "folder", compressor, str(manifest), "-q", str(quality)]
    command += ["-o", str(manifest.with_name(f"{compressor}.csv")), "--workers", str(processes)]
    began = time.perf_counter()
    subprocess.run(command, cwd=plugins.ROOT, check=True)
    return time.perf_counter() - began
