"""JSON for programs on standard output, safe to show on a terminal too."""

from __future__ import annotations

import json

import click
import msgspec


def show_json(document: bytes) -> None:
    """Print a JSON document, indented, with every character that is not visible as an escape of JSON."""
    text = msgspec.json.format(document, indent=2).decode()
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))
