"""A fleet.yaml against the machines as they are now: who is silent, and what fleet.lock does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import Loaded
from fleet_compiler.lock.diff import compare_locks, describe_difference
from fleet_compiler.lock.discover import discover, is_polled
from fleet_compiler.lock.lockfile import merge_observations
from fleet_compiler.lock.model import Lock
from fleet_runtime.dialects.status_reason import reason_remedy, reason_text


@dataclass(frozen=True, slots=True)
class LiveReport:
    """`lock` is what fleet.lock would be now; of the `asked` machines, `silent` did not answer."""

    lock: Lock
    findings: tuple[Diagnostic, ...]
    asked: int
    silent: int


def probe_live(loaded: Loaded, lock: Lock, root: Path, environ: Mapping[str, str]) -> LiveReport:
    """Ask every machine that fleet asks by itself."""
    connections = [connection for connection in resolve_connections(loaded.fleet) if is_polled(connection)]
    seen = discover(connections, root, environ)
    urls = {connection.name: connection.url for connection in connections}
    fresh = merge_observations(lock, seen, connections)
    found = []
    silent = 0
    for name, observation in seen.items():
        for oddity in observation.warnings:
            found.append(_at_provider(loaded, name, "F306", f"provider '{name}': {oddity}", None))
        if observation.status != "online":
            silent += 1
            reason = observation.reason
            why = observation.status if reason is None else reason_text(reason)
            remedy = None if reason is None else reason_remedy(reason, urls[name])
            found.append(_at_provider(loaded, name, "F303", f"provider '{name}' gave no list: {why}", remedy))
    for difference in compare_locks(lock, fresh):
        words = "; ".join(describe_difference(difference))
        message = f"fleet.lock differs from provider '{difference.provider}': {words}"
        found.append(
            _at_provider(
                loaded, difference.provider, "F307", message, f"run `fleet lock {difference.provider}`"
            )
        )
    return LiveReport(fresh, tuple(found), len(seen), silent)


def _at_provider(loaded: Loaded, name: str, code: str, message: str, remedy: str | None) -> Diagnostic:
    path = ("providers", name)
    return loaded.document.diagnostic(code, message, path, key=True, help=remedy, severity="warning")
