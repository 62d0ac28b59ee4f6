"""A live snapshot: a snapshot with its runtime state. A request uses one to its end; a reload replaces it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fleet_runtime.artifacts.contract import GatewayConfig, Limits, ModelState, ProviderConfig, RoutingTable
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.catalog.catalog import Catalog
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.favorites import Favorites
from fleet_runtime.catalog.list_request import ListRequest
from fleet_runtime.catalog.lists import CatalogLists
from fleet_runtime.dialects.credentials import Credentials, MissingKeyError, find_credentials
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.edge.api_keys import ApiKeys, read_keys
from fleet_runtime.edge.head_memo import HeadMemo
from fleet_runtime.edge.host_policy import HostPolicy
from fleet_runtime.errors import request_error
from fleet_runtime.event_log import EventLog
from fleet_runtime.files import MAX_KEY, UnreadableFileError, read_text, resolve_path
from fleet_runtime.loop_guard import GatewayView, gateway_view
from fleet_runtime.providers.inventory import Inventory
from fleet_runtime.providers.limiter import ConcurrencyLimiter, LimiterPool
from fleet_runtime.providers.lock_drift import KnownDrifts
from fleet_runtime.providers.provider import Provider
from fleet_runtime.providers.waker import Waker
from fleet_runtime.proxy.capture import Captures
from fleet_runtime.proxy.endpoints import Routes
from fleet_runtime.proxy.request_plan import Plans
from fleet_runtime.routing import resolver as router
from fleet_runtime.store.old_names import OldNameUses
from fleet_runtime.upstream import Upstream


@dataclass(slots=True)
class LiveSnapshot:
    """A snapshot with its runtime state; reads never wait for a provider."""

    snapshot: Snapshot
    providers: Mapping[str, Provider]
    keys: ApiKeys
    routes: Routes
    access: HostPolicy
    inventory: Inventory
    catalog: Catalog
    lists: CatalogLists
    pool: LimiterPool
    old_names: OldNameUses
    captures: Captures | None = None
    limits: Limits = field(init=False)
    plans: Plans = field(default_factory=Plans)
    heads: HeadMemo = field(init=False)
    drifts: KnownDrifts = field(default_factory=KnownDrifts)

    def __post_init__(self) -> None:
        self.heads = HeadMemo(remembers=self.captures is None)
        self.limits = self.gateway.limits

    @property
    def gateway(self) -> GatewayConfig:
        return self.snapshot.gateway

    @property
    def tables(self) -> Mapping[str, RoutingTable]:
        return self.snapshot.tables

    @property
    def view(self) -> router.View:
        return self.inventory.view

    @property
    def version(self) -> int:
        """Return a number that changes whenever a resolution or a model's state may change."""
        return self.inventory.version

    def state(self, provider: str, model: str) -> ModelState:
        """Return the state of a model at the provider's latest probe."""
        return self.inventory.states[provider].states.get(model, "unknown")

    async def probe(self, provider: str) -> None:
        """Probe a provider now, unless it was probed within the last second."""
        await self.inventory.probe(provider)

    async def refresh(self, provider: str) -> None:
        """Wait for a new probe of a provider, up to the time limit of a request."""
        await self.inventory.probe(provider, self.gateway.inventory.timeout)

    async def wake(self, provider: str) -> None:
        """Wake a provider; raises `RequestError` with the outcome if it does not respond."""
        await self.inventory.wake(provider)

    def mark_suspect(self, provider: str, reason: StatusReason) -> None:
        """Note that a request could not reach a provider."""
        self.inventory.mark_suspect(provider, reason)

    def mark_loaded(self, provider: str, model: str) -> None:
        """Note that a model that was not loaded has responded."""
        self.inventory.mark_loaded(provider, model)

    def resolve_now(
        self,
        table: RoutingTable,
        text: str,
        *,
        pinned: str | None = None,
        falls_back: bool = False,
        unreachable: frozenset[str] = frozenset(),
    ) -> router.Resolution:
        """Resolve a name with the current state."""
        resolution = router.resolve_model(
            table, self.view, text, pinned=pinned, falls_back=falls_back, unreachable=unreachable
        )
        return router.name_snapshot(resolution, self.snapshot.id)

    async def resolve(self, table: RoutingTable, text: str, *, falls_back: bool = False) -> router.Resolution:
        """Resolve a name, after a new probe of the provider if that could change the result."""
        resolution = self.resolve_now(table, text, falls_back=falls_back)
        if resolution.may_be_stale and resolution.provider is not None:
            await self.refresh(resolution.provider)
            resolution = self.resolve_now(table, text, falls_back=falls_back)
        return resolution

    def models(self, base: str, pinned: str | None, wanted: ListRequest) -> TaggedBody:
        """Return the response of ``GET <base>/v1/models``; raises `RequestError` for an unknown `after_id` or
        `before_id`."""
        try:
            return self.lists.models(self.tables[base], pinned, wanted)
        except LookupError as error:
            message = f"model '{error.args[0]}' is not in this list"
            raise request_error("invalid_request", message) from None

    def gateways(self) -> GatewayView:
        """Return which gateways of fleet the lists come from."""
        states = self.inventory.states
        behind = {name: states[name].observation for name in self.providers}
        return gateway_view({name: seen.gateways for name, seen in behind.items() if seen is not None})

    def model(self, base: str, pinned: str | None, id: str) -> bytes | None:
        """Return the body of ``GET <base>/v1/models/<id>``; None if the id does not resolve to an available
        model."""
        table = self.tables[base]
        model = self.catalog.openai_model(pinned, router.resolve_model(table, self.view, id, pinned=pinned))
        return None if model is None else msgspec.json.encode(model)

    async def close(self, keep: LiveSnapshot | None = None) -> None:
        """Close idle connections, except those of providers shared with `keep`; running requests finish."""
        kept = set() if keep is None else {id(provider) for provider in keep.providers.values()}
        retired = [provider for provider in self.providers.values() if id(provider) not in kept]
        servers = [server for provider in retired for server in (provider.upstream, provider.sidecar)]
        await asyncio.gather(
            *(server.close() for server in servers if server is not None),
            *(provider.waker.close() for provider in retired if provider.waker is not None),
        )


