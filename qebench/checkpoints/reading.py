"""Read weights strictly and without running code: safetensors, and the files of the original repositories.

A file holds a bare state dict (safetensors; ryanxingql/rbqe), or one as "module_net" or "module_gen" with "module."
before each key (ryanxingql/powerqe v1.0), or as "state_dict" with "generator." (v3, an mmcv restorer). Common training
code wraps it otherwise: "params_ema" and "params" (BasicSR), "model_state_dict" (PyTorch's tutorial), "_orig_mod."
(torch.compile), "model." (Lightning), "module." beside the number n_averaged (torch.optim.swa_utils). PyTorch files go
through its unpickler for weights only, which refuses every object that could run code. MATLAB files hold the
network as a list of layers (`matconvnet`) or as named arrays (`arrays_mat`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from qebench.checkpoints import arrays_mat, matconvnet, matlab, rounding

PYTORCH = {".pt", ".pth", ".ckpt"}
MATLAB = ".mat"
CONTAINERS = ("module_net", "module_gen", "params_ema", "params", "state_dict", "model_state_dict", "model", "net")
PREFIXES = ("generator.", "module.", "_orig_mod.", "model.")
AVERAGED = "n_averaged"  # how many models an averaged one is the mean of
LFS_POINTER = b"version https://git-lfs"  # how the text that stands for a large file in Git begins
NUMPY_NUMBER = ("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")

Weights = dict[str, Tensor]


def load_into(model: nn.Module, path: Path, adapt: Callable[[Weights, nn.Module], Weights] | None = None) -> None:
    """Copy the weights of a file into `model`, every one of them and no others; rounded ones become floats again.

    `adapt` makes weights of another form those of the model.

    Raises the errors of `read`, and ValueError with the first key, in the order of the model's state dict, whose shapes
    differ or that only one side has.
    """
    weights = read(path) if adapt is None else adapt(read(path), model)
    if (reason := misfit(model, weights)) is not None:
        raise ValueError(f"{path} was not made for {type(model).__name__}: {reason}")
    model.load_state_dict(weights)


def misfit(model: nn.Module, weights: dict[str, Tensor]) -> str | None:
    """Return why `weights` are not those of `model` (which may be on the meta device), or None if they are.

    That is the first key, in the order of the model's state dict, whose shapes differ or that only one side has; or
    whose values differ from those of an earlier key with which the network shares one tensor.
    """
    expected = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    for key in dict.fromkeys([*expected, *weights]):
        wanted, found = _shape(expected, key, "unexpected"), _shape(weights, key, "missing")
        if wanted != found:
            return f"{key} is {wanted} in the network, {found} in the file"
        shared = first.setdefault(id(expected[key]), key)
        if not torch.equal(weights[shared], weights[key]):
            return f"{key} is the same as {shared} in the network, but not in the file"
    return None


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file by their keys in the network, without container and prefix, on the CPU.

    Those that `storage` keeps as integers become float32.

    Raises FileNotFoundError if the file is missing, and ValueError if it is no readable weights file, or holds code, or
    anything but tensors where the weights should be.
    """
    return unwrapped(path)[-1]


def unwrapped(path: Path) -> list[dict[str, Tensor]]:
    """Return what `read` does last, and before it the same with prefixes, from all of them on: some are a network's.

    ESRGAN's keys begin with "model.", for example. Errors are those of `read`.
    """
    content = _open(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a state dict")
    weights = next((content[name] for name in CONTAINERS if isinstance(content.get(name), dict)), content)
    for key, entry in weights.items():
        if not isinstance(key, str) or not isinstance(entry, Tensor):
            raise ValueError(f"{path} holds a {type(entry).__name__} as {key!r}, but weights are tensors with names")

    try:
        stages = [rounding.floats(stage) for stage in _unwrapped(weights)]
        _check_values(stages[-1])
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as weights: {error}") from error
    return stages


def _unwrapped(weights: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors of the network alone, then each time with one prefix less of what it was wrapped in."""
    # A restorer's file may also hold a discriminator and a loss network: only the generator is ours.
    weights = {key: tensor for key, tensor in weights.items() if key.startswith("generator.")} or weights
    yield weights
    while weights:
        others = {key: tensor for key, tensor in weights.items() if key != AVERAGED}
        prefix = next((prefix for prefix in PREFIXES if all(key.startswith(prefix) for key in others)), None)
        if prefix is None:
            break
        weights = {key.removeprefix(prefix): tensor for key, tensor in others.items()}
        yield weights


def _check_values(weights: dict[str, Tensor]) -> None:
    """Raise ValueError with the first tensor that is no weights: sparse, without values, or not finite in float32."""
    for key, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.is_quantized:
            kind = "quantized" if tensor.is_quantized else "sparse"
            raise ValueError(f"{key} is {kind}: save it as an ordinary tensor (to_dense, dequantize)")
        if tensor.is_meta:
            raise ValueError(f"{key} has no values (PyTorch's meta device): save the network after its weights are set")
        if tensor.is_complex():
            raise ValueError(f"{key} holds complex numbers, and networks here have real ones")
        wrong = int((~tensor.float().isfinite()).sum())
        if wrong:
            raise ValueError(
                f"{wrong} of the {tensor.numel()} numbers in {key} are NaN or infinite: the training diverged, or the "
                "file is damaged; take an earlier checkpoint"
            )


def changes(path: Path) -> str:
    """Return in words what reading a file changes of it."""
    if path.suffix == MATLAB:
        return _matlab_reader(path).CHANGES
    kinds = {tensor.dtype for tensor in read(path).values() if tensor.is_floating_point()}
    others = sorted(str(kind).removeprefix("torch.") for kind in kinds - {torch.float32})
    return f"{' and '.join(others)} to float32" if others else "names of tensors at most; every value is the file's"


def _matlab_reader(path: Path) -> ModuleType:
    return arrays_mat if arrays_mat.is_one(matlab.names(path)) else matconvnet


class _NumpyNumber:
    """Stands for a numpy number, as official training checkpoints hold beside the weights; numpy's code never runs."""

    def __init__(self, *parts: object) -> None:
        """Accept and drop what a pickle passes, to a number or to its dtype."""

    def __setstate__(self, state: object) -> None:
        """Accept and drop a dtype's state."""


def _open(path: Path) -> object:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: methods/weights/README.md says where weights come from and how to train them"
        )
    if path.suffix not in PYTORCH | {".safetensors", MATLAB}:
        raise ValueError(f"{path} is no weights file: its name should end in .safetensors, .pt, .pth, .ckpt or .mat")
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise ValueError(f"{path} is a Git LFS pointer that stands for the weights: get the file by `git lfs pull`")
    if path.suffix == MATLAB:
        return _matlab_reader(path).read(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([(_NumpyNumber, name) for name in NUMPY_NUMBER]):
            return torch.load(path, weights_only=True, map_location="cpu")
    except OSError:
        raise
    except Exception as error:  # damaged files fail in ten ways, from struct.error to AssertionError
        raise ValueError(
            f"{path} cannot be read as weights: it is truncated, another kind of file, or holds code (none was run)"
        ) from error


def _shape(tensors: dict[str, Tensor], key: str, absent: str) -> tuple[int, ...] | str:
    return tuple(tensors[key].shape) if key in tensors else absent


def restore(model: nn.Module, weights: Path | None, device: str) -> nn.Module:
    """Return `model` in evaluation mode on `device`, with the weights of a file if one is given.

    The file and the errors are those of `load_into`.
    """
    if weights is not None:
        load_into(model, weights)
    return model.eval().to(device)
