"""The machine that a time was measured on: its name, versions and settings, whether it was busy, memory at the peak.

The load average cannot say whether others were at work: it counts our own threads, and remembers the minutes before.
So the processor time of the whole machine is compared with our own.
"""

import ctypes
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch

from qebench.common import devices, memory, provenance
from qebench.cost import BUSY

MEGABYTE = 1e6


class Watch:
    """Count the processor cores that others keep busy while a block runs, time stolen by a hypervisor included.

    `busy_cores` is their mean number after the block, None where the system does not tell (Linux does).
    """

    busy_cores: float | None = None

    def __enter__(self) -> "Watch":
        self._began, self._before = time.monotonic(), _others()
        return self

    def __exit__(self, *_: object) -> None:
        after = _others()
        if self._before is not None and after is not None:
            busy = (after - self._before) / (time.monotonic() - self._began)
            self.busy_cores = round(max(busy, 0.0), 2)

    @property
    def warning(self) -> str:
        """Return what to tell the user, "" if the machine was at rest."""
        if self.busy_cores is None:
            return "whether the machine was busy cannot be told on this system: let nothing run beside this"
        if self.busy_cores <= BUSY:
            return ""
        return (
            f"the machine was busy: others kept {self.busy_cores} of {os.cpu_count()} cores at work, so the times are "
            "too long; end what runs beside this, and measure again"
        )


def _others() -> float | None:
    """Return the seconds that all processors worked for others since the machine started."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    own = os.times()
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - sum(own[:4])


def describe(device: str) -> dict[str, object]:
    """Return what decides times on a device, besides what is computed: one value per column of the latency table."""
    environment = {name: os.environ.get(name) for name in memory.SETTINGS}
    return {
        "threads": torch.get_num_threads(),
        "allocator": "keeps freed memory" if environment == memory.SETTINGS else "as the system has it",
        **_clock(device),
        "versions": f"Python {sys.version.split()[0]}, torch {torch.__version__}",
        "commit": provenance.commit(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _clock(device: str) -> dict[str, object]:
    """Return the clock in MHz as the system tells it now, None where it does not, and the driver of a GPU."""
    if device.startswith("cuda"):
        card = f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}"  # the driver numbers cards in its own way
        query = ["--query-gpu=clocks.sm,driver_version", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(["nvidia-smi", card, *query], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return {"clock_mhz": None, "driver": None}
        return told(done.stdout)
    if device != "cpu":
        return {"clock_mhz": None, "driver": None}
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        clock: float | None = next(float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz"))
    except (OSError, StopIteration):
        clock = None
    return {"clock_mhz": clock, "driver": None}


def told(line: str) -> dict[str, object]:
    """Return the clock and the driver from what nvidia-smi prints, None for what it does not tell ("[N/A]")."""
    megahertz, _, driver = (part.strip() for part in line.strip().partition(","))
    known = driver.replace(".", "").isdigit()
    return {
        "clock_mhz": float(megahertz) if megahertz.replace(".", "", 1).isdigit() else None,
        "driver": f"{driver}, CUDA {torch.version.cuda}" if known else None,
    }


@torch.inference_mode()
def peak_mb(compute: Callable[[], object], device: str) -> float | None:
    """Return the memory, in units of 10^6 bytes, that a computation takes at its peak beyond what was in use before.

    On a GPU it is that of tensors. On a CPU it is that of the whole process, as Linux counts resident pages, so what
    libraries take for themselves is in it; None on other systems.
    """
    if device != "cpu":
        return round(devices.peak_bytes(compute, device) / MEGABYTE, 1)
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # freed memory that the process keeps would hide the next peak
        Path("/proc/self/clear_refs").write_text("5")  # "reset the peak resident set size" (proc(5))
    except OSError:
        return None
    resident = _resident("VmRSS")
    compute()
    return round((_resident("VmHWM") - resident) / MEGABYTE, 1)


def _resident(kind: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))
