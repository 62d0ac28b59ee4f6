"""The JSON Schema of fleet.yaml."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fleet_compiler.assets import SCHEMAS


@cache
def schema() -> dict[str, Any]:
    """Return schema/fleet.schema.json."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / "fleet.schema.json").read_text(encoding="utf-8"))
    return loaded
