"""Every test of the client runs on asyncio's own loop and on uvloop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fleet_runtime.upstream import Upstream

Client = Callable[..., Upstream]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Makes Upstreams that are closed when the test is over."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: Any) -> Upstream:
            upstream = Upstream(url, **options)
            stack.push_async_callback(upstream.close)
            return upstream

        yield make
