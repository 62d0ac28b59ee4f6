"""What a wrong path probably meant: a doubled or missing ``/v1``, a doubled or trailing slash. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fleet_runtime.api.operation import Operation
from fleet_runtime.proxy.endpoints import Routes


def hint(path: str, routes: Routes, operations: Iterable[Operation]) -> str:
    """Return ``; did you mean '/v1/models'?`` for a path that is nearly one, an empty text for any other."""
    for candidate in _candidates(path):
        if candidate != path and _exists(candidate, routes, operations):
            return f"; did you mean '{candidate}'?"
    return ""


def _candidates(path: str) -> Iterator[str]:
    """Yield what `path` may have meant, the least change first."""
    tidy = re.sub(r"/{2,}", "/", path)
    tidy = tidy.rstrip("/") or "/"
    yield tidy
    once = re.sub(r"(/v1)+(?=/)", "/v1", tidy)
    yield once
    without_api = re.sub(r"^/api(?=/v1/)", "", once)
    yield without_api
    for place in (match.start() for match in re.finditer("/", once)):
        yield f"{once[:place]}/v1{once[place:]}"


def _exists(path: str, routes: Routes, operations: Iterable[Operation]) -> bool:
    raw = path.encode("latin-1")
    if routes.proxied(raw) is not None or raw in routes.lists:
        return True
    return any("{" not in operation.path and operation.match(path) is not None for operation in operations)
