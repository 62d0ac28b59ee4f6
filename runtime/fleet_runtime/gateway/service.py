"""Hold the live snapshot: load a new one completely, then swap it or reject it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from weakref import WeakSet

from fleet_runtime.artifacts.contract import GatewayConfig, ProviderStatus
from fleet_runtime.artifacts.snapshot import ArtifactError, Snapshot, load_snapshot
from fleet_runtime.catalog.favorites import FavoritesChange
from fleet_runtime.dialects.credentials import MissingKeyError
from fleet_runtime.dialects.status_reason import reason_remedy
from fleet_runtime.edge.listen_address import CannotServeError, require_keys_beyond_loopback
from fleet_runtime.event_log import EventLog
from fleet_runtime.events import FavoritesVersion, SnapshotChange
from fleet_runtime.gateway.folder_watch import watch_folder
from fleet_runtime.gateway.live_snapshot import LiveSnapshot, build_live_snapshot
from fleet_runtime.gateway.open_store import make_store
from fleet_runtime.gateway.second_cache import SecondCache
from fleet_runtime.providers.provider import Provider
from fleet_runtime.store.store import Store, StoreUnavailableError, keep_history
from fleet_runtime.tasks import end_tasks
from fleet_runtime.telemetry.activity import Activity
from fleet_runtime.telemetry.activity_keeper import ActivityKeeper
from fleet_runtime.telemetry.finished_requests import FinishedRequests
from fleet_runtime.telemetry.key_uses import KeyUses
from fleet_runtime.telemetry.metrics import Metrics
from fleet_runtime.telemetry.series import Gauges, SeriesBook, keep_time
from fleet_runtime.telemetry.series_keeper import SeriesKeeper
from fleet_runtime.text import count, escape
from fleet_runtime.turns import in_turns

REFUSALS = (ArtifactError, CannotServeError, MissingKeyError)
NEEDS_RESTART = ("listen", "state")
FREEZE_SECONDS = 0.5

log = logging.getLogger("fleet.service")


@dataclass(slots=True)
class Service:
    """The gateway's only mutable reference.

    A request reads `live` once and uses it to its end. `refused` is why the folder's current content is not
    served, None if it is. `providers` are those that may still have requests: of the live snapshot and of
    previous ones. `is_stopping` makes ``/ready`` return 503 before the gateway stops listening.
    """

    folder: Path
    environ: Mapping[str, str]
    listen: str | None
    live: LiveSnapshot
    started_with: GatewayConfig
    events: EventLog
    store: Store
    log_lines_dropped: Callable[[], int] = lambda: 0
    is_stopping: bool = False
    refused: str | None = None
    refused_remedy: str | None = None
    started_at: float = field(default_factory=time.time)
    large_responses: SecondCache = field(default_factory=SecondCache)
    serving_since: float = field(default_factory=time.time)
    providers: WeakSet[Provider] = field(default_factory=WeakSet)
    finished: FinishedRequests = field(default_factory=FinishedRequests)
    metrics: Metrics = field(init=False)
    activity: Activity = field(init=False)
    series: SeriesBook = field(init=False)
    key_uses: KeyUses = field(init=False)
    _inventories: set[asyncio.Task[None]] = field(default_factory=set)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.providers.update(self.live.providers.values())
        self.metrics = Metrics(self)
        self.live.old_names.follow(self.live.snapshot.fleet)
        self.activity = Activity(self.events)
        self.series = SeriesBook()
        self.activity.observers += (self.series.count, self.metrics.count_tokens)
        self.activity.collect = self.finished.flush
        self.key_uses = KeyUses(lambda: self.live.gateway.keys)
        self.finished.sinks += (self.metrics.add, self.activity.add, self.key_uses.add)
        self.finished.on_pause = self.activity.announce

    @classmethod
    def load(
        cls,
        folder: Path,
        environ: Mapping[str, str],
        listen: str | None = None,
        log_lines_dropped: Callable[[], int] = lambda: 0,
    ) -> Service:
        """Return the service with the folder's snapshot; raise one of `REFUSALS` if it cannot be served.

        `listen` (``HOST:PORT``) overrides that of gateway.json, in every snapshot.
        """
        events = EventLog()
        snapshot = load_snapshot(folder)
        store = make_store(
            snapshot, listen, environ, lambda version: events.publish(FavoritesVersion(version=version))
        )
        live = _start(snapshot, listen, environ, events, store)
        store.open()
        return cls(folder, environ, listen, live, live.gateway, events, store, log_lines_dropped)

    @property
    def statuses(self) -> Mapping[str, ProviderStatus]:
        """Return the status of each provider of the live snapshot."""
        states = self.live.inventory.states
        return {name: states[name].status for name in self.live.providers}

    @property
    def is_store_up(self) -> bool:
        return self.store.status.up

    @property
    def needs_restart(self) -> tuple[str, ...]:
        """Return the changed settings of ``gateway:`` that take effect only in a new process."""
        now = self.live.gateway
        return tuple(key for key in NEEDS_RESTART if getattr(now, key) != getattr(self.started_with, key))

    async def run(self) -> None:
        """Poll the providers, record their history and watch the folder, until cancelled."""
        history = asyncio.create_task(keep_history(self.store, self.events.follow(), time.time))
        keepers = [
            asyncio.create_task(keeper)
            for keeper in (
                ActivityKeeper(self.activity, self.store).run(),
                SeriesKeeper(self.series, self.store, lambda: self.live.snapshot.fleet.names).run(),
                keep_time(self.series, self._gauges),
            )
        ]
        watching = asyncio.create_task(self.store.watch())
        keeping = [
            asyncio.create_task(each.keep(self.store)) for each in (self.live.old_names, self.key_uses)
        ]
        self._poll(self.live)
        self._rename_favorites(self.live.snapshot.fleet.names)
        self._warn_of_captures()
        try:
            await watch_folder(self.folder, lambda: self.refused is not None, self.reload)
        finally:
            await end_tasks(list(self._inventories))
            history.cancel()
            await end_tasks(keepers)
            watching.cancel()
            for task in keeping:
                task.cancel()
            self.finished.flush()
            await self.live.old_names.save(self.store)
            await self.key_uses.save(self.store)
            await self.live.close()
            await self.store.close()

    def _gauges(self) -> Iterator[Gauges]:
        for name, provider in self.live.providers.items():
            state = self.live.inventory.states[name]
            latency = None if state.missed else state.latency
            in_flight = sum(provider.in_flight.values())
            yield Gauges(name, state.status, in_flight, provider.waiting, latency)

    async def reload(self) -> str | None:
        """Read the folder and the key files again; return why the content is rejected, None if it is live.

        Reloads run one at a time: files written before the call are live after it.
        """
        async with self._reloading:
            return await self._reload()

    async def _reload(self) -> str | None:
        try:
            snapshot = await asyncio.to_thread(load_snapshot, self.folder)
            new = _start(snapshot, self.listen, self.environ, self.events, self.store, self.live)
        except REFUSALS as error:
            reason = escape(str(error))
            if self.refused != reason:
                log.error("rejected the new configuration; still serving the previous one: %s", reason)
            self.refused, self.refused_remedy = reason, _remedy(error)
            self.metrics.reloaded("refused")
            return self.refused
        if self.refused is not None:
            log.info("the generated folder can be served again")
        self.refused = self.refused_remedy = None
        self.metrics.reloaded("unchanged" if new is self.live else "loaded")
        if new is not self.live:
            self._swap(new)
        return None

    def _swap(self, new: LiveSnapshot) -> None:
        old, retired = self.live, set(self._inventories)
        if old.captures is not None and old.captures is not new.captures:
            old.captures.close()
        self.live, self.serving_since = new, time.time()
        new.old_names.follow(new.snapshot.fleet)
        self.providers.update(new.providers.values())
        for key in self.needs_restart:
            log.warning("the changed 'gateway.%s' takes effect after a restart", key)
        self._poll(new)
        for task in retired:
            task.cancel()
        names = new.snapshot.names_after(old.snapshot)
        self._rename_favorites(names)
        self.series.rename_providers(names, time.time())
        self._keep(self._closing, asyncio.create_task(old.close(keep=new)))
        self.events.publish(SnapshotChange(snapshot=new.snapshot.id))
        log.info("now serving snapshot %s", new.snapshot.id)
        self._warn_of_captures()

    def _warn_of_captures(self) -> None:
        """Log a warning while captures are on."""
        if (captures := self.live.captures) is not None:
            settings = captures.settings
            log.warning(
                "captures are on: the last %s, prompts included, are in memory, up to %d bytes of each body",
                count(settings.keep, "request"),
                settings.body,
            )

    def _poll(self, live: LiveSnapshot) -> None:
        self._keep(self._inventories, asyncio.create_task(live.inventory.run(), name="inventory"))

        async def prepare_lists() -> None:
            """Make the lists that clients read first, now and once all providers were probed. What providers
            list stays for long: no later collection of garbage goes through it."""
            await in_turns(live.lists.prepare())
            freezing = asyncio.create_task(_freeze_repeatedly())
            try:
                await live.inventory.first_round()
                await in_turns(live.lists.prepare())
            finally:
                freezing.cancel()
            gc.freeze()

        self._keep(self._inventories, asyncio.create_task(prepare_lists(), name="prepare lists"))

    def _rename_favorites(self, names: Mapping[str, str]) -> None:
        """Rename the providers of favorites to their current names."""

        async def rename() -> None:
            with contextlib.suppress(StoreUnavailableError):
                await self.store.edit(FavoritesChange(names))

        self._keep(self._closing, asyncio.create_task(rename(), name="rename favorites"))

    @staticmethod
    def _keep(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _freeze_repeatedly() -> None:
    """Exclude what exists from garbage collections, until cancelled: at the start, the second generation
    would get everything that a thousand providers list, and a collection of that blocks for 150 ms."""
    while True:
        gc.freeze()
        await asyncio.sleep(FREEZE_SECONDS)


def _remedy(error: Exception) -> str:
    """Return the remedy for a build that cannot be served."""
    if isinstance(error, MissingKeyError):
        return reason_remedy(error.reason, "")
    return "`fleet build`; the gateway loads the result automatically"


def _start(
    snapshot: Snapshot,
    listen: str | None,
    environ: Mapping[str, str],
    events: EventLog,
    store: Store,
    previous: LiveSnapshot | None = None,
) -> LiveSnapshot:
    """Return `snapshot` ready to serve; raise one of `REFUSALS`.

    Files that are valid separately but not together were not written by the same `fleet build`.
    """
    if listen is not None:
        snapshot = replace(snapshot, gateway=snapshot.gateway.model_copy(update={"listen": listen}))
    try:
        require_keys_beyond_loopback(snapshot.gateway)
        return build_live_snapshot(snapshot, environ, events, previous, lambda: store.favorites)
    except (ValueError, LookupError, AssertionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"the generated files cannot be served ({reason}): run `fleet build`") from None
