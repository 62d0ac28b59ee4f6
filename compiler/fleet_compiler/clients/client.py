"""What a kind of client is to the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet_runtime.artifacts.contract import GatewayConfig, KeyReference, RoutingTable


@dataclass(frozen=True, slots=True)
class ClientView:
    """All that a client's configuration may be made from.

    `file` is the path of the configuration inside the generated folder; `key` the gateway's key that it
    refers to, where the gateway wants one; `exclusive`: the client shall know no other providers;
    `legacy_provider`: the name of one more provider, for ids that older sessions saved.
    """

    gateway: GatewayConfig
    table: RoutingTable
    file: str
    key: KeyReference | None
    exclusive: bool
    legacy_provider: str | None = None

    @property
    def base_url(self) -> str:
        return f"{self.gateway.url}{self.table.base}/v1"


@dataclass(frozen=True, slots=True)
class Launch:
    """How a client's program starts on its generated configuration.

    `environment` is added to the user's own variables, `arguments` stand before the user's. `keys` are the
    variables that the configuration reads a key from, `urls` the addresses that it uses: what can be
    checked before the program starts.
    """

    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """A kind of client: all there is to it.

    `file` is where its configuration is written unless fleet.yaml says otherwise; `context` makes plain data
    for `template`. `program` is the command that people call, and `install` how they get it. `launch` says
    how it starts on the configuration at a path that holds these bytes; it raises ValueError if they are not
    such a configuration.
    """

    name: str
    file: str
    template: str
    context: Callable[[ClientView], Mapping[str, Any]]
    program: str
    install: str
    launch: Callable[[Path, bytes], Launch]
