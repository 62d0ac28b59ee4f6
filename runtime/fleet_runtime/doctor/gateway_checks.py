"""What is wrong with a running fleet, judged from what its gateway, a folder and a client tell. Pure.

`error`: requests or changes fail because of it. `warning`: things work, and not as fleet.yaml means it.
`note`: good to know. Every remedy holds a command to type, in backticks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import Literal

from fleet_runtime.api.fleet_schemas import DriftReport, FleetStatus, ProviderReport
from fleet_runtime.api.schemas import FavoriteList, ModelCatalog, Resolution, Role, Roles
from fleet_runtime.urls import is_loopback, split_address

Severity = Literal["error", "warning", "note"]
Area = Literal["gateway", "machines", "roles", "favorites", "files", "opencode"]

MAX_SKEW_SECONDS = 5.0
SHOWN = 3

_WORDS = {
    "model_not_found": "no machine serves it",
    "provider_unreachable": "its machine does not answer",
    "provider_disabled": "its machine is disabled",
    "sidecar_unreachable": "the sidecar of its machine does not answer",
}


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """`where` names one thing, `what` follows it in a sentence, `remedy` holds a command in backticks."""

    severity: Severity
    area: Area
    where: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """What the gateway at `url` answered; `skew`: by how many seconds its clock is ahead of the one here.

    `roles` by surface (None: the fleet's own); `choices`: what every choice of them means by itself.
    """

    url: str
    fleet: FleetStatus
    skew: float
    catalog: ModelCatalog
    roles: Mapping[str | None, Roles]
    choices: Mapping[str, Resolution]
    favorites: FavoriteList


def gateway_findings(told: GatewayReport, snapshot: str | None) -> Iterator[DoctorFinding]:
    """The process itself; `snapshot` is the id of what lies in generated/ here, where something does."""
    fleet, where = told.fleet, f"gateway '{told.url}'"
    if fleet.refused is not None:
        what = f"refuses the newest build, and serves the one before it: {fleet.refused}"
        keyless = fleet.refused.startswith(("environment variable ", "file "))
        remedy = after_key(fleet.refused) if keyless else "`fleet build`, which it takes over by itself"
        yield DoctorFinding("error", "gateway", where, what, remedy)
    elif snapshot is not None and fleet.snapshot != snapshot:
        what = "serves another build than the one in generated/ here"
        remedy = f"bring generated/ to where it runs, then `curl -X POST {told.url}/api/reload`"
        yield DoctorFinding("warning", "gateway", where, what, remedy)
    if fleet.needs_restart:
        keys = named([f"gateway.{key}" for key in fleet.needs_restart])
        remedy = "`systemctl restart fleet`, or stop `fleet serve` and start it again"
        yield DoctorFinding(
            "warning", "gateway", where, f"takes the change of {keys} only when restarted", remedy
        )
    if fleet.store.fault is not None:
        what = f"cannot keep favorites and history: {fleet.store.fault}"
        remedy = f"`ls -l {fleet.store.path}`: make room, or give it the right to write there"
        yield DoctorFinding("error", "gateway", where, what, remedy)
    if abs(told.skew) > MAX_SKEW_SECONDS:
        way = "ahead of" if told.skew > 0 else "behind"
        what = f"has a clock that is {abs(told.skew):.0f} s {way} the one here"
        yield DoctorFinding(
            "warning", "gateway", where, what, "`timedatectl set-ntp true`, on both computers"
        )
    if not is_loopback(split_address(fleet.listen)[0]) and not told.url.startswith("https://"):
        what = f"listens on '{fleet.listen}' without TLS: keys and chats pass the network readable"
        remedy = (
            "well where the network encrypts, as a tailnet does; else `tailscale serve` or a proxy with TLS"
        )
        yield DoctorFinding("note", "gateway", where, what, remedy)


def clock_skew(told: str, sent: float, received: float) -> float:
    """By how many seconds a clock that showed `told` (RFC 3339, whole seconds) is certainly ahead of the one
    that measured `sent` and `received` (unix seconds); negative for behind, 0 where both may be right."""
    moment = datetime.fromisoformat(told).timestamp()
    if moment > received:
        return moment - received
    return min(0.0, moment + 1 - sent)


def provider_findings(told: GatewayReport) -> Iterator[DoctorFinding]:
    """Every machine: whether it answers, whether as fleet.yaml says, and whether as fleet.lock says."""
    for machine in told.fleet.providers:
        where = f"provider '{machine.name}'"
        yield from _status(machine, where)
        if machine.status in ("offline", "disabled"):
            continue
        if machine.sidecar == "down":
            what = "has a sidecar that does not answer: its chats fail, as they never pass beside it"
            remedy = "start it, or correct `sidecar:` in fleet.yaml and `fleet build`"
            yield DoctorFinding("error", "machines", where, what, remedy)
        for warning in machine.warnings:
            remedy = "give it another name on the machine, then `fleet lock " + machine.name + "`"
            if warning.startswith("configured as "):
                remedy = f"set `kind: {machine.kind}` in fleet.yaml, then `fleet build`"
            yield DoctorFinding("warning", "machines", where, warning, remedy)
        drift = told.fleet.drift.get(machine.name)
        if drift is not None:
            yield from _drift(drift, machine.name, where)
    yield from _shadowed(told)


def _status(machine: ProviderReport, where: str) -> Iterator[DoctorFinding]:
    reason = machine.reason or machine.status
    remedy = machine.remedy or f"`curl -i {machine.url}/v1/models` shows what it returns"
    match machine.status:
        case "offline":
            what = f"has been offline since {machine.since}: {reason}"
            yield DoctorFinding("error", "machines", where, what, remedy)
        case "config_error":
            yield DoctorFinding("error", "machines", where, f"refuses the gateway: {reason}", remedy)
        case "disabled" if machine.reason_code == "disabled":
            yield DoctorFinding("note", "machines", where, "is disabled in fleet.yaml", remedy)
        case "disabled":
            what = f"is disabled, without its key: {reason}"
            yield DoctorFinding("error", "machines", where, what, remedy)
        case "degraded" if machine.reason_code != "sidecar_unreachable":
            yield DoctorFinding("warning", "machines", where, f"is degraded: {reason}", remedy)
        case "unknown" if machine.polled:
            remedy = "`fleet doctor` once more in a moment"
            yield DoctorFinding("note", "machines", where, "has not been looked at yet", remedy)
        case "online" if machine.reason:
            what = f"did not answer well just now, and is still taken for online: {reason}"
            yield DoctorFinding("warning", "machines", where, what, remedy)


def after_key(why: str) -> str:
    """The remedy for a key that cannot be had; `why` is the word of `find_key`."""
    name = why.split("'")[1] if why.count("'") > 1 else ""
    if why.startswith("environment variable"):
        return f"`export {name}=…` where `fleet serve` is started, and start it anew"
    return f"put it into the file (`ls -l {name}`), then `systemctl reload fleet`"


def _drift(drift: DriftReport, name: str, where: str) -> Iterator[DoctorFinding]:
    lock = f"`fleet lock {name} && fleet build`"
    if drift.appeared:
        what = f"lists {named(drift.appeared)}, which fleet.lock does not know"
        yield DoctorFinding("warning", "machines", where, what, lock)
    if drift.vanished:
        what = f"no longer lists {named(drift.vanished)}, which fleet.lock has"
        yield DoctorFinding("warning", "machines", where, what, lock)
    smaller = [c for c in drift.contexts if c.locked is not None and c.now < c.locked]
    larger = [c for c in drift.contexts if c not in smaller]
    if smaller:
        told = several([f"'{c.model}' ({c.now} tokens instead of {c.locked})" for c in smaller])
        what = f"holds less context than fleet.lock says: {told}; clients may send too much"
        yield DoctorFinding("warning", "machines", where, what, lock)
    if larger:
        told = several([f"'{c.model}' ({c.now} tokens, before {c.locked or 'unknown'})" for c in larger])
        yield DoctorFinding("note", "machines", where, f"has more context than fleet.lock says: {told}", lock)


def _shadowed(told: GatewayReport) -> Iterator[DoctorFinding]:
    """Models of the default machine whose bare ids mean another machine."""
    default = told.fleet.default_provider
    names = {former: machine.name for machine in told.fleet.providers for former in machine.formerly}
    names |= {machine.name: machine.name for machine in told.fleet.providers}
    for provider in told.catalog.providers:
        for model in provider.models if provider.name == default else ():
            head, slash, _ = model.model.partition("/")
            if slash and names.get(head, default) != default:
                what = f"lists '{model.model}', which by itself means a model of '{names[head]}'"
                remedy = f"ask for it as '{model.id}': `fleet resolve {quote(model.id)}`"
                yield DoctorFinding("warning", "machines", f"provider '{default}'", what, remedy)


def role_findings(told: GatewayReport) -> Iterator[DoctorFinding]:
    """Roles that cannot be used, use a later choice, or name what no machine serves; those that a surface
    shares with the fleet are told once."""
    own = told.roles[None].roles
    for surface, roles in told.roles.items():
        for name, role in roles.roles.items():
            if surface is not None and name in own and _same(role, own[name]):
                continue
            where = f"role '{name}'" + (f" of surface '{surface}'" if surface else "")
            yield from _role(role, where, told.choices)


def _same(role: Role, other: Role) -> bool:
    return (role.candidates, role.id, role.reason) == (other.candidates, other.id, other.reason)


def _role(role: Role, where: str, choices: Mapping[str, Resolution]) -> Iterator[DoctorFinding]:
    mend = "give it another choice in fleet.yaml, then `fleet build`"
    if not role.available:
        reasons = {id: choices[id].reason for id in role.candidates}
        told = "; ".join(f"'{id}': {_WORDS.get(reason, reason)}" for id, reason in reasons.items() if reason)
        yield DoctorFinding("error", "roles", where, f"has no choice that can be used now: {told}", mend)
        return
    if role.fallback:
        what = f"uses '{role.id}', a later choice than '{role.candidates[0]}'"
        yield DoctorFinding("note", "roles", where, what, "`fleet status` says which machine is away")
    for id in role.candidates:
        if choices[id].reason == "model_not_found":
            near = choices[id].suggestions
            remedy = f"{mend}; nearest: {named(near)}" if near else mend
            yield DoctorFinding(
                "warning", "roles", where, f"names '{id}', which no machine serves any more", remedy
            )


def favorite_findings(told: GatewayReport) -> Iterator[DoctorFinding]:
    """Favorites that no machine brings back by coming back."""
    for favorite in told.favorites.favorites:
        where, remove = f"favorite '{favorite.id}'", f"`fleet favorites remove {quote(favorite.id)}`"
        if favorite.orphan:
            what = f"belongs to '{favorite.provider}', which is no longer in fleet.yaml"
            remedy = f"{remove}, or name it under `formerly:` of the machine that it is now"
            yield DoctorFinding("warning", "favorites", where, what, remedy)
        elif favorite.reason == "model_not_found":
            yield DoctorFinding("warning", "favorites", where, "is no longer served by its machine", remove)


def counted(number: int, what: str) -> str:
    """As in ``2 errors``."""
    return f"{number} {what if number == 1 else what + 's'}"


def named(names: Sequence[str]) -> str:
    """A few of the names, quoted, and how many there are beside."""
    return several([f"'{name}'" for name in names])


def several(words: Sequence[str]) -> str:
    """A few of them, and how many there are beside."""
    shown = ", ".join(words[:SHOWN])
    return f"{shown} and {len(words) - SHOWN} more" if len(words) > SHOWN else shown
