"""RBQE of PowerQE v1.0: Q. Xing, M. Xu, T. Li, Z. Guan, ECCV 2020, enlarged by its authors.

Repository ryanxingql/powerqe, tag v1.0 (commit 096685b), opts/rbqe.yml. Five exits for RGB, 3,553,430 parameters; what
differs from the network of the paper is in `rbqe_powerqe`. PowerQE's own quality score is not part of it.
"""

from pathlib import Path

from torch import nn

from methods.rbqe.powerqe import PowerQERBQE, Version
from qebench.checkpoints import reading

CITATION = "Xing et al., ECCV 2020"

VERSION = Version(
    width=64,
    pre_activation=True,
    attention=True,
    multi_exit=True,
    input_name="inconv_lst",
    down_name="down_lst",
    merge_name="conv_lst",
    heads_name="outconv_lst",
)


def load(weights: Path | None, device: str) -> nn.Module:
    """Return the network with the given weights (none: PyTorch's random start values) on `device`."""
    return reading.restore(PowerQERBQE(VERSION), weights, device)
