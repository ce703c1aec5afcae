"""RBQE: one blind, multi-exit network for compressed images of widely differing quality.

Q. Xing, M. Xu, T. Li, Z. Guan, "Early Exit or Not: Resource-Efficient Blind Quality Enhancement for Compressed
Images", ECCV 2020. The network of the authors' repository ryanxingql/rbqe (commit 34c961d), with its state-dict keys,
300,455 parameters, one (luma) channel. Nothing is left out or added; the mean of a feature is computed once where the
original computes it for every attention that reads the feature.
"""

from pathlib import Path

from torch import nn

from methods.rbqe import cpu, training
from methods.rbqe.network import RBQE
from qebench.checkpoints import reading

CITATION = "Xing et al., ECCV 2020"


def load(weights: Path | None, device: str) -> nn.Module:
    """Return RBQE with the given weights (none: PyTorch's random start values) on `device`."""
    return reading.restore(RBQE(cpu.RBQE, training.RBQE), weights, device)
