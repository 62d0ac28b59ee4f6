"""Wait in a task, and continue with its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")


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
