"""Fixtures that every test may use."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

settings.register_profile("fleet", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("fleet")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job, and inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the gateway does."""
    return "asyncio"
