"""Poll a provider at its own interval, sooner after an event or a failed request, one probe at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from fleet_runtime.artifacts.contract import PollSettings
from fleet_runtime.dialects.feed import Feed
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.observation import Observation, Probe, drive, step
from fleet_runtime.dialects.probe import probe_provider
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.providers import transport
from fleet_runtime.providers.alarm import Alarm
from fleet_runtime.providers.health import ProviderState, SidecarState, after_probe, next_probe_delay
from fleet_runtime.providers.provider import Provider
from fleet_runtime.tasks import run_together

PROBE_SPACING = 1.0
FEED_SPACING = 0.25
FEED_RETRY_SECONDS = 300.0
"""Seconds between probes caused by requests, between probes caused by feed events, and between attempts to
open a missing feed."""

LARGE_RESPONSE = 64_000
"""Responses of at least this many bytes are parsed in a thread, so that requests need not wait."""

log = logging.getLogger("fleet.inventory")


class Poller:
    """Keeps the state of `provider` current while `run` runs.

    `interval`: seconds between probes. `was_probed` is set after each probe. `read_state` and `publish`
    are the inventory's: they return and replace the current state.
    """

    def __init__(
        self,
        provider: Provider,
        interval: float,
        settings: PollSettings,
        read_state: Callable[[], ProviderState],
        publish: Callable[[ProviderState], None],
    ) -> None:
        self.provider = provider
        self.interval = interval
        self.was_probed = asyncio.Event()
        self._settings = settings
        self._state = read_state
        self._publish = publish
        self._hurry = Alarm()
        self._probe: asyncio.Task[None] | None = None
        self._feed: asyncio.Task[bool] | None = None
        self._probed_at = float("-inf")
        self._turn = asyncio.Lock()
        self._held = False

    async def run(self, share: float) -> None:
        """Probe until cancelled. The first probe is immediate, the second follows after a `share` of the
        interval, so that the probes of all providers are spread out."""
        await run_together(self._poll(share), self._follow())

    def hurry(self) -> None:
        """Probe as soon as the last probe is a second old."""
        self._hurry.set()

    async def refresh(self) -> None:
        """Probe now, or join a running probe; do nothing if one has just ended, or none may begin."""
        if self._held:
            return
        if self._probe is not None or time.monotonic() - self._probed_at >= self._spacing():
            await self._join()

    async def probe(self) -> None:
        """Run a new probe, because the result of a running one may be out of date."""
        if self._probe is not None:
            await self._join()
        await self._join()

    @contextlib.asynccontextmanager
    async def between_probes(self) -> AsyncIterator[None]:
        """Prevent probes within the block: wait for a running one, and delay the next."""
        async with self._turn:
            self._held = True
            try:
                yield
            finally:
                self._held = False

    async def listens(self) -> bool:
        """Return whether the provider accepts a connection."""
        return await transport.accepts_connections(self.provider.upstream, self._settings.timeout)

    async def _poll(self, share: float) -> None:
        while True:
            self._hurry.clear()
            await self._join()
            due = time.monotonic() + self._delay() * share
            share = 1.0
            if await self._hurry.wait_until(due):
                await asyncio.sleep(min(due, self._probed_at + self._spacing()) - time.monotonic())

    def _delay(self) -> float:
        return next_probe_delay(
            self._state(),
            interval=self.interval,
            grace=self._settings.grace,
            now=time.monotonic(),
            is_local=self.provider.config.class_ == "local",
        )

    def _spacing(self) -> float:
        """Return the seconds between probes that are not scheduled by the interval."""
        return self._delay() if self._state().churn else PROBE_SPACING

    async def _join(self) -> None:
        """Wait for the running probe, or for a new one; cancelling the caller does not end it."""
        if self._probe is None:
            name = f"probe {self.provider.config.name}"
            self._probe = asyncio.create_task(self._probe_in_turn(), name=name)
            self._probe.add_done_callback(self._ended)
        await asyncio.shield(self._probe)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._probe = None

    async def _probe_in_turn(self) -> None:
        async with self._turn:
            await self._probe_now()

    async def _probe_now(self) -> None:
        """Probe, and publish the resulting state.

        Each request may take `timeout` seconds, and no further one is sent after twice that time: a probe
        ends within three timeouts, and the next one continues from there.
        """
        provider, timeout = self.provider, self._settings.timeout
        before, started = self._state(), time.monotonic()

        async def send(request: ProbeRequest) -> ProbeResponse:
            if time.monotonic() - started >= 2 * timeout:
                return ProbeResponse(0, reason=StatusReason("probe_timeout", seconds=2 * timeout))
            return await transport.send_probe_request(provider, request, timeout)

        try:
            seen, sidecar = await asyncio.gather(
                drive(probe_provider(provider.config.kind, before.observation), send, _take_step),
                self._probe_sidecar(),
            )
        except Exception:
            log.exception("probing provider '%s' failed", provider.config.name)
            return
        finally:
            self._probed_at = time.monotonic()
            self.was_probed.set()
        after = after_probe(
            self._state(),
            seen,
            sidecar=sidecar,
            latency=self._probed_at - started,
            grace=self._settings.grace,
            now=self._probed_at,
            wall=time.time(),
            heard=provider.upstream.heard_at >= started,
        )
        self._publish(after)
        if after.status == "offline" and self._feed is not None:
            self._feed.cancel()

    async def _probe_sidecar(self) -> SidecarState:
        if self.provider.sidecar is None:
            return "unknown"
        up = await transport.is_reachable(self.provider.sidecar, self._settings.timeout)
        return "up" if up else "down"

    async def _follow(self) -> None:
        """Probe as soon as the provider's feed, if it has one, reports that a model changed.

        Polling continues meanwhile, because only polling notices that a provider stopped responding.
        """
        news = asyncio.Event()
        await run_together(self._read_feeds(news), self._probe_when(news))

    async def _read_feeds(self, news: asyncio.Event) -> None:
        await self._join()
        while True:
            state = self._state()
            dialect = KINDS.get(state.kind) if state.status in ("online", "degraded") else None
            feed = None if dialect is None else dialect.feed
            offered = feed is not None and await self._read_feed(feed, news)
            if offered:
                news.set()
            none = feed is not None and not offered
            await asyncio.sleep(FEED_RETRY_SECONDS if none else self._settings.interval)

    async def _read_feed(self, feed: Feed, news: asyncio.Event) -> bool:
        """Follow a feed to its end, or until the provider is offline; False if it has none."""
        self._feed = asyncio.create_task(transport.follow_feed(self.provider, feed, news.set))
        try:
            await asyncio.wait({self._feed})
        finally:
            self._feed.cancel()
        return self._feed.cancelled() or self._feed.result()

    async def _probe_when(self, news: asyncio.Event) -> None:
        """Probe after feed events, with a minimum distance, so that frequent events do not cause constant
        probes."""
        while True:
            await news.wait()
            news.clear()
            if self._probe is not None:
                await self._join()  # that one may have begun before the news
            await self._join()
            await asyncio.sleep(self._delay() if self._state().churn else FEED_SPACING)


async def _take_step(probe: Probe, response: ProbeResponse) -> ProbeRequest | Observation:
    if len(response.body) > LARGE_RESPONSE:
        return await asyncio.to_thread(step, probe, response)
    return step(probe, response)
