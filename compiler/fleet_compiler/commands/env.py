"""``fleet env``: print the shell commands that configure a client."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import click

from fleet_compiler.clients import CLIENTS
from fleet_compiler.clients.view import KEY_VARIABLE
from fleet_compiler.commands.client_launch import (
    Source,
    client_argument,
    find_config,
    prepare_start,
    source_options,
)
from fleet_compiler.commands.options import file_option
from fleet_runtime.commands.help_epilog import epilog


@click.command(
    epilog=epilog(
        "fleet env opencode",
        'eval "$(fleet env opencode)"',
        exits={
            0: "success",
            1: "the client has no generated configuration",
            2: "usage error",
            4: "the gateway did not respond",
        },
    ),
)
@source_options
@file_option
@client_argument
def env(config: Path | None, surface: str | None, url: str | None, file: Path | None, client: str) -> None:
    """Print the shell commands that make CLIENT use its generated configuration, for a POSIX shell.

    They export variables. For a client that is configured by flags, they define a function with its name.
    """
    start = prepare_start(
        find_config(client, Source(config, file, surface, url)), shutil.which(CLIENTS[client].program)
    )
    launch = start.launch
    if start.key_file is not None:
        click.echo(f'export {KEY_VARIABLE}="$(cat {shlex.quote(str(start.key_file))})"')
    for name, value in launch.environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    for name, other in launch.references.items():
        click.echo(f'export {name}="${{{other}}}"')
    if launch.arguments:
        program = CLIENTS[client].program
        click.echo(f'{program}() {{ command {program} {shlex.join(launch.arguments)} "$@"; }}')
