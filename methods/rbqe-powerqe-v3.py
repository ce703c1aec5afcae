"""RBQE of PowerQE v3: Q. Xing, M. Xu, T. Li, Z. Guan, ECCV 2020, simplified by its authors.

Repository ryanxingql/powerqe, branch v3 (commit bd066ed). For RGB; its only ReLUs are in the input block and where
features merge. The released networks have a single exit (configs/rbqe, 888,451 parameters); five heads give the
multi-exit network (891,919). What differs from the network of the paper is in `rbqe_powerqe`.
"""

from dataclasses import replace
from pathlib import Path

from torch import nn

from methods.rbqe.powerqe import PowerQERBQE, Version
from qebench.checkpoints import reading

CITATION = "Xing et al., ECCV 2020"

VERSION = Version(
    width=32,
    pre_activation=False,
    attention=False,
    multi_exit=True,
    input_name="in_conv_seq",
    down_name="layers",
    merge_name="layers",
    heads_name="out_layers",
)


def load(weights: Path | None, device: str) -> nn.Module:
    """Return the network whose heads and attention the checkpoint has, on `device`.

    Without weights it is multi-exit, without attention, and has PyTorch's random start values.
    """
    version = VERSION
    if weights is not None:
        keys = reading.read(weights)
        several = any(key.startswith("out_layers.1.") for key in keys)
        version = replace(VERSION, multi_exit=several, attention="down_0.layers.0.conv.weight" in keys)
    return reading.restore(PowerQERBQE(version), weights, device)
