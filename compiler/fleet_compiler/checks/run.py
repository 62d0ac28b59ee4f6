"""Run the rules that the schema cannot express, on one fleet.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet_compiler.checks import access, addresses, conflicts, paths, references
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import Finding


def check_fleet(fleet: FleetConfig, written: Mapping[str, Any]) -> list[Finding]:
    """Return errors and warnings, in no particular order.

    `written` is the data of the file. `fleet` may be its valid subset; the names of invalid parts are still
    known.
    """
    return [
        *references.check(fleet, written),
        *addresses.check(fleet, written),
        *paths.check(fleet),
        *access.check(fleet),
        *conflicts.check(fleet),
    ]
