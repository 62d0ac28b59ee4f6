"""The gateway's own keys: who may come in, and to what."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from fleet_runtime.artifacts.contract import KeyReference
from fleet_runtime.dialects.credentials import find_key
from fleet_runtime.errors import request_error

OPEN_PATHS = frozenset(("/health", "/ready"))

_CHALLENGE = ((b"www-authenticate", b"Bearer"),)


@dataclass(frozen=True, slots=True)
class KeyScope:
    """What one key opens: everything, or the paths of some surfaces and reads of ``/api`` for them."""

    name: str
    surfaces: frozenset[str] | None

    def opens(self, method: str, path: str, surface: str | None) -> bool:
        """Whether a request may pass; `surface` is the query's."""
        if self.surfaces is None:
            return True
        first, _, rest = path.removeprefix("/").partition("/")
        if first == "api":
            return method in ("GET", "HEAD") and surface in self.surfaces
        return bool(rest) and first in self.surfaces


class ApiKeys:
    """The keys of one snapshot, kept as digests; without any, everybody may come in."""

    def __init__(self, keys: Iterable[tuple[KeyScope, str]]) -> None:
        self._scopes = [(scope, _digest(key.encode())) for scope, key in keys]

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKeys) and self._scopes == other._scopes

    def __hash__(self) -> int:
        return hash(tuple(self._scopes))

    def check(self, presented: bytes | None, method: str, path: str, surface: str | None) -> None:
        """Let a request pass or raise `Refused` (`unauthorized`, `surface_not_allowed`), which says nothing
        of what lies behind. Every key is compared whole, so that the time taken tells nothing."""
        if not self._scopes or path in OPEN_PATHS:
            return
        digest = _digest(presented or b"")
        matching = [scope for scope, known in self._scopes if hmac.compare_digest(known, digest)]
        if presented is None or not matching:
            message = "a key of this gateway is needed: 'Authorization: Bearer …' or 'x-api-key'"
            raise request_error("unauthorized", message, headers=_CHALLENGE)
        for scope in matching:
            if scope.opens(method, path, surface):
                return
        raise request_error("surface_not_allowed", f"this key does not open {method} {path}")


def read_keys(
    references: Mapping[str, KeyReference], environ: Mapping[str, str], read: Callable[[str], str]
) -> ApiKeys:
    """All keys, found as `find_key` finds one; raises `KeyUnset` where one cannot be had."""
    keys = []
    for name, reference in references.items():
        key = find_key(reference.env, reference.file, environ, read)
        assert key is not None, "the schema asks for env or file"
        surfaces = None if reference.surfaces is None else frozenset(reference.surfaces)
        keys.append((KeyScope(name, surfaces), key))
    return ApiKeys(keys)


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()
