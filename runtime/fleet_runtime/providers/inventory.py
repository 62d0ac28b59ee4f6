"""The live state of every machine: one poller each, and every read answered from what was last seen."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleet_runtime.artifacts.contract import ModelState, ProviderKind, ProviderStatus, RoutedProvider
from fleet_runtime.artifacts.polling import poll_interval
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.dialects.feed import Feed
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.observation import Observation, Probe, drive, step
from fleet_runtime.dialects.probe import probe_provider
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.dialects.status_reason import StatusReason, reason_text
from fleet_runtime.event_log import EventLog
from fleet_runtime.events import ModelsChange, ProviderChange, StateChange
from fleet_runtime.providers import probe
from fleet_runtime.providers.health import ProviderState, after_probe, mark_suspect, next_probe_delay
from fleet_runtime.providers.model_list import ModelList, merge_model_list
from fleet_runtime.providers.provider import Provider
from fleet_runtime.routing.resolver import ProviderView

PROBE_SPACING = 1.0
FEED_RETRY_SECONDS = 300.0
FEED_SPACING = 0.25
LARGE_RESPONSE = 64_000
MAX_NAMED = 50

log = logging.getLogger("fleet.inventory")


@dataclass(slots=True)
class Inventory:
    """States, listings and router views of the machines of one snapshot, each replaced whole on a change.

    `version` counts the changes. `disabled` names the machines that may not be asked, with the reason.
    """

    snapshot: Snapshot
    providers: Mapping[str, Provider]
    disabled: Mapping[str, StatusReason]
    events: EventLog
    version: int = 0
    states: dict[str, ProviderState] = field(default_factory=dict)
    listings: dict[str, ModelList] = field(default_factory=dict)
    view: dict[str, ProviderView] = field(default_factory=dict)
    _locked: dict[str, RoutedProvider] = field(default_factory=dict)
    _probes: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _feeds: dict[str, asyncio.Task[bool]] = field(default_factory=dict)
    _suspect_probes: set[asyncio.Task[None]] = field(default_factory=set)
    _probed_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = time.time()
        self._locked = {provider.name: provider for provider in self.snapshot.fleet.providers}
        for name, connection in self.snapshot.connections.items():
            reason = self.disabled.get(name)
            status: ProviderStatus = "unknown" if reason is None else "disabled"
            self.publish(name, ProviderState(status, now, reason, connection.kind))

    def take_over(self, previous: Inventory) -> None:
        """Go on with what `previous` knows of the machines that are the same here."""
        for name, machine in self.providers.items():
            same = previous.providers.get(name) is machine
            if same and (name in self.disabled) == (name in previous.disabled):
                self.publish(name, previous.states[name])

    async def run(self) -> None:
        """Look at every machine that may be asked, at its own pace, until cancelled."""
        async with asyncio.TaskGroup() as pollers:
            for place, name in enumerate(self.providers, start=1):
                if self.interval(name) is not None:
                    share = place / len(self.providers)
                    pollers.create_task(self._poll(name, share), name=f"poll {name}")
                    pollers.create_task(self._follow(name), name=f"follow {name}")

    def interval(self, name: str) -> float | None:
        """Seconds between looks at `name`; None for a machine that is never asked."""
        if name in self.disabled:
            return None
        return poll_interval(self.snapshot.connections[name], self.snapshot.gateway.inventory.interval)

    async def probe(self, name: str) -> None:
        """One fresh look, unless the last one is less than a second old or the machine is never asked."""
        if self.interval(name) is None:
            return
        running = self._probes.get(name)
        recent = time.monotonic() - self._probed_at.get(name, float("-inf")) < PROBE_SPACING
        if running is not None or not recent:
            await self._probe(name)

    def mark_suspect(self, name: str, reason: StatusReason) -> None:
        """A request could not reach the machine: roles pass it over at once, and a look finds out."""
        if self.interval(name) is None:
            return
        self.publish(name, mark_suspect(self.states[name], reason))
        task = asyncio.create_task(self.probe(name), name=f"look at doubtful {name}")
        self._suspect_probes.add(task)
        task.add_done_callback(self._suspect_probes.discard)

    async def _poll(self, name: str, share: float) -> None:
        """All first looks are taken at once; the second comes after a `share` of the pause, so that from then
        on the machines' looks lie apart."""
        interval = self.interval(name)
        assert interval is not None
        while True:
            await self._probe(name)
            grace = self.snapshot.gateway.inventory.grace
            pause = next_probe_delay(self.states[name], interval=interval, grace=grace, now=time.monotonic())
            await asyncio.sleep(pause * share)
            share = 1.0

    async def _follow(self, name: str) -> None:
        """Look as soon as the machine itself says that a model changed, where it does say so.

        The looks at its own pace go on beside it: only they notice that a machine has fallen asleep.
        """
        stale = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_when(stale, name), name=f"look again at {name}")
            await self._probe(name)
            while True:
                state = self.states[name]
                feed = _feed(state.kind) if state.status in ("online", "degraded") else None
                offered = feed is not None and await self._read_feed(name, feed, stale)
                if offered:
                    stale.set()
                interval = self.snapshot.gateway.inventory.interval
                await asyncio.sleep(FEED_RETRY_SECONDS if feed is not None and not offered else interval)

    async def _read_feed(self, name: str, feed: Feed, stale: asyncio.Event) -> bool:
        """Follow a feed to its end, or until the machine is offline; False where there is none."""
        machine = self.providers[name]
        reading = asyncio.create_task(
            probe.follow_feed(machine.upstream, machine.config, machine.key, feed, stale.set)
        )
        self._feeds[name] = reading
        try:
            await asyncio.wait({reading})
        finally:
            reading.cancel()
            del self._feeds[name]
        return reading.cancelled() or reading.result()

    async def _probe_when(self, stale: asyncio.Event, name: str) -> None:
        """Looks for the sake of news lie apart, so that a machine full of news is not asked without pause."""
        while True:
            await stale.wait()
            stale.clear()
            if name in self._probes:
                await self._probe(name)  # that one may have begun before the news
            await self._probe(name)
            await asyncio.sleep(FEED_SPACING)

    async def _probe(self, name: str) -> None:
        """Join the look that is under way, or start one; a caller that goes away does not end it."""
        task = self._probes.get(name)
        if task is None:
            task = asyncio.create_task(self._probe_now(name), name=f"look {name}")
            self._probes[name] = task
            task.add_done_callback(lambda _: self._probes.pop(name, None))
        await asyncio.shield(task)

    async def _probe_now(self, name: str) -> None:
        machine = self.providers[name]
        settings = self.snapshot.gateway.inventory
        before = self.states[name]

        async def get(ask: ProbeRequest) -> ProbeResponse:
            return await probe.send_probe_request(
                machine.upstream, machine.config, machine.key, ask, settings.timeout
            )

        started = time.monotonic()
        try:
            seen, sidecar = await asyncio.gather(
                drive(probe_provider(machine.config.kind, before.observation), get, _read),
                self._sidecar(machine, settings.timeout),
            )
        except Exception:
            log.exception("looking at provider '%s' failed", name)
            return
        finally:
            self._probed_at[name] = time.monotonic()
        ended = self._probed_at[name]
        after = after_probe(
            before,
            seen,
            sidecar=sidecar,
            latency=ended - started,
            grace=settings.grace,
            now=ended,
            wall=time.time(),
        )
        self.publish(name, after)

    async def _sidecar(self, machine: Provider, timeout: float) -> Literal["unknown", "up", "down"]:
        if machine.sidecar is None:
            return "unknown"
        return "up" if await probe.is_reachable(machine.sidecar, timeout) else "down"

    def publish(self, name: str, state: ProviderState) -> None:
        """Take over a provider's new state, and announce what changed."""
        before = self.states.get(name)
        self.states[name] = state
        if before is not None and _visible(before) == _visible(state):
            return
        listing = merge_model_list(self.snapshot.connections[name], self._locked[name], state)
        listed = self.listings.get(name)
        self.listings[name] = listing
        self.view[name] = listing.view
        self.version += 1
        if before is not None:
            self._tell(name, before, state)
            states = _changed_states(before, state)
            few = len(states) <= MAX_NAMED
            for model, now in states.items() if few else ():
                self.events.publish(StateChange(id=f"{name}/{model}", state=now))
            if listed is not None and (listed.models != listing.models or not few):
                self.events.publish(_difference(name, listed, listing))

    def _tell(self, name: str, before: ProviderState, state: ProviderState) -> None:
        code = state.reason.code if state.reason is not None else None
        text = reason_text(state.reason) if state.reason is not None else None
        if before.status != state.status or code != (before.reason.code if before.reason else None):
            change = ProviderChange(
                provider=name, status=state.status, was=before.status, reason=text, reason_code=code
            )
            self.events.publish(change)
        if before.status != state.status:
            log.info("provider '%s' is %s%s", name, state.status, f": {text}" if text else "")
        if state.status == "offline" and name in self._feeds:
            self._feeds[name].cancel()


