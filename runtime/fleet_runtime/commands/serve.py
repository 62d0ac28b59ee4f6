"""``fleet serve``: run the gateway."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet_runtime.commands.help_epilog import epilog

if TYPE_CHECKING:
    from fleet_runtime.artifacts.snapshot import Snapshot
    from fleet_runtime.telemetry.access_log import LogFormat


@click.command(
    epilog=epilog(
        "fleet build && fleet serve",
        "fleet serve --generated /etc/fleet/generated --listen 127.0.0.1:9000",
        exits={
            0: "stopped by a signal",
            1: "there is nothing to serve, or the address is not available",
            2: "usage error",
        },
    )
)
@click.option(
    "--generated",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that `fleet build` wrote. Default: generated/ next to the nearest fleet.yaml.",
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Listen on this address instead of `listen` in fleet.yaml."
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The log format on standard error.",
)
@click.option(
    "--access-log",
    metavar="off|text|json|FILE",
    help="Where to log requests: `off`, standard error as `text` or `json`, or appended to FILE, which "
    "SIGHUP reopens.",
)
@click.option(
    "--access-log-sample",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Log only one in N successful requests; failed requests are always logged.",
)
def serve(
    generated: Path | None,
    listen: str | None,
    log_format: LogFormat,
    access_log: str | None,
    access_log_sample: int,
) -> None:
    """Run the gateway.

    Serves generated/, and loads each new build without a restart. SIGHUP reloads; SIGTERM and Ctrl-C stop the
    gateway.
    """
    from fleet_runtime.client import require_generated
    from fleet_runtime.gateway.service import REFUSALS
    from fleet_runtime.server import run_gateway
    from fleet_runtime.telemetry.access_log_target import access_log_target
    from fleet_runtime.telemetry.log_writer import LogWriter
    from fleet_runtime.telemetry.logging_setup import log_to

    with LogWriter() as writer:
        log_to(writer, log_format)
        try:
            folder = generated or require_generated("name the folder with --generated DIR")
            with access_log_target(access_log, log_format, access_log_sample, writer) as target:
                run_gateway(
                    folder,
                    listen,
                    os.environ,
                    target.access_log,
                    lambda: writer.dropped + target.dropped,
                    _print_first_request,
                    target.reopen,
                )
        except REFUSALS as error:
            _unblock_signals()
            raise click.ClickException(str(error)) from None


def _unblock_signals() -> None:
    """Let signals end a process whose start failed, because writing its last message may block forever.

    A pending signal is dropped, so that the message and the exit code come first.
    """
    held = {signal.SIGHUP, signal.SIGTERM} & signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for number in held & signal.sigpending():
        before = signal.signal(number, signal.SIG_IGN)
        signal.signal(number, before)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, held)


def _print_first_request(snapshot: Snapshot, url: str) -> None:
    """Print commands to paste.

    A standard output that cannot be written to does not stop the gateway. Nothing may stay in a buffer,
    because flushing it at exit would fail.
    """
    from fleet_runtime.commands.first_request import first_request

    text = "\n".join(first_request(snapshot, url)) + "\n"
    with suppress(OSError):
        os.write(sys.stdout.fileno(), text.encode(sys.stdout.encoding, "backslashreplace"))
