"""What one kind of server is to the simulator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleet_runtime.simulator.engine import Engine, Visit
from fleet_runtime.simulator.reply import Dress, Reply


@dataclass(frozen=True, slots=True)
class Product:
    """`resident`: its models are always loaded; else `capacity` of them fit at once.

    `list_paths` are where its models are listed, `open_paths` those that need no key. `error` makes an
    answer of its own shape from a status and a message, `headers` are the names that may carry the key.
    """

    dress: Dress
    answer: Callable[[Engine, Visit], Awaitable[Reply]]
    error: Callable[[int, str], Reply]
    unauthorized: Callable[[], Reply]
    list_paths: frozenset[str]
    open_paths: frozenset[str] = frozenset()
    key_headers: tuple[str, ...] = ("authorization",)
    resident: bool = False
    capacity: int = 1
