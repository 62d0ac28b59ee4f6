"""Heads of requests as the edge reads them."""

from __future__ import annotations

from fleet_runtime.header_lines import HeaderLines
from fleet_runtime.proxy.request_head import Field, RequestHead, interpret_field


def head_lines() -> HeaderLines[Field]:
    """Header lines of which none was seen yet."""
    return HeaderLines(interpret_field)


def read_head(raw: bytes, lines: HeaderLines[Field] | None = None) -> RequestHead:
    """The head in `raw`, which lacks the empty line at its end."""
    return RequestHead(raw, lines or head_lines())
