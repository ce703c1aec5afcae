"""Any network as one ONNX file that runs without PyTorch and this suite: `qebench export --onnx`.

The file holds the weights, takes float32 images `decoded` (N, C, H, W) in [0, 1] of any number and size, and gives them
enhanced, unclipped, as `exit_1` to the last exit. Height and width are multiples of the `multiple` in its metadata;
mirror other pictures at the bottom and right, and crop, as `pixels.pad` does. The metadata also names the method, its
form, and the SHA-256 of the weights. It is not written unless ONNX Runtime gives what PyTorch does, at three sizes.

It needs the extra packages `onnx` and `onnxruntime`.
"""

import json
import warnings
from importlib.util import find_spec
from math import inf
from pathlib import Path

import torch
from torch import Tensor, nn

from qebench.common import files, plugins
from qebench.networks import multi_exit, tiling
from qebench.networks.network import Network, describe

OPSET = 17
TOLERANCE = 1e-4  # of values in [0, 1]
SIDES = (64, 96)  # pixels of the image that is traced
CHECKED = ((2, 64, 96), (1, 160, 128), (1, 75, 101))  # images, height and width, rounded up to the multiple
SAFE_MULTIPLE = 32  # for networks that halve, where halves of odd sizes are not those of the traced one
PACKAGES = ("onnx", "onnxruntime")


class _Exits(nn.Module):
    """All exits of a network as a tuple."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(multi_exit.exits(self.module, x))


def export(method: str, weights: Path, output: Path) -> float:
    """Write a method's network with its weights to `output` (.onnx); return its largest difference to PyTorch.

    Raises RuntimeError without the packages, the errors of the method's `load`, and ValueError for another suffix and
    for results that differ by more than TOLERANCE.
    """
    if output.suffix != ".onnx":
        raise ValueError(f"{output}: name the file X.onnx")
    _need_packages()
    network = describe(plugins.find("methods", method).load(weights, "cpu").eval(), method)
    return write(network, output, files.sha256(weights))


def write(network: Network, output: Path, weights_sha256: str = "") -> float:
    """Write a network as it is, on the CPU, to `output`; result and ValueError as those of `export`."""
    facts = {"method": network.name, "form": network.form, "weights_sha256": weights_sha256}
    with files.replacing(output) as temporary:
        _trace(network, temporary)
        for multiple in dict.fromkeys([network.multiple, SAFE_MULTIPLE]):
            difference = _difference(network, temporary, multiple)
            if difference <= TOLERANCE:
                break
        else:
            found = f"by up to {difference:.1g}" if difference < inf else "or takes no other size than the traced one"
            raise ValueError(f"{network.name} is not exported: ONNX Runtime gives other images than PyTorch, {found}")
        _describe(temporary, facts | {"multiple": str(multiple), "exits": str(network.exit_count)})
    return difference


def _need_packages() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise RuntimeError(f"{' and '.join(missing)} not installed, which ONNX needs: pip install onnx onnxruntime")


def _trace(network: Network, path: Path) -> None:
    names = [f"exit_{number}" for number in range(1, network.exit_count + 1)]
    free = {name: {0: "images", 2: "height", 3: "width"} for name in ("decoded", *names)}
    x = torch.rand(1, network.channels or 1, *SIDES)
    with warnings.catch_warnings(), torch.inference_mode():
        # The newer exporter (dynamo=True) takes twelve times as long, and a third package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Exits(network.module).eval(),
            (x,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["decoded"],
            output_names=names,
            dynamic_axes=free,
        )


def _difference(network: Network, path: Path, multiple: int) -> float:
    """Return the largest difference of ONNX Runtime's images to PyTorch's; infinite if it takes a size not."""
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a size that it does not take is told below
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for count, *sides in CHECKED:
        x = torch.rand(count, network.channels or 1, *(side + -side % multiple for side in sides))
        try:
            found = session.run(None, {"decoded": x.numpy()})
        except (Fail, RuntimeException):
            return inf
        for one, other in zip(tiling.enhance(network, x), found, strict=True):
            largest = max(largest, float((one - torch.from_numpy(other)).abs().max()))
    return largest


def _describe(path: Path, facts: dict[str, str]) -> None:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, facts)
    model.producer_name, model.doc_string = "QEBench", f"{facts['method']}: {json.dumps(facts)}"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
