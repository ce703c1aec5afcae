"""Metrics: one module per metric, with `measure(originals, enhanced)` for batches of images.

Both are float64 tensors (N, C, H, W) in [0, 255] on one device; the result is float64 (N,) there, one value per image.
A metric also has UNIT, HIGHER_IS_BETTER, and ROUNDED: whether `enhanced` are 8-bit pictures, or a network's output
clipped but not rounded. `score` measures each for several views of two files, unless VIEWS says that a metric is for
"whole" ones alone, without a border cut off, or for the pictures as they are "seen", neither cut nor reduced to luma. A
metric that needs a package which is no dependency of ours names it in NEEDS.
"""
