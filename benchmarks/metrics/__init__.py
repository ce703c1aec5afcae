"""Metrics: one module per metric, with `measure(originals, enhanced)` for batches of images.

Both are float64 tensors (N, C, H, W) in [0, 255] on one device; the result is float64 (N,) there, one value per image.
A metric also has UNIT, HIGHER_IS_BETTER, and ROUNDED: whether `enhanced` are 8-bit pictures, or a network's output
clipped but not rounded.
"""