def _feed(kind: ProviderKind) -> Feed | None:
    dialect = KINDS.get(kind)
    return None if dialect is None else dialect.feed


async def _read(probe: Probe, answer: ProbeResponse) -> ProbeRequest | Observation:
    """Long answers are read in a thread, so that requests need not wait for that."""
    if len(answer.body) > LARGE_RESPONSE:
        return await asyncio.to_thread(step, probe, answer)
    return step(probe, answer)


def _changed_states(before: ProviderState, after: ProviderState) -> dict[str, ModelState]:
    """What became of each model whose state is another now."""
    models = dict.fromkeys((*before.states, *after.states))
    now: dict[str, ModelState] = {model: after.states.get(model, "unknown") for model in models}
    return {model: state for model, state in now.items() if state != before.states.get(model, "unknown")}


def _difference(name: str, before: ModelList, after: ModelList) -> ModelsChange:
    appeared = tuple(id for id in after.models if id not in before.models)
    vanished = tuple(id for id in before.models if id not in after.models)
    return ModelsChange(
        provider=name,
        listed=len(after.models),
        appeared=appeared[:MAX_NAMED],
        appeared_count=len(appeared),
        vanished=vanished[:MAX_NAMED],
        vanished_count=len(vanished),
    )


def _visible(state: ProviderState) -> tuple[object, ...]:
    return (
        state.status,
        state.since,
        state.reason,
        state.kind,
        state.models,
        state.good_at is None,
        state.failures == 0,
        state.states,
        state.sidecar,
        state.warnings,
    )
