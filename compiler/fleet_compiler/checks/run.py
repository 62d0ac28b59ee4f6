"""What the schema cannot say: rules between the parts of one fleet.yaml. Needs nothing but the file."""

from __future__ import annotations

from fleet_compiler.checks import addresses, references
from fleet_compiler.checks import conflicts as effects
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.document.document import Document


def check_fleet(fleet: FleetConfig, document: Document) -> list[Diagnostic]:
    """Errors and warnings, in no particular order. `fleet` may be the sound part of a faulty `document`;
    names of broken parts are still known."""
    return [
        *references.check(fleet, document),
        *addresses.check(fleet, document),
        *effects.check(fleet, document),
    ]
