"""Tasks that belong together end together, and leave nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from fleet_runtime.tasks import run_together
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio


async def test_the_failure_of_one_ends_the_others_and_is_raised() -> None:
    ended = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await run_together(wait(), fail())
    assert ended.is_set()


async def test_what_cancelled_tasks_referred_to_is_gone_without_a_garbage_collection() -> None:
    class Holder:
        async def run(self) -> None:
            await run_together(self.wait(), self.wait())

        async def wait(self) -> None:
            await asyncio.Event().wait()

    holder = Holder()
    gone, task = weakref.ref(holder), asyncio.create_task(holder.run())
    await turn()
    del holder
    gc.disable()
    try:
        task.cancel()
        await asyncio.wait({task})
        del task
        assert gone() is None
    finally:
        gc.enable()
