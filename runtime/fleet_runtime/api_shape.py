"""The base of the API's shapes: one type that is sent, parsed and described by OpenAPI."""

from __future__ import annotations

from msgspec import Struct


class ApiShape(Struct, frozen=True, kw_only=True, gc=False, rename={"class_": "class"}):
    """Immutable, with keyword arguments only; parsing ignores unknown keys."""
