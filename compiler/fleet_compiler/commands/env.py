"""``fleet env``: what to export so that a client uses its generated configuration."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from fleet_compiler.commands.client_launch import client_argument, config_option, find_launch
from fleet_compiler.commands.options import epilog, file_option


@click.command(
    epilog=epilog(
        "fleet env opencode",
        'eval "$(fleet env opencode)"',
        exits="0 success, 1 the client has no generated configuration, 2 usage",
    ),
)
@config_option
@file_option
@client_argument
def env(config: Path | None, file: Path | None, client: str) -> None:
    """Print the exports that make CLIENT use its generated configuration, for a POSIX shell."""
    launch = find_launch(client, config, file)
    for name, value in launch.environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    for name, other in launch.references.items():
        click.echo(f'export {name}="${{{other}}}"')
