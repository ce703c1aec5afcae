"""Golden numbers of the original networks, and the rules that fill their weights and images."""

import functools
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden"


@functools.cache
def golden(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@functools.lru_cache(1)  # of the largest they have 290 MB
def original_state(name: str, fill: str) -> dict[str, Tensor]:
    """Return the weights of a fixture's rule under the original's keys, rounded to float32."""
    waves = {
        "A": lambda i, j: np.sin(0.37 * i + 0.011 * j + 0.5),
        "B": lambda i, j: np.sin(0.37 * i + 0.5 + 40 * np.sin(0.3 * i + 1.7 * j)),
    }
    keys, rule = golden(name)["keys"], golden(name)["fills"][fill]
    numbers = golden(name).get("fill_index", range(len(keys)))  # tied tensors have the number of the last of them
    state = {}
    for number, (key, shape) in zip(numbers, keys, strict=True):
        wave = waves[fill](number, np.arange(np.prod(shape), dtype=np.float64))
        if key.endswith(".num_batches_tracked"):
            state[key] = torch.tensor(0)
            continue
        if len(shape) > 1:
            values = wave * rule["gain"] / np.sqrt(np.prod(shape[1:]))
        elif key.endswith(".running_var"):
            values = 1 + 0.1 * abs(wave)
        elif key.endswith(".weight") and rule.get("bn_weight_is_one_plus", False):
            values = 1 + 0.1 * wave
        else:
            values = wave * rule["scale_1d"]
        state[key] = torch.from_numpy(values.astype(np.float32)).reshape(shape)
    return state


def wave_image(shape: list[int], dtype: torch.dtype) -> Tensor:
    """Return the fixtures' input, rounded to float32."""
    j = np.arange(np.prod(shape), dtype=np.float64)
    values = (0.5 + 0.5 * np.sin(0.05 * j) * np.cos(0.003 * j)).astype(np.float32)
    return torch.from_numpy(values).reshape(shape).to(dtype)
