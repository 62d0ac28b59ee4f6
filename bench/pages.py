"""Write the tables of a run into the pages of docs/."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def write_tables(section: str, text: str, page_path: Path = PAGE) -> None:
    """Replace the text between the page's markers ``<!-- section -->`` and ``<!-- end of section -->``."""
    marked = re.compile(rf"(<!-- {section} -->\n).*?(<!-- end of {section} -->)", re.DOTALL)
    page, count = marked.subn(
        lambda match: f"{match[1]}```text\n{text}\n```\n{match[2]}", page_path.read_text(encoding="utf-8")
    )
    if count != 1:
        raise RuntimeError(f"'{page_path}' has no section '{section}'")
    page_path.write_text(page, encoding="utf-8")
