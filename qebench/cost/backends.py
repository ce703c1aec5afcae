"""Wall time of a network by other programs than PyTorch, in one run with PyTorch and with the last exit of RBQE.

ONNX Runtime and OpenVINO run the network's ONNX file, as `qebench export --onnx` writes it, in float32; OpenVINO also
in bfloat16 where the processor has it. Both run a file in 8-bit integers (`--int8`), too. What is not installed is left
out. Everything else is as in `latency`: one decoded 512x512 photograph, batch 1.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from qebench.cost import clock, latency, machine
from qebench.networks import loading, onnx_export, pixels

RUNS = 9
REFERENCE = "rbqe"


def measure(method: str, weights: Path, int8: Path | None = None, reference: Path | None = None) -> list[dict]:
    """Return one record (latency.COLUMNS) per way of computing the last exit of a luma network, RBQE's first.

    `execution` names the way. `int8` is an ONNX file in 8-bit integers; `reference` are weights for RBQE (none: random
    ones, which take as long).

    Raises RuntimeError without the packages for ONNX, and the errors of `onnx_export.export`.
    """
    rival, network = loading.build(REFERENCE, reference, "cpu"), loading.build(method, weights, "cpu")
    x = pixels.to_tensor([latency.photograph(1)], "cpu")
    with TemporaryDirectory() as folder:
        exact = Path(folder, "exact.onnx")
        onnx_export.export(method, weights, exact)
        ways = {(method, "eager"): partial(network.last, x)} | _ways(method, "", exact, x)
        ways |= _ways(method, " int8", int8, x) if int8 else {}
        ways = {(REFERENCE, "eager"): partial(rival.last, x)} | ways
        with machine.Watch() as watch:
            times = clock.times(list(ways.values()), RUNS, "cpu")
    records = []
    for ((name, execution), compute), milliseconds in zip(ways.items(), times, strict=True):
        exits = {REFERENCE: rival, method: network}[name].exit_count
        timed = clock.summarise(milliseconds) | {"peak_mb": machine.peak_mb(compute, "cpu")}
        records.append({"method": name, "early_exit": False, "exit": exits, "execution": execution, **timed})
    return latency.complete(records, x, watch, "cpu", "float32")


def _ways(method: str, suffix: str, onnx: Path, x: Tensor) -> dict[tuple[str, str], Callable[[], object]]:
    """Return by method and execution how an ONNX file is computed, with as many threads as PyTorch has."""
    image = x.numpy()
    ways: dict[str, Callable[[], object]] = {"onnxruntime": partial(_onnxruntime(onnx).run, None, {"decoded": image})}
    if find_spec("openvino"):
        import openvino

        core = openvino.Core()
        fast = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        for name, hint in {"": "f32", " bf16": "bf16"}.items():
            if name and "BF16" not in fast:
                continue
            chosen = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": hint}
            ways[f"openvino{name}"] = partial(core.compile_model(onnx, "CPU", chosen), image)
    return {(method, name + suffix): compute for name, compute in ways.items()}


def _onnxruntime(onnx: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
