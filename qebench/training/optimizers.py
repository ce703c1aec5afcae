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
    """PyTorch's Muon, which knows matrices only, on views of convolutions' filters, computed in float32.

    PyTorch computes it in bfloat16, which CPUs without such units emulate: on one with AVX2 alone that takes as long as
    the gradients of a U-Net of a million parameters, and float32 a fifteenth of it.
    """

    def __init__(self, filters: list[Tensor], learning_rate: float) -> None:
        self.filters = filters
        matrices = [nn.Parameter(_rows(weight.detach()).view(len(weight), -1)) for weight in filters]
        super().__init__(matrices, learning_rate, weight_decay=0, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        for weight, matrix in zip(self.filters, group["params"], strict=True):
            if weight.grad is None:
                continue
            gradient = _rows(weight.grad).reshape(matrix.shape)
            if "momentum_buffer" not in self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
            average = self.state[matrix]["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
            update = _orthogonal(gradient.lerp(average, group["momentum"]), group["ns_coefficients"], group["ns_steps"])
            matrix.sub_(update, alpha=0.2 * group["lr"] * max(matrix.shape) ** 0.5)  # its mean square is Adam's

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self.filters:
            weight.grad = None


def _orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """Return a matrix with the singular vectors of `matrix` and values near 1, by Newton-Schulz iterations."""
    a, b, c = coefficients
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if len(matrix) > matrix.shape[1] else x


def _rows(filters: Tensor) -> Tensor:
    """Return a view of filters (out, in, height, width) as (out, height, width, in), as they lie in memory."""
    return filters.permute(0, 2, 3, 1)


OPTIMIZERS = {"adam": adam, "muon": muon}
