"""What a kind of client is to the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
class Client:
    """A kind of client: `file` is where its configuration is written unless fleet.yaml says otherwise;
    `context` makes plain data for `template`."""

    name: str
    file: str
    template: str
    context: Callable[[ClientView], Mapping[str, Any]]
