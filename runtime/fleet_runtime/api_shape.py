"""The base of every shape: a type that is what is sent, what is parsed and what OpenAPI describes."""

from __future__ import annotations

from msgspec import Struct


class ApiShape(Struct, frozen=True, kw_only=True, gc=False, rename={"class_": "class"}):
    """Immutable, made by keywords only; unknown keys are ignored when one is parsed."""
