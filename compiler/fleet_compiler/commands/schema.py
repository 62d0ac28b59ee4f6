"""``fleet schema``."""

from __future__ import annotations

import click

from fleet_compiler.assets import SCHEMAS
from fleet_runtime.commands.help_epilog import epilog

NAMES = ("fleet", "lock", "gateway", "routing", "manifest")


@click.command(
    epilog=epilog(
        "fleet schema", "fleet schema lock > lock.schema.json", exits={0: "success", 2: "usage error"}
    ),
)
@click.argument("name", type=click.Choice(NAMES), default="fleet")
def schema(name: str) -> None:
    """Print the JSON Schema (2020-12) of fleet.yaml, fleet.lock or a generated file."""
    click.echo((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"), nl=False)
