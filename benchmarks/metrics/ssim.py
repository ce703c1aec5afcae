"""SSIM of the 8-bit picture (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004).

Gaussian window 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, mean over the positions where the
window lies inside the picture; the mean over channels for RGB. By scikit-image.
"""

import numpy as np

UNIT = ""
HIGHER_IS_BETTER = True
ROUNDED = True


def measure(original: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the mean structural similarity; images need at least 11x11 pixels."""
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            original,
            enhanced,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2 if original.ndim == 3 else None,
        )
    )
