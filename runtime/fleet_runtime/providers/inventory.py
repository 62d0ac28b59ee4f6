"""The live state of every provider, updated by one poller each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from fleet_runtime.artifacts.contract import ProviderStatus, RoutedProvider
from fleet_runtime.artifacts.polling import poll_interval
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.dialects.status_reason import StatusReason, reason_text, status_word
from fleet_runtime.errors import request_error
from fleet_runtime.event_log import EventLog
from fleet_runtime.providers.changes import describe_change, is_visible
from fleet_runtime.providers.health import ProviderState, mark_loaded, mark_suspect
from fleet_runtime.providers.model_list import ModelList, merge_model_list
from fleet_runtime.providers.poller import Poller
from fleet_runtime.providers.provider import Provider
from fleet_runtime.routing.resolver import ProviderView
from fleet_runtime.tasks import end_tasks

START_SPACING = 0.003
"""Seconds between the first probes of two providers: a thousand at once would delay all requests."""

log = logging.getLogger("fleet.inventory")


@dataclass(slots=True, eq=False, weakref_slot=True)
class Inventory:
    """States, model lists and resolver views of the providers of one snapshot, each replaced on a change,
    never modified. Nothing in it refers back to it, so it is freed as soon as no request needs its snapshot.

    `version` counts the changes. `disabled` names the providers that no request is sent to, with the reason.
    Reads never wait for a provider.
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
    _pollers: dict[str, Poller] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now, inventory = time.time(), weakref.ref(self)

        def publish(name: str, state: ProviderState) -> None:
            this = inventory()
            if this is not None:
                this.publish(name, state)

        settings = self.snapshot.gateway.inventory
        self._locked = {provider.name: provider for provider in self.snapshot.fleet.providers}
        for name, config in self.snapshot.connections.items():
            reason = self.disabled.get(name)
            status: ProviderStatus = "unknown" if reason is None else "disabled"
            self.publish(name, ProviderState(status, now, reason, config.kind))
        for name, provider in self.providers.items():
            interval = self.interval(name)
            if interval is not None:
                read, write = partial(self.states.__getitem__, name), partial(publish, name)
                poller = self._pollers[name] = Poller(provider, interval, settings, read, write)
                if provider.waker is not None:
                    provider.waker.attach(poller, read, write)

    def take_over(self, previous: Inventory) -> None:
        """Take over the state of unchanged providers from `previous`."""
        for name, provider in self.providers.items():
            same = previous.providers.get(name) is provider
            if same and (name in self.disabled) == (name in previous.disabled):
                self.publish(name, previous.states[name])

    async def run(self) -> None:
        """Poll every provider that is polled, at its own pace, until cancelled."""
        tasks: list[asyncio.Task[None]] = []
        try:
            for place, (name, poller) in enumerate(self._pollers.items(), start=1):
                work = poller.run(place / len(self._pollers))
                tasks.append(asyncio.create_task(work, name=f"poller of {name}"))
                await asyncio.sleep(START_SPACING)
            await asyncio.gather(*tasks)
        finally:
            await end_tasks(tasks)

    async def first_round(self) -> None:
        """Return when every polled provider has been probed once."""
        for poller in self._pollers.values():
            await poller.was_probed.wait()

    def interval(self, name: str) -> float | None:
        """Return the seconds between probes of `name`; None for a provider that is never probed."""
        if name in self.disabled:
            return None
        return poll_interval(self.snapshot.connections[name], self.snapshot.gateway.inventory.interval)

    async def probe(self, name: str, patience: float | None = None) -> None:
        """Probe `name` now, unless it was just probed or is never probed; wait up to `patience` seconds,
        after which the probe continues."""
        if name in self._pollers:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._pollers[name].refresh()

    async def probe_again(self, name: str) -> None:
        """Wait for a probe of `name` that begins from now on; return at once if it is never probed."""
        if name in self._pollers:
            await self._pollers[name].probe()

    def between_probes(self, name: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Return a block within which `name` is not probed."""
        poller = self._pollers.get(name)
        return contextlib.nullcontext() if poller is None else poller.between_probes()

    async def wake(self, name: str, *, insist: bool = False) -> None:
        """Wake `name` and return once it responds; raises `RequestError` with the outcome."""
        waker = self.providers[name].waker
        if waker is None or name not in self._pollers:
            message = f"provider '{name}' cannot be woken: it has no `wake` in fleet.yaml, or is not probed"
            raise request_error("not_supported", message)
        await waker.wake(insist=insist)

    def mark_suspect(self, name: str, reason: StatusReason) -> None:
        """Note that a request could not reach the provider: roles skip it at once, and it is probed."""
        if name in self._pollers:
            self.publish(name, mark_suspect(self.states[name], reason, time.monotonic()))
            self._pollers[name].hurry()

    def mark_loaded(self, name: str, model: str) -> None:
        """Note that a model that was not loaded has responded. A probe follows, because loading it may have
        unloaded another one."""
        before = self.states[name]
        if name in self._pollers and (state := mark_loaded(before, model)) is not before:
            self.publish(name, state)
            self._pollers[name].hurry()

    def publish(self, name: str, state: ProviderState) -> None:
        """Replace the state by `state`; update views, lists and events if it is visible."""
        before = self.states.get(name)
        self.states[name] = state
        if before is not None and not is_visible(before, state):
            return
        listing = merge_model_list(self.snapshot.connections[name], self._locked[name], state)
        listed = self.listings.get(name)
        self.listings[name] = listing
        self.view[name] = listing.view
        self.version += 1
        if before is None or listed is None:
            return
        for change in describe_change(name, before, state, listed.models, listing.models):
            self.events.publish(change)
        if before.status != state.status:
            why = "" if state.reason is None else f": {reason_text(state.reason)}"
            log.info("provider '%s' is %s%s", name, status_word(state.status, state.reason), why)