def build_live_snapshot(
    snapshot: Snapshot,
    environ: Mapping[str, str],
    events: EventLog,
    previous: LiveSnapshot | None = None,
    favorites: Callable[[], Favorites] = Favorites,
) -> LiveSnapshot:
    """Return `snapshot` with its runtime state and keys; no provider is contacted yet.

    A provider with the same configuration and key as in `previous` keeps its connections, counters and state.
    If nothing differs, the result is `previous` itself. Raises `MissingKeyError` if one of the gateway's own
    keys cannot be read.
    """

    def read(file: str) -> str:
        return read_text(resolve_path(snapshot.root, file), MAX_KEY)

    keys = read_keys(snapshot.gateway.keys, environ, read)
    routes, access = Routes(snapshot.tables), HostPolicy(snapshot.gateway)
    pool = LimiterPool() if previous is None else previous.pool
    old_names = OldNameUses() if previous is None else previous.old_names
    limiters = pool.limiters(snapshot.connections.values())
    providers: dict[str, Provider] = {}
    disabled: dict[str, StatusReason] = {}
    for name, config in snapshot.connections.items():
        credentials = Credentials()
        try:
            credentials = find_credentials(config, environ, read)
        except MissingKeyError as unset:
            disabled[name] = unset.reason
        if not config.enabled:
            disabled[name] = StatusReason("disabled")
        before = None if previous is None else previous.providers.get(name)
        same = before is not None and before.config == config and before.secrets == credentials
        providers[name] = (
            before if same and before else _provider(snapshot, config, credentials, limiters.get(name))
        )
    if previous is not None and _same(previous, snapshot, providers, keys):
        return previous
    inventory = Inventory(snapshot, providers, disabled, events)
    if previous is not None:
        inventory.take_over(previous.inventory)
    catalog = Catalog(inventory, favorites)
    return LiveSnapshot(
        *(snapshot, providers, keys, routes, access, inventory, catalog, CatalogLists(catalog)),
        *(pool, old_names, _captures(snapshot.gateway, previous)),
    )


def _captures(gateway: GatewayConfig, previous: LiveSnapshot | None) -> Captures | None:
    """Return the captures, None if they are off; existing captures are kept unless the setting changed."""
    before = None if previous is None else previous.captures
    if gateway.captures is None:
        return None
    same = before is not None and before.settings == gateway.captures
    return before if same else Captures(gateway.captures)


def _same(live: LiveSnapshot, snapshot: Snapshot, providers: Mapping[str, Provider], keys: ApiKeys) -> bool:
    return (live.snapshot.id, live.providers, live.keys) == (snapshot.id, providers, keys)


def _provider(
    snapshot: Snapshot, config: ProviderConfig, secrets: Credentials, limiter: ConcurrencyLimiter | None
) -> Provider:
    ca_file = None if config.ca_file is None else _ca_path(snapshot.root, config.ca_file)

    def upstream(url: str) -> Upstream:
        return Upstream(url, timeouts=config.timeouts, verify=config.verify, ca_file=ca_file)

    sidecar = None if config.sidecar is None else upstream(config.sidecar.url)
    waker = None if config.wake is None else Waker(config.name, config.wake, snapshot.root)
    return Provider(config, upstream(config.url), sidecar, secrets.key, limiter, waker, secrets.headers)


def _ca_path(root: Path, path: str) -> str:
    """Return the path of the CA file; if it is in an unknown home folder, an unreadable path."""
    try:
        return str(resolve_path(root, path))
    except UnreadableFileError:
        return path
