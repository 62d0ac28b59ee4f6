"""``fleet run``: start a client on its generated configuration."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from fleet_compiler.commands.client_environment import CLIENTS, client_environment, environment_warnings
from fleet_runtime.client import nearest_generated


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="""
\b
Example:
  fleet run opencode
  fleet run opencode run -m sam-desktop/qwen3-8b "say hi"
  fleet run --config generated/laptop/opencode.json opencode models

\b
Exit codes: those of the client; 1 it cannot be started, 2 usage.
""",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The client's generated configuration; by default its usual file in generated/ beside the nearest "
    "fleet.yaml.",
)
@click.argument("client", type=click.Choice(CLIENTS))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(config: Path | None, client: str, arguments: tuple[str, ...]) -> None:
    """Start CLIENT on its generated configuration, with ARGUMENTS of its own.

    Your own files of it stay as they are and still count, but for what is generated.
    """
    config = config or nearest_generated() / f"{client}.json"
    environment = client_environment(client, config)
    program = shutil.which(client)
    if program is None:
        raise click.ClickException(f"'{client}' is not on PATH: see docs/{client}.md for how to install it")
    for doubt in environment_warnings(client, config, os.environ):
        click.echo(f"warning: {doubt}", err=True)
    os.execve(program, [client, *arguments], {**os.environ, **environment})  # noqa: S606
