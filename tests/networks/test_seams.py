"""A picture that goes by tiles has no seam: the jumps across tile borders are those of other columns."""

import numpy as np
import pytest
from skimage import data

from qebench import library
from qebench.common import colour
from qebench.networks import pixels, tiling


@pytest.mark.parametrize(("method", "budget"), [("dcad", 2.5e7), ("rbqe", 1.25e8)])
def test_borders_of_tiles_jump_as_other_columns_do(method: str, budget: float) -> None:
    picture = np.hstack([colour.luma(data.astronaut())[:128], data.camera()[:128]])  # unlike halves
    network = library.load(method, "jpeg").network
    decoded, seen = pixels.stack([picture], "cpu"), []
    *_, last = tiling.stages(
        network, decoded, network.exit_count, track=lambda places: seen.extend(places) or places, budget=budget
    )
    borders = sorted({inner[1].start for inner, _ in seen} - {0})
    assert borders
    change = (last * 255 - decoded)[0, 0].numpy()
    jumps = np.abs(np.diff(change, axis=1)).mean(axis=0)
    for border in borders:
        near = np.delete(jumps[border - 33 : border + 32], 32)
        assert jumps[border - 1] < near.mean() + 3 * near.std()
