"""Start values from data, so that training starts at the decoded image: PyTorch's own do not train these networks.

Unit variance after every convolution is LSUV (Mishkin and Matas, "All you need is a good init", ICLR 2016). Most of
these networks add to the decoded image, and their heads (the last convolution before an exit) are damped to nearly
nothing. The others (AR-CNN, RDN, ESRGAN's generator, FBCNN) make the whole image, and damped heads would make it black:
there the first channels of every layer pass the image on, as Dirac initialisation does (Zagoruyko and Komodakis,
"DiracNets", arXiv 1706.00388), and the heads are fitted to the decoded image by least squares.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from qebench.networks import multi_exit

HEAD_SCALE = 1e-3  # standard deviation of what damped heads add to the image
RIDGE = 1e-6  # of the least squares, relative to the mean square of a feature
SAMPLES = 8192  # pixels for the least squares: ten or more per unknown
Convolution = nn.Conv2d | nn.ConvTranspose2d


@torch.no_grad()
def start(model: nn.Module, x: Tensor) -> None:
    """Set the start values of `model`, in training mode, from a batch of decoded images `x`.

    Biases become zero. Where heads are damped, the first filters lose their mean: else brightness, a hundred times
    stronger than artifacts, is all that later layers see (DCAD had gained 0.00 dB after 1,800 steps, and gains 0.6
    after 100). Convolutions from single pixels to single pixels, as in channel attention, stay as they are: spread is
    small there by nature, and making it 1 lets MPRNet diverge.
    """
    layers, heads = _order(model, x)
    for layer in layers:
        if layer.bias is not None:
            layer.bias.zero_()
    bases = _without(heads, model, x)
    if _all_equal(bases, x):
        first = layers[0].weight
        first.sub_(first.mean(dim=(1, 2, 3), keepdim=True))
        _normalise(layers, model, x)
        for head in heads:
            head.weight.mul_(HEAD_SCALE)
    else:
        for layer in layers:
            _pass_on(layer, layers[0].in_channels)
        _normalise(layers, model, x)
        for head, base in zip(heads, bases, strict=True):
            _fit(head, model, x, x - base)


@torch.no_grad()
def is_residual(model: nn.Module, x: Tensor) -> bool:
    """Return whether a network adds to the decoded images `x`, so that its heads, giving nothing, leave them alone."""
    return _all_equal(_without(_order(model, x)[1], model, x), x)


def _all_equal(images: list[Tensor], x: Tensor) -> bool:
    return all(torch.allclose(image, x) for image in images)


def _order(model: nn.Module, x: Tensor) -> tuple[list[Convolution], list[Convolution]]:
    """Return the convolutions in the order of their first use, and the last one before each exit, if there is one."""
    called: list[Convolution] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: called.append(layer))
        for layer in model.modules()
        if isinstance(layer, Convolution)
    ]
    heads = [called[-1] for _ in multi_exit.exits(model, x) if called]
    for hook in hooks:
        hook.remove()
    return list(dict.fromkeys(called)), heads


def _without(heads: list[Convolution], model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return what the network makes of `x` when its heads give nothing."""
    hooks = [head.register_forward_hook(lambda layer, inputs, output: output * 0) for head in heads]
    bases = list(multi_exit.exits(model, x))
    for hook in hooks:
        hook.remove()
    return bases


def _normalise(layers: list[Convolution], model: nn.Module, x: Tensor) -> None:
    """Divide the weights of each layer by the standard deviation of what it makes, in the order of use."""
    done: list[Convolution] = []

    def divide(layer: Convolution, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        single = inputs[0].shape[2:].numel() == output.shape[2:].numel() == 1
        if layer in done or single:
            return output
        done.append(layer)
        spread = output.std() + 1e-8
        layer.weight.div_(spread)
        return output / spread

    hooks = [layer.register_forward_hook(divide) for layer in layers]
    for _ in multi_exit.exits(model, x):
        pass
    for hook in hooks:
        hook.remove()


def _pass_on(layer: Convolution, count: int) -> None:
    """Let the first `count` output channels be the first `count` input channels."""
    if layer.groups > 1:
        return
    weight = layer.weight if isinstance(layer, nn.Conv2d) else layer.weight.transpose(0, 1)
    centre = [size // 2 for size in layer.kernel_size] if isinstance(layer, nn.Conv2d) else [slice(None)] * 2
    for channel in range(min(count, *weight.shape[:2])):
        weight[channel] = 0
        weight[(channel, channel, *centre)] = 1


def _fit(head: Convolution, model: nn.Module, x: Tensor, target: Tensor) -> None:
    """Set the weights of a head by ridge regression so that it makes `target` (N, C, H, W) from its features."""
    inputs: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda layer, arguments: inputs.append(arguments[0]))
    for _ in multi_exit.exits(model, x):
        pass
    hook.remove()
    assert not isinstance(head.padding, str)  # all networks give it in pixels
    columns = functional.unfold(inputs[0], head.kernel_size, padding=head.padding).transpose(1, 2).flatten(0, 1)
    chosen = torch.linspace(0, len(columns) - 1, min(SAMPLES, len(columns)), device=x.device).long()
    features, wanted = columns[chosen].double(), target.permute(0, 2, 3, 1).flatten(0, 2)[chosen].double()
    gram = features.T @ features
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), device=x.device)
    solution = torch.linalg.solve(gram, features.T @ wanted)
    head.weight.copy_(solution.T.reshape(head.weight.shape))
