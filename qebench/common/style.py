"""How figures look, and saving them: colours, markers and the style file."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from qebench.common import files

# Okabe and Ito's palette, safe for the colour-blind, and one marker per method beside it.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "osD^vP*X"
STYLE = matplotlib.rc_params_from_file(Path(__file__).with_name("qebench.mplstyle"), use_default_template=False)
# Both come with matplotlib; STIX is near to the Times of IEEE, ACM and CVF papers.
FONTS: dict[str, Any] = {
    "sans": {},
    "stix": {"font.family": "STIXGeneral", "mathtext.fontset": "stix"},
}


def write(figure: Figure, output: Path) -> list[Path]:
    """Save a figure as `output` (.pdf) and beside it as .png; return both. The same figure gives the same bytes."""
    paths = {output: {"CreationDate": None}, output.with_suffix(".png"): {"Software": None}}
    for path, metadata in paths.items():
        with files.replacing(path) as temporary, plt.rc_context(STYLE):  # resolution and fonts are settings of saving
            figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
    return list(paths)
