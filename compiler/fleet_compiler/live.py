"""Compare fleet.yaml and fleet.lock with the providers as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.finding import Finding
from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import Loaded
from fleet_compiler.lock.diff import compare_locks, describe_difference
from fleet_compiler.lock.discover import discover
from fleet_compiler.lock.entries import merge_observations
from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.artifacts.polling import is_polled
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import reason_remedy, reason_text


@dataclass(frozen=True, slots=True)
class LiveReport:
    """`lock` is the fleet.lock that would be written now; `seen` has the observations by provider."""

    lock: Lock
    findings: tuple[Diagnostic, ...]
    seen: Mapping[str, Observation]

    @property
    def all_responded(self) -> bool:
        return all(observation.status == "online" for observation in self.seen.values())


def probe_live(loaded: Loaded, lock: Lock, root: Path, environ: Mapping[str, str]) -> LiveReport:
    """Probe every polled provider and compare with `lock`."""
    providers = [each for each in resolve_connections(loaded.fleet) if is_polled(each)]
    seen = discover(providers, root, environ)
    fresh = merge_observations(lock, seen, providers)
    found = [finding for each in providers for finding in _findings(loaded, each, seen[each.name])]
    for difference in compare_locks(lock, fresh):
        name, words = difference.provider, "; ".join(describe_difference(difference))
        message = f"fleet.lock differs from provider '{name}': {words}"
        found.append(_at_provider(loaded, name, "F307", message, f"run `fleet lock {name}`"))
    return LiveReport(fresh, tuple(found), seen)


def _findings(loaded: Loaded, provider: ProviderConfig, seen: Observation) -> Iterator[Diagnostic]:
    name = provider.name
    for warning in seen.remarks:
        yield _at_provider(loaded, name, "F306", f"provider '{name}': {warning}", None)
    if seen.status != "online":
        reason = seen.reason
        why = seen.status if reason is None else reason_text(reason)
        remedy = None if reason is None else reason_remedy(reason, provider.url)
        yield _at_provider(
            loaded, name, "F303", f"provider '{name}' did not return a model list: {why}", remedy
        )


def _at_provider(loaded: Loaded, name: str, code: str, message: str, remedy: str | None) -> Diagnostic:
    path = ("providers", name)
    return loaded.document.locate(Finding(code, path, message, remedy, "warning", key=True))
