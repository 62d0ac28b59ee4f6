"""Canonical JSON of a value, and the hash that identifies an artifact."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


def canonical_json(value: Any) -> bytes:
    """Return the same JSON text for equal values: sorted keys, no white space, UTF-8."""
    return msgspec.json.encode(value, order="sorted")


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
