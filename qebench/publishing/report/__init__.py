"""The report: one HTML page with verdicts, plots, pictures and tables that works from disk, without a network.

Plotly draws the plots and DataTables, as it comes with itables, the tables; both are in the page, compressed.
"""

import base64
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import jinja2
import pandas as pd
from PIL import Image

from qebench.common import files, names
from qebench.evaluation.results import Results, qualities
from qebench.publishing.report import cells, headline, plots, viewer

HERE = Path(__file__).resolve().parent
TITLES = {  # of figures, by file name; others are called as their file
    "gain_over_cost": "PSNR gain over GMACs",
    "gain_over_latency": "PSNR gain over milliseconds",
    "average_cost": "GMACs per image",
    "score_over_quality": "IQAM score over PSNR and SSIM",
    "threshold_sweep": "PSNR gain over GMACs, for all thresholds",
    "forced_exits": "PSNR gain of each exit",
    "exit_rules": "Rules of early exit against a coin",
    "complexity": "Costs of all networks",
    "rate_distortion": "Rate and distortion",
    "exit_shares": "Share of images per exit",
    "gain_by_quality": "PSNR gain by quality",
    "overview": "PSNR gain over time and GMACs",
    "critical_difference": "Mean ranks, and who is not told apart",
}


@dataclass(frozen=True)
class Shown:
    """The files that a page shows."""

    tables: list[Path]  # CSV files of `benchmarks.tables.write`, each beside its Markdown version
    figures: list[Path]  # PNG files
    examples: list[Path]  # CSV files of `benchmarks.examples.write`, named by the compressor


def write(results: Results, records: list[dict], shown: Shown, config: str, output: Path) -> None:
    """Write the page; `records` are the provenance of the measurements, `config` is the configuration as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    levels = qualities(results.measurements)
    tables = [cells.read(path, results.methods, list(levels)) for path in shown.tables]
    page = environment.get_template("page.html.jinja").render(
        protocol=results.protocol,
        image_count=results.image_count,
        datasets=results.datasets,
        names=names,
        levels=levels,
        methods=[name for name in results.methods if name in set(results.measurements["method"])],
        verdicts=headline.verdicts(shown.tables),
        plots=plots.draw(results),
        viewer=viewer.collect(shown.examples),
        tables=sorted(tables, key=lambda table: table.name != "leaderboard"),  # stable: it comes first
        figures=[(_title(path), _picture(path)) for path in shown.figures],
        provenance=_provenance(records),
        records=records,
        config=config,
        **_parts(),
    )
    with files.replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _parts() -> dict[str, str]:
    """Return our style and scripts as text, and the libraries compressed, in base64."""
    from itables import javascript
    from plotly.offline import get_plotlyjs

    bundle = Path(javascript.__file__).parent / "html/dt_bundle.js"
    ours = {name: (HERE / f"page.{name}").read_text(encoding="utf-8") for name in ("css", "js")}
    return ours | {
        "viewer_js": (HERE / "viewer.js").read_text(encoding="utf-8"),
        "datatables_css": bundle.with_suffix(".css").read_text(encoding="utf-8"),
        "datatables": _compressed(bundle.read_bytes()),
        "plotly": _compressed(get_plotlyjs().encode()),
    }


def _compressed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _title(path: Path) -> str:
    return TITLES.get(path.stem, path.stem.replace("_", " "))


def _picture(path: Path) -> str:
    """Return a PNG file as WebP without loss, which is smaller."""
    stream = BytesIO()
    Image.open(path).convert("RGB").save(stream, "WEBP", lossless=True, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _provenance(records: Iterable[dict]) -> pd.DataFrame:
    """Return one row per compressor, method and weights, with the qualities that share all else joined."""
    rows = pd.DataFrame(
        {
            "codec": names.display_name(record["compressor"]),
            "encoder": f"{record['codec']['version']}, {record['codec']['settings']}",
            "method": names.display_name(record["method"]),
            "weights": record["weights"]["file"] if record["weights"] else "",
            "sha256 of the weights": record["weights"]["sha256"] if record["weights"] else "",
            "device": record["device"],
            "commit": record["commit"],
            "images": str(record["images"]["count"]),
            "sha256 of the manifest": record["images"]["manifest_sha256"],
            "quality": str(record["quality"]),
        }
        for record in records
    )
    keys = [name for name in rows if name != "quality"]
    joined = rows.groupby(keys, sort=False, as_index=False)["quality"].agg(", ".join)
    return joined.rename(columns={"quality": "qualities"})
