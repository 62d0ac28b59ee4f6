"""``fleet serve``: run the gateway on what the compiler wrote."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from fleet_runtime.artifacts.snapshot import Snapshot


@click.command(
    epilog="""
\b
Example:
  fleet build && fleet serve
  fleet serve --generated /etc/fleet/generated --listen 127.0.0.1:9000

\b
Exit codes: 0 stopped by a signal, 1 nothing to serve or the address cannot be had, 2 usage.
"""
)
@click.option(
    "--generated",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that `fleet build` wrote; by default generated/ next to the nearest fleet.yaml.",
)
@click.option("--listen", metavar="HOST:PORT", help="Listen here instead of where fleet.yaml says.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to write the log, one line per request among it, on standard error.",
)
def serve(generated: Path | None, listen: str | None, log_format: Literal["text", "json"]) -> None:
    """Run the gateway.

    It routes every `provider/model` to exactly that provider and takes a new snapshot as soon as
    `fleet build` has written one. SIGHUP reloads, SIGTERM and Ctrl-C stop.
    """
    from fleet_runtime.client import require_generated
    from fleet_runtime.gateway.service import REFUSALS
    from fleet_runtime.server import run_gateway
    from fleet_runtime.telemetry.access_log import AccessLog
    from fleet_runtime.telemetry.log_writer import LogWriter
    from fleet_runtime.telemetry.logging_setup import log_to

    with LogWriter() as writer:
        log_to(writer, log_format)
        try:
            folder = generated or require_generated("name the folder with --generated DIR")
            run_gateway(
                folder,
                listen,
                os.environ,
                AccessLog(log_format, writer),
                lambda: writer.dropped,
                _print_first_request,
            )
        except REFUSALS as error:
            raise click.ClickException(str(error)) from None


def _print_first_request(snapshot: Snapshot, url: str) -> None:
    """Print what can be pasted; a standard output that cannot be written to does not stop the gateway."""
    from fleet_runtime.commands.first_request import first_request

    with suppress(OSError):
        click.echo("\n".join(first_request(snapshot, url)))
