"""Start an RGB network from the weights of its luma form, so that it begins with all that these have learned."""

import torch
from torch import Tensor, nn

from qebench.common import colour


def from_luma(weights: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a luma network as those of `model`, its RGB form; others as they are.

    A model that has a luma network as its part `luma` gets the weights there, and keeps its other start values.

    In other RGB forms, luma is the limited-range one of BT.601, as of all luma weights here; images are in [0, 1]. The
    first convolution takes the luma of R, G and B, and the last adds the luma's change to all three, as `enhance` does
    with a luma network. This holds for networks that add to the decoded image and read it once. Near borders, which are
    padded with black, the two differ.
    """
    state = model.state_dict()
    inner = {f"luma.{key}": tensor for key, tensor in weights.items()}
    if inner.keys() <= state.keys():
        return state | inner
    wanted = {key: tuple(tensor.shape) for key, tensor in state.items()}
    lifted = dict(weights)
    for key, tensor in weights.items():
        shape = tuple(tensor.shape)
        if tensor.ndim == 4 and wanted.get(key) == (shape[0], 3 * shape[1], *shape[2:]):
            lifted[key] = torch.cat([share * tensor for share in colour.LUMA_WEIGHTS], dim=1)
            bias = key.removesuffix("weight") + "bias"
            if bias in weights:
                lifted[bias] = weights[bias] + colour.LUMA_BLACK / 255 * tensor.sum(dim=(1, 2, 3))
        elif wanted.get(key) == (3 * shape[0], *shape[1:]):
            lifted[key] = torch.cat([tensor * 255 / colour.LUMA_RANGE] * 3)
    return lifted
