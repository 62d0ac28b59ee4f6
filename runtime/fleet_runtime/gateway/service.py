"""Which snapshot serves now: loaded whole, swapped in one step, refused without harm."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from weakref import WeakSet

from fleet_runtime.artifacts.contract import GatewayConfig, ProviderStatus
from fleet_runtime.artifacts.snapshot import ArtifactError, Snapshot, load_snapshot
from fleet_runtime.catalog.favorites import FavoritesChange
from fleet_runtime.dialects.credentials import MissingKeyError
from fleet_runtime.edge.listen_address import CannotServeError, require_keys_beyond_loopback
from fleet_runtime.event_log import EventLog
from fleet_runtime.gateway.live_snapshot import LiveSnapshot, build_live_snapshot
from fleet_runtime.providers.provider import Provider
from fleet_runtime.store.store import Store, StoreUnavailableError, keep_history, state_path
from fleet_runtime.telemetry.metrics import Metrics

WATCH_SECONDS = 0.05
RETRY_SECONDS = 5.0
REFUSALS = (ArtifactError, CannotServeError, MissingKeyError)
NEEDS_RESTART = ("listen", "state")

log = logging.getLogger("fleet.service")


@dataclass(slots=True)
class Service:
    """The gateway's one mutable reference. A request takes `live` once and keeps it to its end.

    `refused` says why the folder's present content does not serve, None where it does. `providers` are those
    that may still have requests: of the running snapshot, and of former ones as long as anything holds them.
    """

    folder: Path
    environ: Mapping[str, str]
    listen: str | None
    live: LiveSnapshot
    started_with: GatewayConfig
    events: EventLog
    store: Store
    log_lines_dropped: Callable[[], int] = lambda: 0
    refused: str | None = None
    started_at: float = field(default_factory=time.time)
    providers: WeakSet[Provider] = field(default_factory=WeakSet)
    metrics: Metrics = field(init=False)
    _inventories: set[asyncio.Task[None]] = field(default_factory=set)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.providers.update(self.live.providers.values())
        self.metrics = Metrics(self)

    @classmethod
    def load(
        cls,
        folder: Path,
        environ: Mapping[str, str],
        listen: str | None = None,
        log_lines_dropped: Callable[[], int] = lambda: 0,
    ) -> Service:
        """Return the service on the folder's snapshot; raise one of `REFUSALS` if it cannot serve.

        `listen` (``HOST:PORT``) stands in for what gateway.json says, in every snapshot.
        """
        events = EventLog()
        snapshot = load_snapshot(folder)
        path = state_path(snapshot.gateway.state, snapshot.root, environ)
        store = Store(path, lambda version: events.publish("favorites", {"version": version}))
        running = _start(snapshot, listen, environ, events, store)
        store.open()
        return cls(folder, environ, listen, running, running.gateway, events, store, log_lines_dropped)

    @property
    def statuses(self) -> Mapping[str, ProviderStatus]:
        """The status of each provider of the live snapshot."""
        states = self.live.inventory.states
        return {name: states[name].status for name in self.live.providers}

    @property
    def needs_restart(self) -> tuple[str, ...]:
        """The settings of ``gateway:`` whose change takes effect only in a new process."""
        now = self.live.gateway
        return tuple(key for key in NEEDS_RESTART if getattr(now, key) != getattr(self.started_with, key))

    async def run(self) -> None:
        """Poll the machines, note how they fare and watch the folder, until cancelled."""
        history = asyncio.create_task(keep_history(self.store, self.events.follow(), time.time))
        self._poll(self.live)
        self._rename_favorites()
        try:
            await self._watch()
        finally:
            for task in self._inventories:
                task.cancel()
            await asyncio.gather(*self._inventories, return_exceptions=True)
            history.cancel()
            await self.live.close()
            await self.store.close()

    async def reload(self) -> str | None:
        """Read the folder again, and the key files; the reason where its content is refused.

        One reload at a time: what was written before the call is what serves after it.
        """
        async with self._reloading:
            return await self._reload()

    async def _reload(self) -> str | None:
        try:
            snapshot = await asyncio.to_thread(load_snapshot, self.folder)
            running = _start(snapshot, self.listen, self.environ, self.events, self.store, self.live)
        except REFUSALS as error:
            if self.refused != str(error):
                log.error("the new snapshot is refused, the old one serves on: %s", error)
            self.refused = str(error)
            self.metrics.reloaded("refused")
            return self.refused
        if self.refused is not None:
            log.info("the generated folder is sound again")
        self.refused = None
        self.metrics.reloaded("unchanged" if running is self.live else "loaded")
        if running is not self.live:
            self._swap(running)
        return None

    def _swap(self, new: LiveSnapshot) -> None:
        old, retired = self.live, set(self._inventories)
        self.live = new
        self.providers.update(new.providers.values())
        for key in self.needs_restart:
            log.warning("the change of 'gateway.%s' needs a restart", key)
        self._poll(new)
        for task in retired:
            task.cancel()
        self._rename_favorites()
        self._keep(self._closing, asyncio.create_task(old.close(keep=new)))
        self.events.publish("snapshot", {"snapshot": new.snapshot.id})
        log.info("snapshot %s serves now", new.snapshot.id)

    def _poll(self, running: LiveSnapshot) -> None:
        self._keep(self._inventories, asyncio.create_task(running.inventory.run(), name="inventory"))

    def _rename_favorites(self) -> None:
        """Store the present names of machines, while fleet.yaml still says what they were called."""

        async def rename() -> None:
            with contextlib.suppress(StoreUnavailableError):
                await self.store.edit(FavoritesChange(self.live.snapshot.fleet.names))

        self._keep(self._closing, asyncio.create_task(rename(), name="rename favorites"))

    @staticmethod
    def _keep(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _watch(self) -> None:
        """Reload when the manifest, or where the folder's link leads, changes; a refused folder is tried
        again at any change of it and every few seconds.

        Looking beats inotify here: it sees a swapped symbolic link, a bind mount and a network share alike,
        and costs two calls of the system.
        """
        seen = self._signature()
        waited = 0.0
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            waited += WATCH_SECONDS
            now = self._signature()
            if now != seen or (self.refused is not None and waited >= RETRY_SECONDS):
                seen, waited = now, 0.0
                try:
                    await self.reload()
                except Exception:
                    log.exception("reloading failed; the old snapshot serves on")

    def _signature(self) -> tuple[object, ...]:
        """What changes when the folder does: files by path, inode, size and time, once something is wrong
        with it; the manifest alone while all is well, since a build writes it last."""
        manifest = self.folder / "manifest.json"
        if self.refused is None:
            return (_stamp(manifest),)
        with contextlib.suppress(OSError):
            return tuple(_stamp(file) for file in sorted(self.folder.rglob("*.json")))
        return ()


def _start(
    snapshot: Snapshot,
    listen: str | None,
    environ: Mapping[str, str],
    events: EventLog,
    store: Store,
    previous: LiveSnapshot | None = None,
) -> LiveSnapshot:
    """Everything on `snapshot`, ready to serve; raises one of `REFUSALS`.

    Files that are sound one by one and yet cannot be served together were not written by a build of ours.
    """
    if listen is not None:
        snapshot = replace(snapshot, gateway=snapshot.gateway.model_copy(update={"listen": listen}))
    try:
        require_keys_beyond_loopback(snapshot.gateway)
        return build_live_snapshot(snapshot, environ, events, previous, lambda: store.favorites)
    except (ValueError, LookupError, AssertionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"the generated files cannot be served ({reason}): run `fleet build`") from None


def _stamp(file: Path) -> tuple[object, ...]:
    try:
        found = file.stat()
    except OSError:
        return (str(file), None)
    return (str(file), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
