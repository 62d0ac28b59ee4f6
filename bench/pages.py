"""The tables of docs/performance.md, which a run with the default name writes anew."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def write_tables(section: str, text: str) -> None:
    """Put `text` between the page's marks ``<!-- section -->`` and ``<!-- end of section -->``."""
    marked = re.compile(rf"(<!-- {section} -->\n).*?(<!-- end of {section} -->)", re.DOTALL)
    page, count = marked.subn(
        lambda match: f"{match[1]}```text\n{text}\n```\n{match[2]}", PAGE.read_text(encoding="utf-8")
    )
    if count != 1:
        raise RuntimeError(f"'{PAGE}' has no place for '{section}'")
    PAGE.write_text(page, encoding="utf-8")
