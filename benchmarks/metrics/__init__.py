"""Metrics: one module per metric, with `measure(original, enhanced) -> float`.

Both are float64 images (H, W) or (H, W, 3) in [0, 255]. A metric also has UNIT, HIGHER_IS_BETTER, and ROUNDED: whether
`enhanced` is the 8-bit picture, or the network's output clipped but not rounded.
"""
