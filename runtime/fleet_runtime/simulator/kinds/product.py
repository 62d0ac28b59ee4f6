"""The interface of a simulated kind of server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleet_runtime.simulator.engine import ActiveRequest, Engine
from fleet_runtime.simulator.reply import HeaderStyle, Reply


@dataclass(frozen=True, slots=True)
class Product:
    """`resident`: its models are always loaded; else `capacity` of them fit at once.

    `list_paths` are where its models are listed, `open_paths` those that need no key. `error` makes a
    response of its shape from a status and a message, `headers` are the names that may carry the key.
    """

    headers: HeaderStyle
    respond: Callable[[Engine, ActiveRequest], Awaitable[Reply]]
    error: Callable[[int, str], Reply]
    unauthorized: Callable[[], Reply]
    list_paths: frozenset[str]
    open_paths: frozenset[str] = frozenset()
    key_headers: tuple[str, ...] = ("authorization",)
    resident: bool = False
    capacity: int = 1
