"""Give MkDocs the pages of the whole repository at their paths, so that the same links hold here and there.

MkDocs calls the functions by their names. Besides the README and docs/, the site has every file that a page links to.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/ by those of the repository that pages link to, from the README and docs/ on."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    waiting = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
        if path.suffix == ".md":
            waiting += [(path.parent / link).resolve() for link in LINK.findall(path.read_text(encoding="utf-8"))]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text of a page with links to folders, which a site does not list, as plain words."""
    folder = (ROOT / page.file.src_uri).parent

    def word(link: re.Match[str]) -> str:
        return link[1] if (folder / link[2]).is_dir() else link[0]

    return re.sub(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)\)", word, markdown)
