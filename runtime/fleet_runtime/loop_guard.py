"""Detect requests that come back to the gateway that sent them (RFC 8586, ``CDN-Loop``).

Every request to a provider carries the token of this process. A gateway whose providers, or theirs, lead back
to it rejects a request with its own token, and one that has passed through too many gateways. `CDN-Loop` is
made for that: servers ignore it, other proxies must forward it, and unlike `Via` it turns nothing off (nginx
does not compress for a request with `Via`). The token is random and says nothing about the gateway.

Model lists would circle too, and grow by a prefix with each probe: `b/x`, `b/a/b/x`. So a gateway that lists
models to another one says which gateways its list comes from, and leaves out the providers whose own list
comes from this gateway again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from fleet_runtime.dialects.probe import GATEWAYS, MAX_GATEWAYS
from fleet_runtime.errors import RequestError, request_error

HEADER: Final = b"cdn-loop"
MAX_PASSED: Final = 8
"""Gateways of fleet that a request may pass through."""
_PREFIX: Final = b"fleet-"


class Identity:
    """The random `token` of a process, and the header `line` with it for a provider. The client's own lines
    with this name stay next to it."""

    __slots__ = ("line", "token")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.token = _PREFIX + os.urandom(6).hex().encode()
        self.line = b"%b: %b\r\n" % (HEADER, self.token)


OWN: Final = Identity()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=OWN.renew)


def is_from_gateway(value: bytes | None) -> bool:
    """Return whether a gateway of fleet sent a request with this value of `CDN-Loop`."""
    return value is not None and _PREFIX in value


class GatewayView(NamedTuple):
    """`circular`: the providers whose lists come from this gateway. `line`: the header line in which a list
    names the gateways that it comes from, the nearest first."""

    circular: frozenset[str]
    line: bytes


def gateway_view(behind: Mapping[str, Sequence[str]], identity: Identity = OWN) -> GatewayView:
    """Return what follows from the gateways that the lists of the providers come from."""
    own = identity.token.decode()
    nearest = (name for names in behind.values() for name in names[:1])
    seen = dict.fromkeys((own, *nearest, *(name for names in behind.values() for name in names)))
    line = f"{GATEWAYS}: {', '.join(list(seen)[:MAX_GATEWAYS])}\r\n"
    return GatewayView(frozenset(name for name, names in behind.items() if own in names), line.encode())


def refusal(value: bytes, identity: Identity = OWN) -> RequestError | None:
    """Return why a request with this value of `CDN-Loop` is rejected, None if it is not."""
    passed, token = value.count(_PREFIX), identity.token
    if token in value:
        between = passed - value.count(token)
        through = f" through {between} other gateway{'s' if between > 1 else ''}" if between else ""
        return request_error(
            "loop_detected",
            f"this gateway has sent the request itself, and it came back{through}: one of its providers, or "
            "one of theirs, is this gateway; correct the URL of that provider in fleet.yaml",
        )
    if passed > MAX_PASSED:
        return request_error(
            "loop_detected",
            f"the request has passed through {passed} gateways, more than {MAX_PASSED}: the providers of "
            "these gateways probably lead to each other; correct their URLs in fleet.yaml",
        )
    return None
