"""Wake a provider: one attempt at a time, which all waiting requests share.

An attempt sends the signal, and tries to connect four times per second. Connections to a computer that is off
take seconds to fail, so they overlap, and no probe runs meanwhile. Then the provider is probed until it
responds or the timeout expires. After a failure the next attempt is delayed, longer each time, unless a
person starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Protocol

from fleet_runtime.artifacts.provider_access import Wake
from fleet_runtime.dialects.status_reason import StatusReason, reason_text
from fleet_runtime.errors import RequestError, request_error
from fleet_runtime.providers.health import ProviderState, begin_wake, end_wake
from fleet_runtime.providers.wake_signal import SignalError, send_signal
from fleet_runtime.tasks import end_tasks

TRY_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 30.0
LONGEST_PAUSE: Final = 600.0
"""Seconds between two connections to a waking provider, and until the next attempt after a failed one."""

WakeResult = Literal["responded", "failed"]

log = logging.getLogger("fleet.inventory")


class Prober(Protocol):
    """Probes the provider and prevents probes; see `Poller`."""

    async def probe(self) -> None: ...

    async def listens(self) -> bool: ...

    def between_probes(self) -> contextlib.AbstractAsyncContextManager[None]: ...


class Waker:
    """Wakes a provider; `results` counts the finished attempts."""

    def __init__(self, name: str, config: Wake, root: Path) -> None:
        self.config = config
        self.results: Counter[WakeResult] = Counter()
        self._name = name
        self._root = root
        self._prober: Prober
        self._read_state: Callable[[], ProviderState]
        self._publish: Callable[[ProviderState], None]
        self._attempt: asyncio.Task[None] | None = None
        self._failures = 0
        self._failed_at = float("-inf")
        self._outcome = StatusReason("wake_failed")

    def attach(
        self,
        prober: Prober,
        read_state: Callable[[], ProviderState],
        publish: Callable[[ProviderState], None],
    ) -> None:
        """Use another inventory from now on, because a reload creates a new one."""
        self._prober, self._read_state, self._publish = prober, read_state, publish

    async def wake(self, *, insist: bool = False) -> None:
        """Return once the provider responds; raises `RequestError` (`provider_unreachable`) with the outcome.

        Cancelling the caller does not end the attempt. `insist` starts one even soon after a failure.
        """
        if self._attempt is None:
            left = self._failed_at + self._pause() - time.monotonic()
            if left > 0 and not insist:
                raise self._error(f"; the next attempt is possible in {left:.0f} s")
            self._attempt = asyncio.create_task(self._run(), name=f"wake {self._name}")
            self._attempt.add_done_callback(self._ended)
        with contextlib.suppress(SignalError, TimeoutError):
            await asyncio.shield(self._attempt)
            return
        raise self._error()

    async def close(self) -> None:
        """End a running attempt completely."""
        if self._attempt is not None:
            await end_tasks([self._attempt])

    def _pause(self) -> float:
        return min(PAUSE_SECONDS * 2.0 ** (self._failures - 1), LONGEST_PAUSE) if self._failures else 0.0

    def _error(self, more: str = "") -> RequestError:
        message = f"provider '{self._name}' does not respond: {reason_text(self._outcome)}{more}"
        return request_error("provider_unreachable", message)

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        self._attempt = None
        if not attempt.cancelled():
            attempt.exception()

    async def _run(self) -> None:
        log.info("waking provider '%s'", self._name)
        self._publish(begin_wake(self._read_state(), time.time()))
        signalling = asyncio.create_task(send_signal(self.config, self._name, self._root))
        outcome: StatusReason | None = None
        try:
            async with asyncio.timeout(self.config.timeout):
                await self._until_it_responds(signalling)
            self._failures = 0
            self.results["responded"] += 1
        except (SignalError, TimeoutError) as error:
            timed_out = isinstance(error, TimeoutError)
            outcome = self._outcome = (
                StatusReason("wake_failed", seconds=self.config.timeout)
                if timed_out
                else StatusReason("wake_impossible", detail=str(error))
            )
            self._failures += 1
            self._failed_at = time.monotonic()
            self.results["failed"] += 1
            log.warning("waking provider '%s' failed: %s", self._name, reason_text(outcome))
            raise
        finally:
            await end_tasks([signalling])
            self._publish(end_wake(self._read_state(), outcome, time.time()))

    async def _until_it_responds(self, signalling: asyncio.Task[None]) -> None:
        """Probe until the provider responds, or the signal fails."""
        while True:
            async with self._prober.between_probes():
                await self._until_it_listens(signalling)
            await self._prober.probe()
            if not self._read_state().missed:
                return
            await asyncio.sleep(TRY_SECONDS)

    async def _until_it_listens(self, signalling: asyncio.Task[None]) -> None:
        listens, attempts = asyncio.Event(), set[asyncio.Task[None]]()

        async def attempt() -> None:
            if await self._prober.listens():
                listens.set()

        try:
            while not listens.is_set():
                task = asyncio.create_task(attempt())
                attempts.add(task)
                task.add_done_callback(attempts.discard)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TRY_SECONDS):
                        await listens.wait()
                if signalling.done():
                    signalling.result()
        finally:
            for task in attempts:
                task.cancel()
