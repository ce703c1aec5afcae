"""QEBench: a benchmark and reproducibility suite for quality enhancement of compressed images.

    import qebench
    network = qebench.load("rbqe", "jpeg")       # the weights that ship for a codec, or a file
    result = qebench.enhance(picture, network)   # uint8 (H, W) or (H, W, 3); result.picture, .exit, .scores
    qebench.iqam(picture, block_size=8)          # the no-reference score
    decoded, bits = qebench.compress(picture, "jpeg", 30)

The functions are those of `qebench.library`, imported when they are first used.
"""

import importlib
from typing import Any

__all__ = ["compress", "enhance", "iqam", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("qebench.library"), name)
    raise AttributeError(f"module 'qebench' has no attribute {name!r}: it has {', '.join(__all__)}")
