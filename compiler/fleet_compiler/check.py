"""What the schema cannot say: rules between the parts of one fleet.yaml. Needs nothing but the file."""

from __future__ import annotations

from fleet_compiler import addresses, effects, references
from fleet_compiler.diagnostics import Diagnostic
from fleet_compiler.document import Document
from fleet_compiler.model import Fleet


def check_fleet(fleet: Fleet, document: Document) -> list[Diagnostic]:
    """Errors and warnings, in no particular order. `fleet` may be the sound part of a faulty `document`;
    names of broken parts are still known."""
    return [
        *references.check(fleet, document),
        *addresses.check(fleet, document),
        *effects.check(fleet, document),
    ]
