"""RBQE in other layers around the same parameters."""

from torch import nn

from methods.rbqe.network import RBQE


class Form(RBQE):
    """RBQE in other layers around the parameters of a loaded one.

    `layers` has a class for the name of each of RBQE's, to be made with a layer of that name.
    """

    def __init__(self, model: RBQE, layers: dict[str, type[nn.Module]]) -> None:
        nn.Module.__init__(self)  # it takes the walk of its parent, not the layers
        for name, module in model.named_children():
            kind = layers[name.split("_")[0]]
            made = nn.ModuleList(kind(one) for one in module) if isinstance(module, nn.ModuleList) else kind(module)
            self.add_module(name, made)
