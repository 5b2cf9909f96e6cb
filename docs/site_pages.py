"""Add pages from outside docs/ to the site, and make links between all of them work there.

On a code host the charts' README files stand beside the charts. The site shows them too, so a
link from docs/ to ../helm/serving/README.md works in both places.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from properdocs.structure.files import File, Files

REPOSITORY = Path(__file__).parents[1]
PAGES = ("helm/*/README.md", "benchmarks/README.md")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages of other folders under their path in the repository."""
    for pattern in PAGES:
        for path in sorted(REPOSITORY.glob(pattern)):
            name = path.relative_to(REPOSITORY).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Turn links of the repository into links of the site, where the site has the page."""
    here = page.file.src_uri
    source = here if here.startswith(("helm/", "benchmarks/")) else f"docs/{here}"

    def follow(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        on_site = target.removeprefix("docs/")
        if files.get_file_from_path(on_site) is None:
            return link[0]
        return f"]({posixpath.relpath(on_site, posixpath.dirname(here) or '.')}{link[2] or ''})"

    return LINK.sub(follow, markdown)
