"""Limit the memory of request bodies over all clients."""

from __future__ import annotations

import asyncio

from fleet_runtime.errors import RequestError, request_error

RETRY_SECONDS = b"1"


class MemoryBudget:
    """Counts `held` bytes; every byte taken must be given back.

    `very_long` serializes parsing in a process, which needs the same memory again.
    """

    __slots__ = ("held", "very_long")

    def __init__(self) -> None:
        self.held = 0
        self.very_long = asyncio.Semaphore(1)

    def take(self, size: int, limit: int) -> bool:
        """Count `size` more bytes if that stays within `limit`; return whether it does."""
        if self.held + size > limit:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        self.held -= size


def gateway_busy() -> RequestError:
    return request_error(
        "gateway_busy",
        "the request bodies in memory have reached 'gateway.limits.memory'",
        headers=[(b"retry-after", RETRY_SECONDS)],
    )


def body_too_large(limit: int) -> RequestError:
    return request_error("body_too_large", f"the body is larger than the limit of {limit} bytes")
