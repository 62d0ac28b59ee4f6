"""What a model's name leads to on a route, worked out once: provider, request line, credentials, headers.

A plan depends on nothing of a request but its path and the model it names. Plans are kept as long as no
provider changes, and belong to one snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fleet_runtime.artifacts.contract import Via
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.endpoints import Route
from fleet_runtime.proxy.request_context import ModelResolver
from fleet_runtime.proxy.request_head import header_block, percent_encoded, without_model
from fleet_runtime.routing.resolver import Resolution
from fleet_runtime.upstream import Upstream

MAX_PLANS: Final = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request is sent.

    `counted` is the model under which it is counted. `head` begins the provider's request: its line and
    Host; `credentials` are the lines of the provider's own key. `named` are the ``x-fleet-*`` lines of the
    response.
    """

    resolution: Resolution
    name: str
    provider: Provider
    upstream: Upstream
    via: Via
    counted: str
    target: bytes
    head: bytes
    credentials: bytes
    named: bytes

    def request_head(self, query: bytes) -> bytes:
        """Return the first lines of the provider's request."""
        query = without_model(query) if query else b""
        return _first_lines(self.upstream, self.target + b"?" + query) if query else self.head


class Plans:
    """The plans of one snapshot; forgotten whenever `version` is another."""

    __slots__ = ("_known", "_version")

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Plan] = {}
        self._version = -1

    def find(self, fleet: ModelResolver, route: Route, text: str) -> Plan | None:
        if fleet.version != self._version:
            self._known.clear()
            self._version = fleet.version
            return None
        return self._known.get((route.base.path, route.endpoint.path, text))

    def make(self, fleet: ModelResolver, route: Route, resolution: Resolution, *, keep: bool) -> Plan:
        """Return the plan for a resolution that names a provider; `keep` it for the next request."""
        assert resolution.provider is not None
        provider = fleet.providers[resolution.provider]
        via, upstream, target = provider.target(route.endpoint.path)
        counted = resolution.listed or resolution.model
        state = fleet.state(resolution.provider, counted).encode()
        plan = Plan(
            resolution=resolution,
            name=resolution.provider,
            provider=provider,
            upstream=upstream,
            via=via,
            counted=counted,
            target=target,
            head=_first_lines(upstream, target),
            credentials=header_block(provider.credentials(route.endpoint.anthropic)),
            named=provider_block(resolution)
            + b"x-fleet-via: %b\r\nx-fleet-state: %b\r\n" % (via.encode(), state),
        )
        if keep:
            if len(self._known) >= MAX_PLANS:
                self._known.clear()
            self._known[route.base.path, route.endpoint.path, resolution.requested] = plan
        return plan


def provider_block(resolution: Resolution) -> bytes:
    """Return the headers that name the provider and the model of a resolution, as far as it has them."""
    block = b""
    if resolution.provider is not None:
        block = b"x-fleet-provider: %b\r\n" % resolution.provider.encode()
        if resolution.model:
            id = percent_encoded(f"{resolution.provider}/{resolution.model}")
            block += b"x-fleet-model: %b\r\n" % id
    if resolution.fallback and resolution.available:
        block += b"x-fleet-fallback: %b\r\n" % percent_encoded(resolution.requested)
    return block


def _first_lines(upstream: Upstream, target: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: %b\r\n" % (target, upstream.host_header)
