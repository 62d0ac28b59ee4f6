"""Find the valid part of an invalid document, so that one run shows all errors."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from fleet_compiler.config.model import FleetConfig, parse_fleet
from fleet_compiler.config.schema_check import violations
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.finding import YamlPath
from fleet_compiler.diagnostics.text import as_name
from fleet_compiler.document.document import Document
from fleet_runtime.routing.model_id import PROVIDER_NAME

PLACEHOLDER_URL = "http://placeholder.invalid"
PLACEHOLDER_KEY = "placeholder"


def valid_subset(document: Document, faults: Iterable[YamlPath]) -> FleetConfig | None:
    """Return the fleet without the parts at `faults`, None if too little is left.

    An invalid provider keeps its name, or gets the closest valid one, with a dummy address; an invalid key of
    the gateway stays a key. Therefore references to them are not reported as errors.
    """
    if not isinstance(document.data, dict):
        return None
    data = deepcopy(document.data)
    for path in filter(None, faults):
        _take_out(data, path)
    data.setdefault("version", 1)
    providers = data.get("providers")
    if isinstance(providers, dict) and providers:
        data.setdefault("default_provider", next(iter(providers)))
    if any(True for _ in violations(data)):
        return None
    try:
        return parse_fleet(document, data)
    except ConfigError:
        return None


def _take_out(data: dict[str, Any], path: YamlPath) -> None:
    """Replace the part at `path` by something valid, or delete it."""
    match path:
        case ("providers", str(name)) if PROVIDER_NAME.match(name) or PROVIDER_NAME.match(as_name(name)):
            written = _mapping_at(data, path)
            if not PROVIDER_NAME.match(name):
                _delete(data, path)
                path = ("providers", as_name(name))
            _put(data, path, PLACEHOLDER_URL if written is None else {**written, "url": PLACEHOLDER_URL})
        case ("providers", _, "url") | ("gateway", "url"):
            _put(data, path, PLACEHOLDER_URL)
        case ("providers", _, "sidecar" | "wake", *_):
            _delete(data, path[:3])
        case ("gateway", "keys", _, *_):
            _delete(data, path[:3])
            _put(data, ("gateway", "keys", PLACEHOLDER_KEY), {"env": "PLACEHOLDER"})
        case _:
            _delete(data, path)


def _mapping_at(data: Any, path: YamlPath) -> dict[Any, Any] | None:
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else None


def _put(data: Any, path: YamlPath, value: Any) -> None:
    holder = _mapping_at(data, path[:-1])
    if holder is not None:
        holder[path[-1]] = value


def _delete(data: Any, path: YamlPath) -> None:
    """Delete the part at `path`; in a list, whose indices would shift, the complete list."""
    for depth, step in enumerate(path):
        if isinstance(step, int):
            path = path[:depth]
            break
    holder = _mapping_at(data, path[:-1])
    if holder is not None:
        holder.pop(path[-1], None)
