"""An ONNX file of ours in 8-bit integers, which CPUs multiply faster: `qebench export --onnx --int8`.

Filters have a scale per output channel, features one each, from decoded pictures that are shown to the network: the
range of all but EXTREME of the values. Layers that read or make pictures keep float32: they are cheap, and rounding
shows there most. Filters have 7 bits, because processors without VNNI add two products in 16 bits. Nothing of the
weights is trained anew (post-training quantization, as ONNX Runtime has it).

It needs the extra packages `onnx` and `onnxruntime`.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qebench.common import files

EXTREME = 0.001  # per cent of the values of a feature, at each end
FEW = 4  # channels: convolutions from or to so few keep float32

Image = np.ndarray  # float32 (1, C, H, W) in [0, 1]


def quantize(source: Path, images: Iterable[Image], output: Path) -> None:
    """Write the network of `source`, an ONNX file of `onnx_export`, to `output` in 8-bit integers.

    `images` are decoded ones, float32 (1, C, H, W) in [0, 1], that show the ranges of features.

    Raises ValueError if it has no layer to quantize.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    facts = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    with TemporaryDirectory() as folder, files.replacing(output) as temporary, redirect_stdout(io.StringIO()):
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        layers = wide_layers(onnx.load(prepared))
        if not layers:
            raise ValueError(f"{source} has no convolution of over {FEW} channels, so int8 saves nothing")
        quantize_static(
            prepared,
            temporary,
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=layers,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 100 - EXTREME},
        )
        model = onnx.load(temporary)
        onnx.helper.set_model_props(model, facts | {"stored": "int8"})
        onnx.save(model, temporary)


def wide_layers(model) -> list[str]:  # type: ignore[no-untyped-def]  # onnx may be missing
    """Return the names of the convolutions of an ONNX model that read and make over FEW channels."""
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    convolutions = (node for node in model.graph.node if node.op_type == "Conv")
    return [node.name for node in convolutions if min(shapes.get(node.input[1], [0])[:2]) > FEW]


class _Reader:
    """What ONNX Runtime asks for its inputs, one after the other."""

    def __init__(self, images: Iterable[Image]) -> None:
        self.images: Iterator[Image] = iter(images)

    def get_next(self) -> dict[str, Image] | None:
        image = next(self.images, None)
        return None if image is None else {"decoded": image}


def losses(exact: Path, rounded: Path, pairs: Sequence[tuple[Image, Image]]) -> np.ndarray:
    """Return by how many dB the last exit of `rounded` has less PSNR than that of `exact`, for each image.

    `pairs` are (original, decoded), both float32 (1, C, H, W) in [0, 1].
    """
    import onnxruntime

    sessions = [onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (exact, rounded)]
    errors = [
        [np.mean((session.run(None, {"decoded": decoded})[-1].clip(0, 1) - original) ** 2) for session in sessions]
        for original, decoded in pairs
    ]
    before, after = np.array(errors).T
    return 10 * np.log10(after / before)
