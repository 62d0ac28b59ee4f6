"""A client's generated configuration, and how the client starts with it, for ``fleet run`` and ``env``."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import click

from fleet_compiler.clients import CLIENTS, Launch
from fleet_compiler.commands.options import fleet_file
from fleet_compiler.diagnostics.errors import FleetError
from fleet_compiler.project import locate_project

CONNECT_SECONDS = 1.0

Command = TypeVar("Command", bound=Callable[..., Any])


class LaunchError(FleetError):
    """A client cannot be started with its generated configuration."""

    exit_code: ClassVar[int] = 1


client_argument = click.argument("client", type=click.Choice(tuple(CLIENTS)))


def config_option(command: Command) -> Command:
    """Add ``--config FILE``, passed as `config`: a path, or None if it was not given."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The client's generated configuration; by default its usual file in generated/ next to "
        "fleet.yaml.",
    )(command)


def find_launch(client: str, config: Path | None, file: Path | None) -> Launch:
    """Return how `client` starts with its generated configuration; raises `LaunchError` and `UsageError`."""
    kind = CLIENTS[client]
    path = config if config is not None else locate_project(fleet_file(file)).generated / kind.file
    try:
        return kind.launch(path, path.read_bytes())
    except FileNotFoundError:
        raise LaunchError(
            f"'{path}' does not exist: give a surface `client: {client}` in fleet.yaml and run `fleet build`"
        ) from None
    except OSError as error:
        raise LaunchError(f"cannot read '{path}': {(error.strerror or '').lower()}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise LaunchError(
            f"'{path}' is not a configuration of {client} that `fleet build` wrote: run `fleet build`"
        ) from None


def launch_warnings(launch: Launch, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what will keep the client from working, as far as is known before it starts."""
    for name in launch.keys:
        if not environ.get(name):
            yield f"the gateway requires a key, and '{name}' is not set: `export {name}=…`"
    for url in launch.urls:
        if not _accepts_connections(url):
            yield f"no gateway listens at '{url}': start it with `fleet serve`"


def _accepts_connections(url: str) -> bool:
    address = urlsplit(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
