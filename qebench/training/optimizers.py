"""What makes steps of gradients: Adam, or Muon for filters that can be mixed."""

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer


def adam(model: nn.Module, learning_rate: float) -> list[Optimizer]:
    """Return Adam for all parameters of `model`."""
    return [Adam(model.parameters(), learning_rate, fused=True)]


def muon(model: nn.Module, learning_rate: float) -> list[Optimizer]:
    """Return Muon for the filters of `model` that can be mixed, and Adam for all other parameters.

    Muon makes the updates of a layer's filters orthogonal (Jordan et al., "Muon: An optimizer for hidden layers in
    neural networks", 2024), so steps along rare directions are as long as any. That takes a matrix of several rows: it
    is not for biases, depthwise filters, or heads that make one channel. Its steps are as long as Adam's at the same
    rate (Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982).
    """
    filters = {
        id(layer.weight): layer.weight  # once, if layers share it
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.groups == 1 and len(layer.weight) > 1
    }
    others = [parameter for parameter in model.parameters() if id(parameter) not in filters]
    return [_Muon(list(filters.values()), learning_rate), Adam(others, learning_rate, fused=True)]


class _Muon(torch.optim.Muon):
    """PyTorch's Muon, which knows matrices only, on views of convolutions' filters."""

    def __init__(self, filters: list[Tensor], learning_rate: float) -> None:
        self.filters = filters
        matrices = [nn.Parameter(_rows(weight.detach()).view(len(weight), -1)) for weight in filters]
        super().__init__(matrices, learning_rate, weight_decay=0, adjust_lr_fn="match_rms_adamw")

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for weight, matrix in zip(self.filters, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if weight.grad is None else _rows(weight.grad).reshape(matrix.shape)
        super().step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self.filters:
            weight.grad = None


def _rows(filters: Tensor) -> Tensor:
    """Return a view of filters (out, in, height, width) as (out, height, width, in), as they lie in memory."""
    return filters.permute(0, 2, 3, 1)


OPTIMIZERS = {"adam": adam, "muon": muon}
