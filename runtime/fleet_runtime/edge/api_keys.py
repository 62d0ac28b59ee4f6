"""The gateway's API keys: access to everything, or to some surfaces."""

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
_MISSING = "this gateway requires a key: 'Authorization: Bearer …' or 'x-api-key'"
_UNKNOWN = "the request's key is not a key of this gateway"


@dataclass(frozen=True, slots=True)
class KeyScope:
    """What one key opens: everything, or the paths of some surfaces and ``/api`` for them."""

    name: str
    surfaces: frozenset[str] | None

    def require(self, method: str, path: str, surface: str | None) -> None:
        """Raise `RequestError` (`surface_not_allowed`) unless the key opens `surface`."""
        if self.surfaces is not None and surface not in self.surfaces:
            raise request_error("surface_not_allowed", f"this key does not open {method} {path}")


class ApiKeys:
    """The keys of one snapshot, kept as digests; without any, every client has access."""

    def __init__(self, keys: Iterable[tuple[KeyScope, str]]) -> None:
        self._scopes = [(scope, _digest(key.encode())) for scope, key in keys]

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKeys) and self._scopes == other._scopes

    def __hash__(self) -> int:
        return hash(tuple(self._scopes))

    def check(self, presented: bytes | None, method: str, path: str) -> KeyScope | None:
        """Return the scope of the key that a request came with; None if it needs none.

        Raises `RequestError` (`unauthorized`, `surface_not_allowed`), which does not reveal whether the path
        exists. Below ``/api``, each operation checks the surface of its query. Every key is compared in
        constant time.
        """
        if not self._scopes or path in OPEN_PATHS:
            return None
        digest = _digest(presented or b"")
        matching = [scope for scope, known in self._scopes if hmac.compare_digest(known, digest)]
        if presented is None or not matching:
            raise request_error("unauthorized", _MISSING if not presented else _UNKNOWN, headers=_CHALLENGE)
        scope = _merge(matching)
        first, _, rest = path.removeprefix("/").partition("/")
        if first != "api":
            scope.require(method, path, first if rest else None)
        return scope


def _merge(scopes: list[KeyScope]) -> KeyScope:
    """Return the combined scope of several names of one key."""
    surfaces: frozenset[str] = frozenset()
    for scope in scopes:
        if scope.surfaces is None:
            return scope
        surfaces |= scope.surfaces
    return KeyScope(scopes[0].name, surfaces)


def read_keys(
    references: Mapping[str, KeyReference], environ: Mapping[str, str], read: Callable[[str], str]
) -> ApiKeys:
    """Return all keys, read as `find_key` reads one; raises `MissingKeyError` if one is missing."""
    keys = []
    for name, reference in references.items():
        key = find_key(reference.env, reference.file, environ, read)
        assert key is not None, "the schema asks for env or file"
        surfaces = None if reference.surfaces is None else frozenset(reference.surfaces)
        keys.append((KeyScope(name, surfaces), key))
    return ApiKeys(keys)


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()
