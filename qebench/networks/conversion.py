"""Convert official weights to safetensors with our names for the tensors, and a model card that says what was done."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from qebench.checkpoints import cards, reading
from qebench.common import files, plugins, provenance
from qebench.networks.network import describe


def convert(source: Path, method: str, output: Path) -> None:
    """Write the weights in `source` for a method to `output`, .safetensors, and their model card beside it, .md.

    `source` is any file that the method loads. `output` loads as the same form of the method, bit for bit.

    Raises what the method's `load` raises, and ValueError if the method has no weights or `output` is no fit name.
    """
    if output.suffix != ".safetensors":
        raise ValueError(f"{output}: weights are written as .safetensors, so the name must end so")
    if output.resolve() == source.resolve():
        raise ValueError(f"{output} is the file to convert: give another name to the result")
    network = describe(plugins.find("methods", method).load(source, "cpu"), method)
    state = network.module.state_dict()
    if not state:
        raise ValueError(f"{method} has no weights: there is nothing to import from {source}")
    record = {
        "method": method,
        "form": network.form,
        "channels": network.channels,
        "parameters": sum(parameter.numel() for parameter in network.module.parameters()),
        "source": {"file": source.name, "sha256": files.sha256(source)},
        "changes": reading.changes(source),
        "commit": provenance.commit(),
    }
    with files.replacing(output) as temporary:
        # Tied layers share a tensor, and safetensors wants one for each name.
        copies = {key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in state.items()}
        save_file(copies, temporary, metadata={"import": json.dumps(record)})
    with files.replacing(output.with_suffix(".md")) as temporary:
        temporary.write_text(cards.card(output) + "\n", encoding="utf-8")
