"""The states of an exchange; docs/architecture.md has the table of states and events."""

from __future__ import annotations

from enum import Enum


class ExchangeState(Enum):
    """The state of an exchange, from the request's headers to the end of the response; see `Exchange`."""

    RECEIVING = "receiving"
    """The request's body is coming."""
    PREPARING = "preparing"
    """A very long body is parsed in a thread."""
    RESOLVING = "resolving"
    """A fresh probe may find the model."""
    WAKING = "waking"
    """The provider is being woken."""
    QUEUED = "queued"
    """The provider is at its concurrency limit."""
    CONNECTING = "connecting"
    SENT = "sent"
    """No response yet."""
    HEAD_HELD = "head_held"
    """The response headers have arrived, its first bytes have not."""
    RELAYING = "relaying"
    DONE = "done"
