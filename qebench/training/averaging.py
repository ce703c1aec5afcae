"""The exponential moving average of a network's weights, which is what gets validated and shipped."""

import copy
from itertools import chain

import torch
from torch import Tensor, nn


class Average:
    """A copy of a network whose weights and statistics follow those of the network in training.

    The average forgets faster at first, with a decay of (1 + n) / (10 + n) after n updates, so that it does not drag
    the start values along. Batch normalisation's statistics are averaged like weights: they belong to them.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(model)
        self.decay = decay
        self.updates = 0
        self._pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Follow the network by one step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averages, values = zip(*[pair for pair in self._pairs if pair[0].is_floating_point()], strict=True)
        torch._foreach_lerp_(averages, values, 1 - decay)
        for average, value in self._pairs:
            if not average.is_floating_point():
                average.copy_(value)

    def state_dict(self) -> dict:
        return {"module": self.module.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict) -> None:
        self.module.load_state_dict(state["module"])
        self.updates = state["updates"]


def _tensors(model: nn.Module) -> list[Tensor]:
    return list(chain(model.parameters(), model.buffers()))  # shared ones once
