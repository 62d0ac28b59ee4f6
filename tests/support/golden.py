"""The fleets under fleets/, compiled as `fleet build` would."""

from __future__ import annotations

from pathlib import Path

from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import load_fleet
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import load_lock
from fleet_compiler.pipeline import Compiled, compile_fleet
from tests.support.paths import ROOT

FLEETS = ROOT / "tests" / "compiler" / "emit" / "fleets"
NAMES = sorted(folder.name for folder in FLEETS.iterdir())


def compiled(folder: Path) -> Compiled:
    loaded = load_fleet(folder / "fleet.yaml")
    lock = current_entries(load_lock(folder / "fleet.lock"), resolve_connections(loaded.fleet))
    return compile_fleet(loaded, lock, "..")
