"""The loaded models of a server: loading, swapping, unloading when idle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from fleet_runtime.artifacts.contract import ModelState
from fleet_runtime.simulator.changes import Changes
from fleet_runtime.simulator.spec import SimulatedModel

Loading = Callable[[SimulatedModel], Awaitable[None]]


class LoadFailedError(Exception):
    """The model cannot be loaded."""


class Unloaded(LoadFailedError):
    """The model was unloaded while it was still loading."""


class Memory:
    """Holds up to `capacity` models; loading another one waits until an idle model is unloaded.

    `loads` counts started loads, `ttl_resets` the touches of loaded models with a time to live, both by model
    id. `changes` is notified whenever a state changes.
    """

    def __init__(
        self, models: Iterable[SimulatedModel], capacity: int, loading: Loading, changes: Changes
    ) -> None:
        self._models = tuple(models)
        self._capacity = capacity
        self._loading = loading
        self._changes = changes
        self._states: dict[str, ModelState] = {}
        self._busy: Counter[str] = Counter()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._cuts: dict[str, set[Callable[[], None]]] = {}
        self._swap = asyncio.Lock()
        self.loads: Counter[str] = Counter()
        self.ttl_resets: Counter[str] = Counter()

    def start(self) -> None:
        """Load the models that are loaded at the start."""
        for model in self._models:
            if model.loaded:
                self._set(model.id, "loaded")
                self._idle(model)

    def state(self, model_id: str) -> ModelState:
        return self._states.get(model_id, "unloaded")

    @property
    def occupied(self) -> dict[str, ModelState]:
        """The models that are loading or loaded, oldest first."""
        return dict(self._states)

    @asynccontextmanager
    async def use(self, model: SimulatedModel, cut: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Load `model` and keep it loaded; `cut` is called if it is unloaded anyway."""
        await self.load(model)
        self._busy[model.id] += 1
        self._cuts.setdefault(model.id, set()).add(cut)
        try:
            yield
        finally:
            self._busy[model.id] -= 1
            self._cuts[model.id].discard(cut)
            self._idle(model)
            self._changes.notify()

    async def load(self, model: SimulatedModel) -> None:
        """Return once `model` is loaded; raises LoadFailedError."""
        self._touch(model)
        while self.state(model.id) != "loaded":
            task = self.begin(model)
            await asyncio.wait([task])
            if task.cancelled():
                raise Unloaded(model.id)
            task.result()

    def begin(self, model: SimulatedModel) -> asyncio.Task[None]:
        """Load `model` in the background, unless it is already loading."""
        task = self._tasks.get(model.id)
        if task is None:
            task = self._tasks[model.id] = asyncio.get_running_loop().create_task(self._load(model))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def touch(self, model: SimulatedModel) -> None:
        """Restart the time to live of a loaded model after a request."""
        self._touch(model)
        self._idle(model)

    def unload(self, model_id: str) -> None:
        """Unload at once, in use or not."""
        timer = self._timers.pop(model_id, None)
        if timer is not None:
            timer.cancel()
        task = self._tasks.pop(model_id, None)
        if task is not None:
            task.cancel()
        if self._states.pop(model_id, None) is not None:
            self._changes.notify()
        for cut in tuple(self._cuts.get(model_id, ())):
            cut()

    def clear(self) -> None:
        for model_id in tuple(self._states):
            self.unload(model_id)

    async def _load(self, model: SimulatedModel) -> None:
        try:
            async with self._swap:
                await self._make_room()
                self.loads[model.id] += 1
                self._set(model.id, "loading")
                await self._loading(model)
                if not model.loadable:
                    raise LoadFailedError(model.id)
                self._set(model.id, "loaded")
                self._idle(model)
        except (LoadFailedError, asyncio.CancelledError):
            self._states.pop(model.id, None)
            self._changes.notify()
            raise
        finally:
            self._tasks.pop(model.id, None)

    async def _make_room(self) -> None:
        def victim() -> str | None:
            return next((key for key in self._states if not self._busy[key]), None)

        while len(self._states) >= self._capacity:
            await self._changes.until(lambda: victim() is not None)
            evicted = victim()
            if evicted is not None:
                self.unload(evicted)

    def _touch(self, model: SimulatedModel) -> None:
        if model.ttl and self.state(model.id) == "loaded":
            self.ttl_resets[model.id] += 1

    def _idle(self, model: SimulatedModel) -> None:
        timer = self._timers.pop(model.id, None)
        if timer is not None:
            timer.cancel()
        if model.ttl and not self._busy[model.id] and self.state(model.id) == "loaded":
            loop = asyncio.get_running_loop()
            self._timers[model.id] = loop.call_later(model.ttl, self.unload, model.id)

    def _set(self, model_id: str, state: ModelState) -> None:
        self._states[model_id] = state
        self._changes.notify()
