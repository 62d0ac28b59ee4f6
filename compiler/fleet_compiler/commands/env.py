"""``fleet env``: what to export so that a client uses its generated configuration."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from fleet_compiler.commands.client_environment import CLIENTS, client_environment
from fleet_runtime.client import nearest_generated


@click.command(
    epilog="""
\b
Example:
  eval "$(fleet env opencode)"

\b
Exit codes: 0 fine, 1 there is no such configuration, 2 usage.
"""
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The client's generated configuration; by default its usual file in generated/ beside the nearest "
    "fleet.yaml.",
)
@click.argument("client", type=click.Choice(CLIENTS))
def env(config: Path | None, client: str) -> None:
    """Print the exports that make CLIENT use its generated configuration, for a POSIX shell."""
    config = config or nearest_generated() / f"{client}.json"
    for name, value in client_environment(client, config).items():
        click.echo(f"export {name}={shlex.quote(value)}")
