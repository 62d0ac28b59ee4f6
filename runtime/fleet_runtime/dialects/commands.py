"""The requests that load or unload a model, per kind of server. Pure: the caller sends them.

Probes never send these requests.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

from fleet_runtime.artifacts.contract import Purpose
from fleet_runtime.dialects.messages import ProbeRequest


@dataclass(frozen=True, slots=True)
class Commands:
    """The requests that load and unload a model by the provider's own id of it. A server may respond before
    it is done: its next probes show the model's state. `forwarded` are listed names that the server forwards
    to another model or server; it does not accept commands for them."""

    load: Callable[[str, Purpose], ProbeRequest]
    unload: Callable[[str], ProbeRequest]
    forwarded: Set[str] = frozenset()
