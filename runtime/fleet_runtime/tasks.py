"""Run tasks together, and hand work over to one, without leaving garbage behind.

`asyncio.TaskGroup` (Python 3.11 to 3.13) leaves a reference cycle of a cancelled task's error and its frames,
which keeps everything that they refer to until a garbage collection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")


async def run_together(*work: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until all have ended or one has failed, whose error is raised; none is left running."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end_tasks(tasks)


async def end_tasks(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and return when all have ended, in whatever way."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def hand_over(
    begin: Callable[[], Awaitable[Result]],
    proceed: Callable[[Result], None],
    failed: Callable[[Exception], None],
) -> asyncio.Task[None]:
    """Await `begin()`, then call `proceed` with the result, or `failed`; neither if the task is cancelled."""

    async def wait() -> None:
        try:
            result = await begin()
        except Exception as error:
            failed(error)
        else:
            proceed(result)

    return asyncio.get_running_loop().create_task(wait())
