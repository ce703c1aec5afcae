"""Enhancement methods: one module per method.

A method's docstring names authors, title, venue and every difference from the original. The module defines

- `CITATION`: first author, venue and year, as "Wang et al., DCC 2017", for the list of methods;
- `load(weights: Path | None, device) -> nn.Module`.

The network maps decoded images, float (N, C, H, W) in [0, 1], to enhanced ones of the same shape, unclipped. It may
have these attributes:

- `channels`: 1 (the default), 3, or None for any number. A network of 1 channel gets luma, or R, G and B one by one.
- `multiple`: height and width must be a multiple of it. The default is 1.
- `exit_count`: the number of exits, if there are several. Such a network has two more functions:
  `exits(x)` generates the enhanced images of exit 1, 2, ... and computes only the part that is new. The caller sends
  back a mask or indices of the images that go on. `forward(x, exit)` computes one exit alone.
- `for_inference()` returns a faster form with the same results, `for_training()` one with the same gradients.

`qebench.networks` does padding, tiles and rounding.

A network that was published in several forms lists them as `FORMS` (`qebench.checkpoints.forms`). The weights decide
which form it is. `FORMS` is empty if every weights file brings a network of its own; `load` then refuses None.
"""
