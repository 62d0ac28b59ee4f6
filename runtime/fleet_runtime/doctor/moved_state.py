"""Find favorites that were left behind when a fleet's folder was moved."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from shlex import quote as shell_quote

from fleet_runtime.artifacts.gateway_parts import DatabaseState
from fleet_runtime.artifacts.snapshot import ArtifactError, load_snapshot
from fleet_runtime.doctor.gateway_checks import DoctorFinding, GatewayReport, Severity
from fleet_runtime.store.location import abandoned_states, given_path, state_path, user_folder
from fleet_runtime.store.rescue import rescue_state
from fleet_runtime.text import count, quote

EXAMINED = 20
SHOWN = 200
"""States of other folders that are read at most, and characters of a path that are shown."""


def moved_state_finding(
    generated: Path, report: GatewayReport | None, environ: Mapping[str, str]
) -> DoctorFinding | None:
    """Offer the favorites of a folder that is gone to a fleet that has none.

    Only if the fleet's state is in the user's state folder; `report` is that of its gateway, if it responds.
    """
    root = generated.parent
    own = user_folder(root, environ)
    state = _state_here(generated, environ) if report is None else report.fleet.store.where
    if own is None or state is None or Path(state).parent != own:
        return None
    if report.favorites.favorites if report is not None else _favorites(Path(state)):
        return None
    name = given_path(root, environ).name
    others = [other for other in islice(abandoned_states(), EXAMINED) if other.path.parent != own]
    for other in sorted(others, key=lambda other: other.folder.name != name):
        if kept := _favorites(other.path):
            gone = quote(str(other.folder), SHOWN)
            what = f"has no favorites; {gone}, which no longer exists, had {count(kept, 'favorite')}"
            move = f"mv {shell_quote(str(other.path.parent))} {shell_quote(str(own))}"
            if own.exists():
                move = f"mv {shell_quote(str(own))} {shell_quote(f'{own}.empty')} && {move}"
            remedy = f"if you moved that folder here: stop the gateway, `{move}`, and start it again"
            severity: Severity = "warning" if other.folder.name == name else "note"
            return DoctorFinding(severity, "favorites", "this folder", what, remedy)
    return None


def _state_here(generated: Path, environ: Mapping[str, str]) -> Path | None:
    with contextlib.suppress(ArtifactError, OSError):
        state = load_snapshot(generated).gateway.state
        if not isinstance(state, DatabaseState):
            return state_path(state, generated.parent, environ)
    return None


def _favorites(path: Path) -> int:
    return len(rescue_state(path).favorites.items) if path.is_file() else 0
