"""Write the tables of the pages in docs/ after a run with the default name."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def write_tables(section: str, text: str, page_path: Path = PAGE) -> None:
    """Put `text` between the page's marks ``<!-- section -->`` and ``<!-- end of section -->``."""
    marked = re.compile(rf"(<!-- {section} -->\n).*?(<!-- end of {section} -->)", re.DOTALL)
    page, count = marked.subn(
        lambda match: f"{match[1]}```text\n{text}\n```\n{match[2]}", page_path.read_text(encoding="utf-8")
    )
    if count != 1:
        raise RuntimeError(f"'{page_path}' has no place for '{section}'")
    page_path.write_text(page, encoding="utf-8")
