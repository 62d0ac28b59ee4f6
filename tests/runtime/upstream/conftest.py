"""Every test of the client runs on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream import Upstream
from tests.support.waiting import turn

Client = Callable[..., Upstream]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Makes Upstreams, with short limits unless told otherwise, that are closed when the test is over."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: Any) -> Upstream:
            upstream = Upstream(url, **{"timeouts": Timeouts(connect=5, first_byte=5, idle=5), **options})
            stack.push_async_callback(upstream.close)
            return upstream

        yield make


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns once `condition` holds; TimeoutError after 5 s."""
    async with asyncio.timeout(5):
        while not condition():
            await turn()


async def until_state(upstream: Upstream, state: str) -> None:
    """Returns once `upstream` says that it is in `state`."""
    await eventually(lambda: state in repr(upstream))
