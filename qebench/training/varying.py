"""Varied copies of training pictures, softened or grainy, as many pictures are that networks meet later.

Sharp, clean pictures alone teach a network to sharpen what is soft (the last exit of RBQE lost 0.45 dB at QP 22 on
upscaled pictures) and to wipe grain off.
"""

import numpy as np

SOFTNESS = 1.5  # most blur of varied copies, and of the grain on them: standard deviation, pixels
GRAIN = 6.0  # most noise on varied copies: standard deviation, of 255


def vary(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a uint8 image softened as by scaling or a lens (a third of all), with grain (a third), or both.

    Grain is white or blurred, as demosaicing, scaling and film leave it.
    """
    from scipy.ndimage import gaussian_filter

    kind = random.integers(3)
    blur, grain_blur, strength = random.uniform(0, (SOFTNESS, SOFTNESS, GRAIN))
    values = image.astype(np.float64)
    if kind != 1:
        values = gaussian_filter(values, blur, axes=(0, 1))
    if kind != 0:
        grain = gaussian_filter(random.standard_normal(image.shape), grain_blur, axes=(0, 1))
        values += strength / grain.std() * grain
    return values.round().clip(0, 255).astype(np.uint8)
