"""Bar charts as SVG: names on the left, values on the right; the longest bar fills the width."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 720
NAMES: Final = 130
VALUES: Final = 150
ROW: Final = 30
BAR: Final = 18
STYLE: Final = (
    "text{font:14px system-ui,sans-serif;fill:#57606a}.title{font-weight:600}"
    ".bar{fill:#8c959f}.ours{fill:#0969da}"
)


def bars(title: str, rows: Sequence[tuple[str, float, str]], ours: str) -> str:
    """Return a chart of `rows`: name, value and label. The bar of the row named `ours` is highlighted."""
    longest = max(value for _, value, _ in rows)
    full = WIDTH - NAMES - VALUES
    height = ROW * (len(rows) + 1) + 6
    label = escape(title, quote=True)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{label}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(title)}</text>',
    ]
    for number, (name, value, text) in enumerate(rows, 1):
        top = number * ROW
        width = max(1.0, full * value / longest)
        kind = "bar ours" if name == ours else "bar"
        lines += [
            f'<text x="{NAMES - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{NAMES}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{NAMES + width + 8:.1f}" y="{top + 14}">{escape(text)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
