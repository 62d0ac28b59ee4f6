"""A snapshot and everything that runs on it: what a request takes hold of once, and a reload swaps whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fleet_runtime.artifacts.contract import GatewayConfig, ModelState, ProviderConfig, RoutingTable
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.catalog.catalog import Catalog
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.favorites import Favorites
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.edge.api_keys import ApiKeys, read_keys
from fleet_runtime.edge.host_policy import HostPolicy
from fleet_runtime.event_log import EventLog
from fleet_runtime.files import MAX_KEY, read_text, resolve_path
from fleet_runtime.providers.inventory import Inventory
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.endpoints import Routes
from fleet_runtime.routing import resolver as router
from fleet_runtime.upstream import Upstream

MEMO_SIZE = 4096


@dataclass(slots=True)
class LiveSnapshot:
    """One snapshot at work; reads never wait for a machine."""

    snapshot: Snapshot
    providers: Mapping[str, Provider]
    keys: ApiKeys
    routes: Routes
    access: HostPolicy
    inventory: Inventory
    catalog: Catalog
    _memo: dict[tuple[str, str | None, bool, str], router.Resolution] = field(default_factory=dict)
    _memo_version: int = -1

    @property
    def gateway(self) -> GatewayConfig:
        return self.snapshot.gateway

    @property
    def tables(self) -> Mapping[str, RoutingTable]:
        return self.snapshot.tables

    @property
    def view(self) -> router.View:
        return self.inventory.view

    def state(self, provider: str, model: str) -> ModelState:
        """Whether the machine has a model in memory, as it was last seen."""
        return self.inventory.states[provider].states.get(model, "unknown")

    async def probe(self, provider: str) -> None:
        """One fresh look at a machine, throttled."""
        await self.inventory.probe(provider)

    def mark_suspect(self, provider: str, reason: StatusReason) -> None:
        """A request could not reach a machine."""
        self.inventory.mark_suspect(provider, reason)

    async def resolve(
        self,
        table: RoutingTable,
        text: str,
        *,
        pinned: str | None = None,
        falls_back: bool = False,
        unreachable: frozenset[str] = frozenset(),
    ) -> router.Resolution:
        """The router's answer, after a fresh look at the machine where one could change it."""
        answer = self._decide(table, text, pinned, falls_back, unreachable)
        if answer.may_be_stale and answer.provider is not None:
            await self.probe(answer.provider)
            answer = self._decide(table, text, pinned, falls_back, unreachable)
        return answer

    def _decide(
        self,
        table: RoutingTable,
        text: str,
        pinned: str | None,
        falls_back: bool,
        unreachable: frozenset[str],
    ) -> router.Resolution:
        """The router's answer; one that can be used is remembered until a machine changes."""
        if self._memo_version != self.inventory.version or len(self._memo) > MEMO_SIZE:
            self._memo.clear()
            self._memo_version = self.inventory.version
        key = (table.base, pinned, falls_back, text)
        answer = None if unreachable else self._memo.get(key)
        if answer is None:
            answer = router.resolve_model(
                table, self.view, text, pinned=pinned, falls_back=falls_back, unreachable=unreachable
            )
            if answer.available and not unreachable:
                self._memo[key] = answer
        return answer

    def models(self, base: str, pinned: str | None) -> TaggedBody:
        """The answer of ``GET <base>/v1/models``."""
        return self.catalog.openai_list(self.tables[base], pinned)

    def model(self, base: str, pinned: str | None, id: str) -> bytes | None:
        """The body of ``GET <base>/v1/models/<id>``; None where the id means nothing that can be used."""
        table = self.tables[base]
        return self.catalog.openai_model(
            table, pinned, router.resolve_model(table, self.view, id, pinned=pinned)
        )

    async def close(self, keep: LiveSnapshot | None = None) -> None:
        """End idle connections, but those of machines that `keep` goes on with; running requests finish."""
        kept = set() if keep is None else {id(machine) for machine in keep.providers.values()}
        gone = [machine for machine in self.providers.values() if id(machine) not in kept]
        servers = [server for machine in gone for server in (machine.upstream, machine.sidecar)]
        await asyncio.gather(*(server.close() for server in servers if server is not None))


def build_live_snapshot(
    snapshot: Snapshot,
    environ: Mapping[str, str],
    events: EventLog,
    previous: LiveSnapshot | None = None,
    favorites: Callable[[], Favorites] = Favorites,
) -> LiveSnapshot:
    """Everything that runs on `snapshot`, with the machines' keys read; nothing is contacted yet.

    A machine that is the same as in `previous`, its key too, goes on with its connections, counters and
    what is known of it. Where nothing at all differs, the answer is `previous` itself. Raises
    `MissingKeyError` where one of the gateway's own keys cannot be read.
    """

    def read(file: str) -> str:
        return read_text(resolve_path(snapshot.root, file), MAX_KEY)

    keys = read_keys(snapshot.gateway.keys, environ, read)
    routes, access = Routes(snapshot.tables), HostPolicy(snapshot.gateway)
    machines: dict[str, Provider] = {}
    disabled: dict[str, StatusReason] = {}
    for name, connection in snapshot.connections.items():
        key = None
        try:
            key = find_key(connection.api_key_env, connection.api_key_file, environ, read)
        except MissingKeyError as unset:
            disabled[name] = unset.reason
        if not connection.enabled:
            disabled[name] = StatusReason("disabled")
        before = None if previous is None else previous.providers.get(name)
        same = before is not None and before.config == connection and before.key == key
        machines[name] = before if same and before else _provider(snapshot, connection, key)
    if previous is not None and _same(previous, snapshot, machines, keys):
        return previous
    inventory = Inventory(snapshot, machines, disabled, events)
    if previous is not None:
        inventory.take_over(previous.inventory)
    return LiveSnapshot(snapshot, machines, keys, routes, access, inventory, Catalog(inventory, favorites))


def _same(running: LiveSnapshot, snapshot: Snapshot, machines: Mapping[str, Provider], keys: ApiKeys) -> bool:
    return (running.snapshot.id, running.providers, running.keys) == (snapshot.id, machines, keys)


def _provider(snapshot: Snapshot, connection: ProviderConfig, key: str | None) -> Provider:
    ca_file = None if connection.ca_file is None else str(resolve_path(snapshot.root, connection.ca_file))

    def upstream(url: str) -> Upstream:
        return Upstream(url, timeouts=connection.timeouts, verify=connection.verify, ca_file=ca_file)

    sidecar = None if connection.sidecar is None else upstream(connection.sidecar.url)
    return Provider(connection, upstream(connection.url), sidecar, key)
