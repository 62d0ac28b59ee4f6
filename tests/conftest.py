"""Fixtures that every test may use."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("fleet", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("fleet")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the gateway does."""
    return "asyncio"
