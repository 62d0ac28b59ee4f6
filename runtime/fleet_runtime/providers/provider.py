"""A provider in the gateway: its connections, key, and running requests."""

from __future__ import annotations

from fleet_runtime.artifacts.contract import ProviderConfig, Via
from fleet_runtime.dialects.credentials import Credentials
from fleet_runtime.providers.limiter import ConcurrencyLimiter
from fleet_runtime.providers.waker import Waker
from fleet_runtime.upstream import Upstream
from fleet_runtime.urls import parse_url


class Provider:
    """`in_flight` counts the running requests by model; `key` is the provider's API key; `limiter` limits
    concurrent requests, None for no limit; `waker` wakes it, None if it cannot be woken. `headers` are those
    from fleet.yaml for every request."""

    def __init__(
        self,
        config: ProviderConfig,
        upstream: Upstream,
        sidecar: Upstream | None,
        key: str | None,
        limiter: ConcurrencyLimiter | None = None,
        waker: Waker | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.config = config
        self.upstream = upstream
        self.sidecar = sidecar
        self.key = key
        self.limiter = limiter
        self.waker = waker
        self.headers = headers
        self.in_flight: dict[str, int] = {}
        self._api = parse_url(config.api_base).path
        self._root = parse_url(config.url).path
        self._sidecar_root = ""
        self._sidecar_paths: frozenset[str] = frozenset()
        if config.sidecar is not None:
            self._sidecar_root = parse_url(config.sidecar.url).path
            self._sidecar_paths = frozenset(config.sidecar.paths)

    def __repr__(self) -> str:
        running = sum(self.in_flight.values())
        return f"<Provider {self.config.name}: {running} in flight, {self.waiting} waiting>"

    @property
    def secrets(self) -> Credentials:
        return Credentials(self.key, self.headers)

    @property
    def waiting(self) -> int:
        return self.limiter.waiting if self.limiter else 0

    def via(self, path: str) -> Via:
        """Return which of the provider's servers gets an endpoint (``/v1/…`` or llama.cpp's own path)."""
        return "sidecar" if path in self._sidecar_paths else "direct"

    def target(self, path: str) -> tuple[Via, Upstream, bytes]:
        """Return the destination of a request to an endpoint: the server, its client, and the path there."""
        if self.sidecar is not None and self.via(path) == "sidecar":
            return "sidecar", self.sidecar, (self._sidecar_root + path).encode()
        if path.startswith("/v1/"):
            return "direct", self.upstream, (self._api + path.removeprefix("/v1")).encode()
        return "direct", self.upstream, (self._root + path).encode()

    def try_enter(self, model: str) -> bool:
        """Begin a request for `model` if it need not wait; `leave` ends it."""
        if self.limiter is not None and not self.limiter.try_enter():
            return False
        self.in_flight[model] = self.in_flight.get(model, 0) + 1
        return True

    async def enter(self, model: str) -> None:
        """Begin a request for `model`; `leave` ends it. Raises `QueueFullError`."""
        if self.limiter is not None:
            await self.limiter.enter()
        self.in_flight[model] = self.in_flight.get(model, 0) + 1

    def leave(self, model: str) -> None:
        left = self.in_flight[model] - 1
        if left:
            self.in_flight[model] = left
        else:
            del self.in_flight[model]
        if self.limiter is not None:
            self.limiter.leave()

    def credentials(self, anthropic: bool) -> list[tuple[bytes, bytes]]:
        """Return the provider's headers and key; the Messages API has a separate header for the key."""
        if self.key is None:
            return [*self.headers]
        key = self.key.encode()
        bearer = (b"authorization", b"Bearer " + key)
        return [*self.headers, bearer, (b"x-api-key", key)] if anthropic else [*self.headers, bearer]
