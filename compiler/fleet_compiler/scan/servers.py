"""Scan the usual ports of given hosts for model servers. No other host or port is contacted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet_compiler.lock.discover import ProbeLimits, discover
from fleet_compiler.scan.hosts import Host
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason
from fleet_runtime.text import count
from fleet_runtime.urls import is_loopback, join_address

OLLAMA_PORT = 11434
USUAL_PORTS = (8080, OLLAMA_PORT, 8000, 1234)
"""llama-swap and llama-server, Ollama, vLLM, LM Studio."""

LIMITS = ProbeLimits(2.0, 6.0)
"""Seconds; an online host responds at once, and a host that drops packets costs no more."""


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server with the name for its provider; `summary` describes it. `key_variable`: the environment
    variable for the API key that it requires; None if it responds without one."""

    name: str
    url: str
    summary: str
    key_variable: str | None = None


@dataclass(frozen=True, slots=True)
class ScanReport:
    """`closed_ollama`: other hosts without any server, whose port of Ollama is closed. `unknown`:
    those whose name has no address."""

    found: tuple[FoundServer, ...] = ()
    closed_ollama: tuple[Host, ...] = ()
    unknown: tuple[Host, ...] = ()


def scan_hosts(
    hosts: Iterable[Host],
    *,
    ports: tuple[int, ...] = USUAL_PORTS,
    on_found: Callable[[ProviderConfig, Observation], None] = lambda probe, seen: None,
) -> ScanReport:
    """Probe `ports` of each host, or its specified port, concurrently.

    `on_found` gets each server that responds, with its URL as its name.
    """
    targets = {url: (host, port) for host in hosts for port, url in _urls(host, ports)}
    probes = [ProviderConfig(name=url, label=url, url=url, api_base=f"{url}/v1") for url in targets]

    def show(probe: ProviderConfig, seen: Observation) -> None:
        if _summary(seen) is not None:
            on_found(probe, seen)

    # no folder and no environment: nothing that is probed here has a configured key or certificate
    observations = discover(probes, Path(), {}, limits=LIMITS, progress=show)
    return report_scan(targets, observations)


def report_scan(
    targets: Mapping[str, tuple[Host, int]], observations: Mapping[str, Observation]
) -> ScanReport:
    """Return the report on `targets`, host and port by URL, in order. Pure."""
    found = {url: seen for url, seen in observations.items() if _summary(seen) is not None}
    names = _names({url: (*targets[url], found[url].kind) for url in targets if url in found})
    servers = tuple(
        FoundServer(name, url, _summary(found[url]) or "", _key_variable(name, found[url]))
        for url, name in names.items()
    )
    served = {targets[url][0] for url in found}
    codes = {target: observations[url].reason for url, target in targets.items() if target[0] not in served}
    refused = {
        host for (host, port), why in codes.items() if port == OLLAMA_PORT and _is(why, "connection_refused")
    }
    closed = [host for host in refused if not is_loopback(host.address)]
    unknown = {host for (host, _), why in codes.items() if _is(why, "host_unknown")}
    return ScanReport(
        servers, *(tuple(sorted(each, key=lambda host: host.name)) for each in (closed, unknown))
    )


def _is(reason: StatusReason | None, code: ReasonCode) -> bool:
    return reason is not None and reason.code == code


def _urls(host: Host, ports: tuple[int, ...]) -> list[tuple[int, str]]:
    chosen = ports if host.port is None else (host.port,)
    return [(port, f"http://{join_address(host.address, port)}") for port in chosen]


def _summary(seen: Observation) -> str | None:
    """Return a short description of a server; None if no model server responds."""
    if seen.status == "online":
        return f"{seen.kind}, {count(len(seen.models), 'model')}"
    if _is(seen.reason, "key_rejected"):
        return "requires an API key"
    return f"{seen.kind}, loading its model" if _is(seen.reason, "loading") else None


def _key_variable(name: str, seen: Observation) -> str | None:
    """Return the variable for a provider's key; a variable's name cannot begin with a digit."""
    if not _is(seen.reason, "key_rejected"):
        return None
    words = re.sub(r"[^A-Z0-9]+", "_", name.upper())
    return f"{'HOST_' if words[0].isdigit() else ''}{words}_API_KEY"


def _names(servers: Mapping[str, tuple[Host, int, str]]) -> dict[str, str]:
    """Return a name for each URL: its host's name, with kind and port if the host has several servers. The
    kind of a server that requires a key is not known: its port alone distinguishes it."""
    names = {url: host.name for url, (host, _, _) in servers.items()}
    kinds = {url: str(port) if kind == "auto" else kind for url, (_, port, kind) in servers.items()}
    ports = {url: str(port) for url, (_, port, _) in servers.items()}
    numbers = {url: str(index) for index, url in enumerate(servers, 1)}
    for parts in (kinds, ports, numbers):
        uses = Counter(names.values())
        names = {url: f"{name}-{parts[url]}" if uses[name] > 1 else name for url, name in names.items()}
    return names
