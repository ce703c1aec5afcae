"""Enhancement methods: one module per method, plus what they share.

A method module has a docstring (authors, title, venue, what differs from the original) and

    load(weights: Path | None, device) -> nn.Module

The module maps decoded images, float (N, C, H, W) in [0, 1], to enhanced ones of the same shape, unclipped. It may have

- `channels`: 1 (the default: it is applied to luma, or to R, G and B apart), 3, or None for any;
- `multiple`: what height and width must be a multiple of, default 1;
- `exit_count`, if it has several exits, with `exits(x)`, a generator of the enhanced images of exit 1, 2, ... that
  computes only what is new and takes the images to go on with, as a mask or indices, and `forward(x, exit)`, which
  computes one exit alone;
- `for_inference()`, which returns a faster form of the same results, and `for_training()`, one of the same gradients.

`qebench.networks` does everything else: padding, tiles, rounding.

A network that was published in several forms lists them as FORMS (`forms.py`); its weights decide which one it is.
"""
