"""Put the ranking's figure and table into the README, when they are made: python docs/site/ranking.py."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results/ranking"
TABLE = re.compile(r"(?:^\|.*\n)+", re.M)


def put(readme: Path, table: Path, picture: Path) -> None:
    """Replace the first table of a page by that of `table` (Markdown), and docs/overview.png beside it by `picture`."""
    (rows,) = TABLE.findall(table.read_text(encoding="utf-8"))
    text = readme.read_text(encoding="utf-8")
    readme.write_text(TABLE.sub(lambda _: rows, text, count=1), encoding="utf-8")
    shutil.copyfile(picture, readme.parent / "docs/overview.png")


if __name__ == "__main__":
    put(ROOT / "README.md", RESULTS / "overview.md", RESULTS / "figures/overview.png")
