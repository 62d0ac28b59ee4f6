"""The base of the API's shapes: one type that is sent, parsed and described by OpenAPI."""

from __future__ import annotations

from msgspec import Struct


class ApiShape(Struct, frozen=True, kw_only=True, gc=False, rename={"class_": "class"}):
    """Immutable, made by keywords only; unknown keys are ignored when one is parsed."""
