"""The report: one HTML page with tables, plots, images and provenance that works from disk, without a network.

Plotly draws the plots and DataTables, as it comes with itables, sorts the tables; both are put into the page.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from qebench.common import files
from qebench.evaluation.results import Results
from qebench.publishing.report import plots, sliders

HERE = Path(__file__).resolve().parent
MARK = "\n\n"  # between a table and its note in the Markdown version


@dataclass(frozen=True)
class Shown:
    """The files that a page shows."""

    tables: list[Path]  # CSV files of `benchmarks.tables.write`, each beside its Markdown version
    figures: list[Path]  # PNG files
    examples: list[Path]  # CSV files of `benchmarks.examples.write`, named by the compressor


def write(results: Results, records: list[dict], shown: Shown, config: str, output: Path) -> None:
    """Write the page; `records` are the provenance of the measurements, `config` is the configuration as text."""
    from itables import javascript
    from plotly.offline import get_plotlyjs

    bundle = Path(javascript.__file__).parent / "html/dt_bundle.js"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    groups, count = sliders.groups(shown.examples)
    page = environment.get_template("page.html.jinja").render(
        protocol=results.protocol,
        image_count=results.image_count,
        datasets=results.datasets,
        compressors=list(results.measurements["compressor"].unique()),
        qualities=sorted(int(quality) for quality in results.measurements["quality"].unique()),
        tables=[_table(path) for path in shown.tables],
        plots=plots.draw(results),
        groups=groups,
        group_count=count,
        side=sliders.SIDE,
        figures=[(path.stem.replace("_", " "), _uri(path.read_bytes(), "image/png")) for path in shown.figures],
        provenance=_provenance(records),
        versions=records[0]["versions"] if records else {},
        config=config,
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        datatables_style=bundle.with_suffix(".css").read_text(encoding="utf-8"),
        datatables=_uri(bundle.read_bytes(), "text/javascript"),
        plotly=get_plotlyjs(),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
    )
    with files.replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _table(path: Path) -> dict:
    """Return the name, note, header and rows of a table, its cells as they are printed in the CSV.

    The note is the last paragraph of the Markdown version, if that is none of a table.
    """
    frame = files.read_csv(path, text=True).fillna("")
    note = path.with_suffix(".md").read_text(encoding="utf-8").rpartition(MARK)[2].strip()
    note = "" if note.startswith("|") else note
    return {"name": path.stem.replace("_", " "), "note": note, "columns": list(frame), "rows": frame.values.tolist()}


def _provenance(records: Iterable[dict]) -> pd.DataFrame:
    """Return one row per compressor, method and weights, with the qualities that share all else joined."""
    rows = pd.DataFrame(
        {
            "compressor": record["compressor"],
            "codec": f"{record['codec']['version']}, {record['codec']['settings']}",
            "method": record["method"],
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


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
