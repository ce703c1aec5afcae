"""Why a published number deviates from ours where both are exact: docs/errata.md has each with a command."""

from typing import Any

AR_CNN_40 = (
    "the public q40.mat gives 0.016 to 0.017 dB less than printed on both data sets, and the files for the other "
    "qualities agree: the printed row is of a slightly other network (docs/errata.md)"
)
# By paper, method, metric, data set and quality ("" where the number does not depend on it).
EXPLAINED = {
    ("powerqe_v1", "dncnn", "params", "", ""): (
        "the README says that it has no batch normalisation, but prints the count of the variant with it: form "
        "powerqe-v1-bn has 40,515 (docs/errata.md)"
    ),
    ("jpeg_literature", "arcnn", "psnr", "classic5", "40"): AR_CNN_40,
    ("jpeg_literature", "arcnn", "psnr", "live1", "40"): AR_CNN_40,
}


def reason(row: Any) -> str:
    """Return why the published number of a row deviates, "" if nobody knows; the row has columns of those names."""
    key = (row.paper, row.method, row.metric, row.dataset, row.quality)
    paper, method, metric, dataset, quality = (part if isinstance(part, str) else "" for part in key)
    return EXPLAINED.get((paper, method, metric, dataset, quality), "")
