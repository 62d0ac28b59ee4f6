"""What of a document that breaks the schema can still be checked, so that one run shows all errors."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from fleet_compiler.document import Document, Path
from fleet_compiler.errors import ConfigInvalid
from fleet_compiler.model import Fleet, parse_fleet
from fleet_compiler.validate import violations
from fleet_runtime.identity import PROVIDER_NAME

PLACEHOLDER_URL = "http://placeholder.invalid"
PLACEHOLDER_KEY = "placeholder"


def sound_part(document: Document, faults: Iterable[Path]) -> Fleet | None:
    """The fleet without what stands at `faults`, None where too little is left.

    A provider that is broken keeps its name and gets an address that nobody has, a broken key of the
    gateway stays a key, so that what refers to them is no error.
    """
    if not isinstance(document.data, dict):
        return None
    data = deepcopy(document.data)
    for path in faults:
        _take_out(data, path)
    data.setdefault("version", 1)
    providers = data.get("providers")
    if isinstance(providers, dict) and providers:
        data.setdefault("default_provider", next(iter(providers)))
    if any(True for _ in violations(data)):
        return None
    try:
        return parse_fleet(document, data)
    except ConfigInvalid:
        return None


def _take_out(data: dict[str, Any], path: Path) -> None:
    match path:
        case ("providers", str(name)) if PROVIDER_NAME.match(name):
            provider = data["providers"][name]
            data["providers"][name] = (
                {**provider, "url": PLACEHOLDER_URL} if isinstance(provider, dict) else PLACEHOLDER_URL
            )
        case ("providers", str(name), "url"):
            data["providers"][name]["url"] = PLACEHOLDER_URL
        case ("providers", str(name), "sidecar", *_):
            data["providers"][name].pop("sidecar", None)
        case ("gateway", "url"):
            data["gateway"]["url"] = PLACEHOLDER_URL
        case ("gateway", "keys", str(name), *_):
            data["gateway"]["keys"].pop(name, None)
            data["gateway"]["keys"][PLACEHOLDER_KEY] = {"env": "PLACEHOLDER"}
        case _:
            _delete(data, path)


def _delete(data: Any, path: Path) -> None:
    """Delete what stands at `path`; in a list, whose places would shift, the whole list."""
    for depth, step in enumerate(path):
        if not isinstance(data, dict) or step not in data:
            return
        if depth == len(path) - 1 or isinstance(path[depth + 1], int):
            del data[step]
            return
        data = data[step]
