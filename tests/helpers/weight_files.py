"""Weights in the layouts of other programs, and a pickle that does harm when it is loaded without care."""

import os
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import torch
from scipy.io import savemat
from torch import Tensor


class Payload:
    """Makes a folder when a pickle of it is loaded without care."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: tensor for key, tensor in state.items()}


LAYOUTS = {
    "bare": lambda state: state,
    "distributed": lambda state: prefixed("module.", state),
    "powerqe_v1": lambda state: {
        "iter": 500_000,
        # the validation's mean is a numpy number (Recorder.get_ave in the original's utils)
        "best_val_perfrm": {"iter_lst": [5000], "perfrm": np.mean([30.1, 31.2])},
        "module_net": prefixed("module.", state),
        "optim_net": {"state": {0: {"step": 3}}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999)}]},
    },
    "powerqe_v1_gan": lambda state: {
        "module_gen": prefixed("module.", state),
        "module_dis": prefixed("module.", {"0.weight": torch.rand(2)}),
    },
    "powerqe_v3": lambda state: {
        "meta": {"iter": 500_000, "mmcv_version": "1.5.0"},
        "state_dict": prefixed("generator.", state),
        "optimizer": {},
    },
    "powerqe_v3_gan": lambda state: {
        "state_dict": prefixed("generator.", state)
        | {"discriminator.0.weight": torch.rand(2), "step_counter": torch.ones(1)}
    },
    "state_dict": lambda state: {"state_dict": state},
    "basicsr": lambda state: {"params": state},
    "basicsr, averaged": lambda state: {
        "params": {key: tensor + 1 for key, tensor in state.items()},
        "params_ema": state,
    },
    "tutorial": lambda state: {"model_state_dict": state, "optimizer_state_dict": {}, "epoch": 1, "loss": 0.1},
    "compiled": lambda state: prefixed("_orig_mod.", state),
    "compiled, distributed": lambda state: {"state_dict": prefixed("module._orig_mod.", state)},
    "distributed, compiled": lambda state: prefixed("_orig_mod.module.", state),
    "lightning": lambda state: {"state_dict": prefixed("model.", state), "epoch": 3, "global_step": 900},
    "averaged": lambda state: prefixed("module.", state) | {"n_averaged": torch.tensor(7)},
    "averaged, compiled": lambda state: prefixed("module._orig_mod.", state) | {"n_averaged": torch.tensor(7)},
}


WIDTHS = [1, 4, 3, 1]  # of a network of three convolutions; MATLAB drops the last axis of the last kernel


def simplenn(widths: list[int] = WIDTHS) -> list[dict]:
    """Return a network as simplenn keeps it: kernels as (height, width, in, out), biases as (1, out)."""
    random, layers = np.random.default_rng(0), []
    for before, after in pairwise(widths):
        kernel = random.normal(size=(3, 3, before, after)).astype(np.float32) / 3
        bias = random.normal(size=(1, after)).astype(np.float32)
        # learningRate and opts stand for what only matters in training
        layers.append(
            {"type": "conv", "weights": [kernel, bias], "pad": 1.0, "stride": 1.0, "learningRate": [1.0, 1.0]}
        )
        layers.append({"type": "relu", "leak": 0.0, "opts": []})
    return layers[:-1]


def as_matlab(array: np.ndarray) -> np.ndarray:
    """Return an array without last axes of length 1, but with two at least."""
    while array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def save_7_3(path: Path, layers: list[dict]) -> None:
    """Write a network as MATLAB 7.3 does: HDF5 behind a header, cells as references, all axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:

        def write(place: str, value: object) -> h5py.HLObject:
            if isinstance(value, dict):
                for name, field in value.items():
                    write(f"{place}/{name}", field)
                return file[place]
            if isinstance(value, list) and value and not isinstance(value[0], float):  # a cell array
                cells = [write(f"#refs#/{place}/{number}", item).ref for number, item in enumerate(value)]
                return file.create_dataset(place, data=np.array(cells, h5py.ref_dtype)[:, None], dtype=h5py.ref_dtype)
            if isinstance(value, str):
                item = file.create_dataset(place, data=np.array([[ord(letter)] for letter in value], np.uint16))
                item.attrs["MATLAB_class"] = np.bytes_("char")
                return item
            return file.create_dataset(place, data=as_matlab(np.atleast_2d(value)).T)

        write("net", {"layers": layers})
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def save_5(path: Path, layers: list[dict]) -> None:
    """Write a network as MATLAB does before version 7.3."""
    cells = np.empty((1, len(layers)), object)
    for number, layer in enumerate(layers):
        fields = dict(layer)
        if "weights" in layer:
            fields["weights"] = np.empty((1, len(layer["weights"])), object)
            for position, array in enumerate(layer["weights"]):
                fields["weights"][0, position] = as_matlab(array)
        cells[0, number] = fields
    savemat(path, {"net": {"layers": cells}})


SAVE = {"7.3": save_7_3, "5": save_5}
