"""Where a number comes from: commit, library versions, device."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

LIBRARIES = ["torch", "numpy", "scipy", "scikit-image", "pillow", "av", "imageio-ffmpeg", "pandas", "pyarrow", "numba"]
ROOT = Path(__file__).resolve().parent.parent


def commit() -> str:
    """Return the short git commit, with "+" if tracked files differ from it; "unknown" without git."""
    try:
        revision = _git("rev-parse", "--short=12", "HEAD")
        return revision + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Return the versions of Python and of those libraries that decide numbers that are there: training needs few."""
    there = {distribution.metadata["Name"].lower() for distribution in metadata.distributions()}
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in LIBRARIES if name in there}


def device_name(device: str) -> str:
    """Return the marketing name of a torch device, "NVIDIA H100 80GB HBM3" or the processor's."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
