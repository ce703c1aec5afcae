"""Keep freed memory in the process: with glibc's defaults every large tensor is mapped and faulted in anew.

A full pass of RBQE on a 512x512 image takes 8 to 11 s with the defaults and 1 s with these settings. glibc reads them
when a process starts, so a command that computes starts itself again once.
"""

import os
import sys

SETTINGS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_TOP_PAD_": str(2**30)}


def settle() -> None:
    """Replace this process by one that runs the same command with SETTINGS, unless it has them or is not on Linux."""
    if sys.platform == "linux" and any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        os.execve(sys.executable, sys.orig_argv, os.environ | SETTINGS)
