"""The requests that load or unload a model, per kind of server. Pure: the caller sends them.

Only these requests change anything; probes never send them.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

from fleet_runtime.artifacts.contract import Purpose
from fleet_runtime.dialects.messages import ProbeRequest


@dataclass(frozen=True, slots=True)
class Commands:
    """The requests that load and unload a model by the provider's own id of it. A server may respond
    before it is done: its next probes show the model's state. `forwarded`: listed names that the server
    itself forwards, to one of its models or to another server; it takes no commands for them."""

    load: Callable[[str, Purpose], ProbeRequest]
    unload: Callable[[str], ProbeRequest]
    forwarded: Set[str] = frozenset()
