"""``fleet run``: start a client with its generated configuration."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from fleet_compiler.clients import CLIENTS
from fleet_compiler.commands.client_launch import (
    Source,
    client_argument,
    find_config,
    launch_warnings,
    prepare_start,
    source_options,
    start_environment,
)
from fleet_compiler.commands.client_source import LaunchError
from fleet_compiler.commands.options import file_option
from fleet_compiler.commands.terminal import warn
from fleet_compiler.files import os_reason
from fleet_runtime.commands.help_epilog import epilog


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=epilog(
        "fleet run opencode",
        'fleet run opencode run -m sam-desktop/qwen3-8b "say hi"',
        "fleet run --surface boocoder codex",
        "FLEET_URL=http://fleet.local:8400 fleet run claude-code -- --help",
        "fleet run env python app.py",
        exits={
            0: "success; otherwise the exit code of the client",
            1: "the client cannot be started",
            2: "usage error",
            4: "the gateway did not respond",
        },
    ),
)
@source_options
@file_option
@client_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    config: Path | None,
    surface: str | None,
    url: str | None,
    file: Path | None,
    client: str,
    arguments: tuple[str, ...],
) -> None:
    """Start CLIENT with its generated configuration and pass ARGUMENTS to it.

    Your own configuration of the client is not changed, and still applies to everything that is not
    generated. With $FLEET_URL, no fleet.yaml is needed: the gateway provides the data for the configuration.
    """
    found = find_config(client, Source(config, file, surface, url))
    name = CLIENTS[client].program
    program = shutil.which(name)
    if program is None:
        raise LaunchError(f"'{name}' is not on PATH: {CLIENTS[client].install}")
    start = prepare_start(found, program)
    environment = start_environment(start, os.environ)
    for warning in launch_warnings(start.launch, environment):
        warn(warning)
    passed = arguments[1:] if arguments[:1] == ("--",) else arguments
    try:
        os.execve(program, [name, *start.launch.leading, *passed], environment)  # noqa: S606
    except OSError as error:
        raise LaunchError(f"cannot start '{program}': {os_reason(error)}") from None
