"""Weights of the method `chain`: those of PixelUNet's sizes, for the same pictures and codec, in one file."""

import argparse
import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from methods import chain
from qebench.checkpoints import cards
from qebench.common import files, provenance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, nargs="+", help="of PixelUNet, from small to large")
    parser.add_argument("-o", "--output", type=Path, required=True, help="chain-COLOUR-COMPRESSOR.safetensors")


def run(options: argparse.Namespace) -> None:
    join(options.weights, options.output)
    print(f"{options.output}: {', '.join(path.name for path in options.weights)}")


def join(parts: list[Path], output: Path) -> None:
    """Write the weights of PixelUNet's sizes, from small to large, as those of one chain; each part stays as stored.

    Raises ValueError for too many or too few parts, and if they are no PixelUNets of these sizes, or for different
    pictures.
    """
    if not 2 <= len(parts) <= len(chain.SIZES):
        raise ValueError(f"a chain has 2 or 3 sizes, not {len(parts)}: name the weights of {', '.join(chain.SIZES)}")
    records = [json.loads(cards.metadata(path).get("training", "{}")) for path in parts]
    forms = [record.get("form") for record in records]
    if forms != list(chain.SIZES[: len(parts)]):
        raise ValueError(f"{', '.join(map(str, parts))} are PixelUNets of the sizes {forms}: name them from small on")
    seen = [record["training_images"] for record in records]
    if any(images != seen[0] for images in seen):
        raise ValueError(f"{', '.join(map(str, parts))} were trained on different pictures, codecs or qualities")
    tensors: dict[str, Tensor] = {}
    for size, path in zip(chain.SIZES, parts, strict=False):
        with safe_open(path, framework="pt") as file:
            tensors |= {f"networks.{size}.{name}": file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    record = records[-1] | {
        "method": "Chain",
        "form": "-".join(forms),
        "parameters": sum(part["parameters"] for part in records),
        "initial": None,
        "joined": [{"file": path.name, "sha256": files.sha256(path)} for path in parts],
        "delta_psnr": {
            quality: [0.0, *(part["delta_psnr"][quality][0] for part in records)]
            for quality in records[0]["delta_psnr"]
        },
        "commit": provenance.commit(),
    }
    with files.replacing(output) as temporary:
        save_file(tensors, temporary, metadata={"training": json.dumps(record)})
