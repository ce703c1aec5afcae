"""Enhancement methods: one module per method, plus what they share.

A method module has a docstring (authors, title, venue, what differs from the original) and

    load(weights: Path | None, device) -> nn.Module

The module maps decoded images, float (N, C, H, W) in [0, 1], to enhanced ones of the same shape, unclipped. It may say
`channels` (1 or 3, default 1: a one-channel network is applied to luma, or to R, G and B apart) and `multiple` (height
and width it needs to be a multiple of, default 1). A multi-exit network has `exit_count`; `exits(x)`, a generator of
the enhanced images of exit 1, 2, ... that computes only what is new and takes the images to go on with, as a mask or
indices; and `forward(x, exit)`, which computes one exit alone. A network with a faster form of the same results has
`for_inference()`, which returns it (`methods.inference`), and one with a faster form of the same gradients
`for_training()` (`methods.run`). Everything else (padding, tiles, rounding) is `network.py`.

A network that was published in several forms lists them as FORMS (`forms.py`); its weights decide which one it is.
"""
