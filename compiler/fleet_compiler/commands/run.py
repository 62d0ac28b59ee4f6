"""``fleet run``: start a client with its generated configuration."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from fleet_compiler.clients import CLIENTS
from fleet_compiler.commands.client_launch import (
    LaunchError,
    client_argument,
    config_option,
    find_launch,
    launch_warnings,
)
from fleet_compiler.commands.options import epilog, file_option
from fleet_compiler.commands.terminal import warn


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=epilog(
        "fleet run opencode",
        'fleet run opencode run -m sam-desktop/qwen3-8b "say hi"',
        "fleet run --config generated/laptop/opencode.json opencode models",
        "fleet run env python app.py",
        exits="0 or another code of the client's own, 1 it cannot be started, 2 usage",
    ),
)
@config_option
@file_option
@client_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(config: Path | None, file: Path | None, client: str, arguments: tuple[str, ...]) -> None:
    """Start CLIENT with its generated configuration; ARGUMENTS are passed to it.

    Your own files of it are not changed; they still apply except for what is generated.
    """
    launch = find_launch(client, config, file)
    name = CLIENTS[client].program
    program = shutil.which(name)
    if program is None:
        raise LaunchError(f"'{name}' is not on PATH: {CLIENTS[client].install}")
    for warning in launch_warnings(launch, os.environ):
        warn(warning)
    keys = {new: os.environ[old] for new, old in launch.references.items() if old in os.environ}
    environment = {**os.environ, **launch.environment, **keys}
    os.execve(program, [name, *launch.arguments, *arguments], environment)  # noqa: S606
