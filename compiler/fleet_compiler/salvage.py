"""What of a document that breaks the schema can still be checked, so that one run shows all errors."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from fleet_compiler.document import Document, Path
from fleet_compiler.errors import ConfigInvalid
from fleet_compiler.model import Fleet, parse_fleet
from fleet_compiler.validate import validation_errors

PLACEHOLDER_URL = "http://placeholder.invalid"


def sound_part(document: Document, faults: Iterable[Path]) -> Fleet | None:
    """The fleet without what stands at `faults`, None where too little is left.

    A provider that is broken keeps its name and gets an address that nobody has, a broken key of the
    gateway stays a key, so that what refers to them is no error.
    """
    if not isinstance(document.data, dict) or () in faults:
        return None
    data = deepcopy(document.data)
    for path in sorted(faults, key=len, reverse=True):
        _take_out(data, path)
    if any(True for _ in validation_errors(data)):
        return None
    try:
        return parse_fleet(document, data)
    except ConfigInvalid:
        return None


def _take_out(data: dict[str, Any], path: Path) -> None:
    match path:
        case ("providers", name):
            data["providers"][name] = PLACEHOLDER_URL
