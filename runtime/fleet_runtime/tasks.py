"""Run tasks together, without leaving garbage behind.

`asyncio.TaskGroup` (Python 3.11 to 3.13) leaves a reference cycle of a cancelled task's error and its frames,
which keeps everything that they refer to until a garbage collection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any


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
