"""``fleet serve``: run the gateway on what the compiler wrote."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import click


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
    help="The folder that `fleet build` wrote; by default generated/ beside the nearest fleet.yaml.",
)
@click.option("--listen", metavar="HOST:PORT", help="Listen here instead of where fleet.yaml says.")
def serve(generated: Path | None, listen: str | None) -> None:
    """Run the gateway.

    It routes every `provider/model` to exactly that machine and takes a new snapshot as soon as
    `fleet build` has written one. SIGHUP reloads, SIGTERM and Ctrl-C stop.
    """
    from fleet_runtime.server import run_gateway
    from fleet_runtime.service import REFUSALS

    _log_to_stderr()
    try:
        run_gateway(generated or _nearest_generated(), listen, os.environ)
    except REFUSALS as error:
        raise click.ClickException(str(error)) from None


def _nearest_generated() -> Path:
    """generated/ beside the fleet.yaml of this folder or the nearest one above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "fleet.yaml").is_file():
            return folder / "generated"
    return here / "generated"


def _log_to_stderr() -> None:
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ"
    )
    for noisy in ("uvicorn", "uvicorn.error", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
