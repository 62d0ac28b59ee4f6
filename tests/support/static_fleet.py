"""What a request is routed by, without an inventory: the view of the providers is a test's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet_runtime.artifacts.contract import GatewayConfig, Limits, ModelState, RoutingTable
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.list_request import ListRequest
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.edge.api_keys import ApiKeys
from fleet_runtime.edge.head_memo import HeadMemo
from fleet_runtime.edge.host_policy import HostPolicy
from fleet_runtime.loop_guard import GatewayView, gateway_view
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.capture import Captures
from fleet_runtime.proxy.endpoints import Routes
from fleet_runtime.proxy.request_plan import Plans
from fleet_runtime.routing import resolver as router
from fleet_runtime.store.old_names import OldNameUses


@dataclass
class StaticFleet:
    """Providers whose lists change only by a probe: `probes` has the names of the probed, `fresh` is what the
    next probe shows, once `probed` is done. `suspects` are those that a request could not reach."""

    gateway: GatewayConfig
    tables: Mapping[str, RoutingTable]
    providers: Mapping[str, Provider]
    view: dict[str, router.ProviderView]
    suspects: list[str] = field(default_factory=list)
    keys: ApiKeys = field(default_factory=lambda: ApiKeys(()))
    routes: Routes = field(init=False)
    access: HostPolicy = field(init=False)

    def __post_init__(self) -> None:
        self.routes, self.access = Routes(self.tables), HostPolicy(self.gateway)

    waking: dict[str, asyncio.Future[router.ProviderView]] = field(default_factory=dict)
    probes: list[str] = field(default_factory=list)
    probed: asyncio.Future[None] | None = None
    fresh: dict[str, router.ProviderView] = field(default_factory=dict)
    plans: Plans = field(default_factory=Plans)
    heads: HeadMemo = field(default_factory=HeadMemo)
    captures: Captures | None = None
    old_names: OldNameUses = field(default_factory=OldNameUses)

    @property
    def limits(self) -> Limits:
        return self.gateway.limits

    @property
    def version(self) -> int:
        return hash(tuple((name, id(view)) for name, view in self.view.items()))

    def resolve_now(
        self,
        table: RoutingTable,
        text: str,
        *,
        pinned: str | None = None,
        falls_back: bool = False,
        unreachable: frozenset[str] = frozenset(),
    ) -> router.Resolution:
        return router.resolve_model(
            table, self.view, text, pinned=pinned, falls_back=falls_back, unreachable=unreachable
        )

    def gateways(self) -> GatewayView:
        return gateway_view({})

    async def wake(self, provider: str) -> None:
        """Wait for what a test says of the provider, which is what the next probe shows, or an error."""
        self.view[provider] = await self.waking[provider]

    async def refresh(self, provider: str) -> None:
        self.probes.append(provider)
        if self.probed is not None:
            await self.probed
        self.view.update(self.fresh)

    def state(self, provider: str, model: str) -> ModelState:
        return "loaded"

    def mark_suspect(self, provider: str, reason: StatusReason) -> None:
        self.suspects.append(provider)

    def mark_loaded(self, provider: str, model: str) -> None:
        """Every model is loaded here."""

    def models(self, base: str, pinned: str | None, wanted: ListRequest) -> TaggedBody:
        return TaggedBody(json.dumps({"object": "list", "base": base, "pinned": pinned}).encode())

    def model(self, base: str, pinned: str | None, id: str) -> bytes | None:
        answer = router.resolve_model(self.tables[base], self.view, id, pinned=pinned)
        return json.dumps({"id": answer.id}).encode() if answer.available else None
