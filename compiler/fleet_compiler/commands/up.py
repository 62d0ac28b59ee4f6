"""``fleet up``."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from fleet_compiler.commands.build import build_and_report, watch_inputs
from fleet_compiler.commands.options import file_option, fleet_file, generated_option
from fleet_compiler.diagnostics.errors import FleetError
from fleet_compiler.project import locate_project
from fleet_runtime.commands.help_epilog import epilog

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Each is SIGTERM to the gateway, which is deaf to no SIGTERM, however early, and reloads at SIGHUP."""
PR_SET_PDEATHSIG = 1


class GatewayEndedError(FleetError):
    """The gateway was ended by a signal that `fleet up` did not send."""

    exit_code = 1


@click.command(
    epilog=epilog(
        "fleet up",
        "fleet up --listen 127.0.0.1:9000",
        exits={
            0: "stopped by a signal",
            1: "the configuration is invalid, or the gateway cannot start",
            2: "usage error",
        },
    ),
)
@file_option
@generated_option
@click.option(
    "--listen", metavar="HOST:PORT", help="Listen on this address instead of the one in fleet.yaml."
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The log format on standard error.",
)
def up(file: Path | None, generated: Path | None, listen: str | None, log_format: str) -> None:
    """Build, run the gateway, and build again whenever fleet.yaml changes.

    The gateway loads each new build without dropping a request. If a change does not build, it keeps serving
    the previous build. Ctrl-C, SIGTERM or closing the terminal stops it.
    """
    config = fleet_file(file)
    project = locate_project(config, generated)
    first = build_and_report(project, "update")
    options = ["--generated", str(project.generated), "--log-format", log_format]
    options += ["--listen", listen] if listen is not None else []
    with _gateway(options) as (gateway, stops):
        watch_inputs(project, "update", first, until=lambda: gateway.poll() is not None)
        code = gateway.wait()
    if code == -signal.SIGTERM and stops:
        code = 0  # it came before the gateway could hold it
    if code < 0:
        raise GatewayEndedError(f"the gateway was killed by {signal.Signals(-code).name}")
    raise click.exceptions.Exit(code)


@contextmanager
def _gateway(options: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Run ``fleet serve`` for a block, which gets a SIGTERM for each signal of `STOPPING` that this process
    gets and does not ignore (`nohup`); the list holds those that came.

    It has a separate session, so that a Ctrl-C reaches it once: a second one would not let it finish the
    requests that are running.
    """
    command = [sys.executable, "-m", "fleet_compiler", "serve", *options]
    gateway: subprocess.Popen[bytes] | None = None
    stops: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        stops.append(number)
        if gateway is not None:
            gateway.terminate()

    handled = [number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, forward) for number in handled}
    try:
        gateway = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        if stops:
            gateway.terminate()
        yield gateway, stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if gateway is not None and gateway.poll() is None:
            gateway.terminate()
            gateway.wait()


def _end_with_parent() -> None:
    """Get SIGTERM when the parent is killed, where the system can do that (Linux, prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
