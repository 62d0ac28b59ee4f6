"""Print the gateway's JSON on standard output."""

from __future__ import annotations

import click
import msgspec

from fleet_runtime.text import escape_json


def show_document(document: bytes) -> None:
    """Print a JSON document, indented."""
    click.echo(escape_json(msgspec.json.format(document, indent=2).decode()))
