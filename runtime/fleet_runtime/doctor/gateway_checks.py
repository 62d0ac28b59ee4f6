"""Check a running fleet from the responses of its gateway. Pure.

`error`: requests or changes fail because of it. `warning`: things work, but not as fleet.yaml says.
`note`: good to know. Every remedy holds a command to type, in backticks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from shlex import quote as shell_quote
from typing import Literal

from fleet_runtime.api.shapes import DriftReport, FleetStatus, OldNames, ProviderReport
from fleet_runtime.catalog.shapes import CatalogModel, FavoriteList, ModelResolution, RoleResolution, Roles
from fleet_runtime.dialects.observation import describe_other_kind
from fleet_runtime.text import count, join_names, join_words, quote
from fleet_runtime.urls import is_loopback, split_address

Severity = Literal["error", "warning", "note"]
Area = Literal["gateway", "machines", "roles", "favorites", "names", "files", "opencode"]

MAX_SKEW_SECONDS = 5.0
MAX_URL = 200
"""Characters of a gateway's URL that are shown."""
SHOWN = 3
RESTART = "`systemctl restart fleet`, or stop `fleet serve` and start it again"

_NOT_WOKEN = ("wake_failed", "wake_impossible")
_REASONS = {
    "model_not_found": "no provider lists it",
    "provider_unreachable": "its provider does not respond",
    "provider_disabled": "its provider is disabled",
    "sidecar_unreachable": "the sidecar of its provider does not respond",
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
    """What the gateway at `url` responded; `skew`: by how many seconds its clock is ahead of the one here.

    `default_models`: those of the default provider; `roles` by surface (None: the fleet's own); `choices`:
    what every choice of them means by itself.
    """

    url: str
    fleet: FleetStatus
    skew: float
    default_models: tuple[CatalogModel, ...]
    roles: Mapping[str | None, Roles]
    choices: Mapping[str, ModelResolution]
    favorites: FavoriteList
    old_names: OldNames


def gateway_findings(report: GatewayReport, snapshot: str | None) -> Iterator[DoctorFinding]:
    """Judge the process itself; `snapshot` is the id of the build in generated/ here, None without one."""
    fleet, where = report.fleet, f"gateway {quote(report.url, MAX_URL)}"
    if fleet.refused is not None:
        what = f"rejected the newest build and still serves the previous one: {fleet.refused}"
        yield DoctorFinding("error", "gateway", where, what, fleet.refused_remedy or "`fleet build`")
    elif snapshot is not None and fleet.snapshot != snapshot:
        what = "serves another build than the one in generated/ here"
        remedy = f"copy generated/ to where it runs, then `curl -X POST {typed_url(report.url)}/api/reload`"
        yield DoctorFinding("warning", "gateway", where, what, remedy)
    if fleet.needs_restart:
        keys = join_names(f"gateway.{key}" for key in fleet.needs_restart)
        what = f"applies the change of {keys} only after a restart"
        yield DoctorFinding("warning", "gateway", where, what, RESTART)
    if fleet.captures is not None:
        what = f"keeps the last {count(fleet.captures.keep, 'request')} in memory, prompts included"
        remedy = "delete `captures` below `gateway:` in fleet.yaml, then `fleet build`"
        yield DoctorFinding("note", "gateway", where, what, remedy)
    if fleet.store.reason is not None:
        what = f"cannot save favorites and history: {fleet.store.reason}"
        if fleet.store.state == "up":
            what = f"has saved what it could of a damaged state: {fleet.store.reason}"
        file = f"`ls -l {fleet.store.where}`: free space, or let the gateway write there"
        remedy = fleet.store.remedy or file
        yield DoctorFinding("error", "gateway", where, what, remedy)
    if abs(report.skew) > MAX_SKEW_SECONDS:
        way = "ahead of" if report.skew > 0 else "behind"
        what = f"has a clock that is {abs(report.skew):.0f} s {way} the one here"
        remedy = "`timedatectl set-ntp true`, on both computers"
        yield DoctorFinding("warning", "gateway", where, what, remedy)
    if not is_loopback(split_address(fleet.listen)[0]) and not report.url.startswith("https://"):
        what = f"listens on '{fleet.listen}' without TLS: keys and chats cross the network in clear text"
        remedy = (
            "fine on an encrypted network such as a tailnet; otherwise use `tailscale serve` or a TLS proxy"
        )
        yield DoctorFinding("note", "gateway", where, what, remedy)


def typed_url(url: str) -> str:
    """Return a URL as a remedy shows it; a long one is its variable."""
    return url if len(url) <= MAX_URL else "$FLEET_URL"


def clock_skew(clock: str, sent: float, received: float) -> float:
    """Return by how many seconds a clock that showed `clock` (RFC 3339, full seconds) is certainly ahead of
    the one that measured `sent` and `received` (unix seconds); negative: behind, 0: both may be right."""
    moment = datetime.fromisoformat(clock).timestamp()
    if moment > received:
        return moment - received
    return min(0.0, moment + 1 - sent)


def provider_findings(report: GatewayReport) -> Iterator[DoctorFinding]:
    """Judge every provider: whether it responds, and whether as fleet.yaml and fleet.lock say."""
    for provider in report.fleet.providers:
        where = f"provider '{provider.name}'"
        yield from _status(provider, where)
        if provider.status in ("offline", "disabled"):
            continue
        if provider.sidecar == "down":
            what = "has a sidecar that does not respond: its chats fail, because they never bypass it"
            remedy = "start it, or correct `sidecar:` in fleet.yaml and `fleet build`"
            yield DoctorFinding("error", "machines", where, what, remedy)
        yield from _warnings(provider, where)
        drift = report.fleet.drift.get(provider.name)
        if drift is not None:
            yield from _drift(drift, provider.name, where)
    yield from _shadowed(report)


def _status(provider: ProviderReport, where: str) -> Iterator[DoctorFinding]:
    reason = provider.reason or provider.status
    remedy = provider.remedy or f"`curl -i {provider.url}/v1/models` shows what it returns"
    match provider.status:
        case "offline" if provider.wake is not None and provider.reason_code not in _NOT_WOKEN:
            what = f"has been offline since {provider.since}; a request for one of its models wakes it"
            yield DoctorFinding("note", "machines", where, what, f"`fleet wake {provider.name}` wakes it now")
        case "offline":
            what = f"has been offline since {provider.since}: {reason}"
            yield DoctorFinding("error", "machines", where, what, remedy)
        case "config_error":
            yield DoctorFinding("error", "machines", where, f"rejects the gateway: {reason}", remedy)
        case "disabled" if provider.reason_code == "disabled":
            yield DoctorFinding("note", "machines", where, "is disabled in fleet.yaml", remedy)
        case "disabled":
            yield DoctorFinding("error", "machines", where, f"is disabled, without its key: {reason}", remedy)
        case "degraded" if provider.reason_code != "sidecar_unreachable":
            yield DoctorFinding("warning", "machines", where, f"is failing: {reason}", remedy)
        case "unknown" if provider.polled:
            remedy = "`fleet doctor` again in a moment"
            yield DoctorFinding("note", "machines", where, "has not been probed yet", remedy)
        case "online" if provider.reason:
            what = f"failed its last probe, and still counts as online: {reason}"
            yield DoctorFinding("warning", "machines", where, what, remedy)


def _warnings(provider: ProviderReport, where: str) -> Iterator[DoctorFinding]:
    if other := describe_other_kind(provider.configured_kind, provider.kind):
        remedy = f"set `kind: {provider.kind}` in fleet.yaml, then `fleet build`"
        yield DoctorFinding("warning", "machines", where, other, remedy)
    for warning in provider.warnings:
        remedy = f"give it another name on the provider, then `fleet lock {provider.name}`"
        yield DoctorFinding("warning", "machines", where, warning, remedy)


def _drift(drift: DriftReport, name: str, where: str) -> Iterator[DoctorFinding]:
    lock = f"`fleet lock {name} && fleet build`"
    if drift.appeared:
        what = f"lists {join_names(drift.appeared, limit=SHOWN)}, which fleet.lock does not contain"
        yield DoctorFinding("warning", "machines", where, what, lock)
    if drift.vanished:
        what = f"no longer lists {join_names(drift.vanished, limit=SHOWN)}, which fleet.lock has"
        yield DoctorFinding("warning", "machines", where, what, lock)
    smaller = [c for c in drift.contexts if c.locked is not None and c.now < c.locked]
    larger = [c for c in drift.contexts if c.locked is not None and c.now > c.locked]
    learned = [c for c in drift.contexts if c.locked is None]
    if smaller:
        models = [f"{quote(c.model)} ({c.now} tokens instead of {c.locked})" for c in smaller]
        what = f"has less context than fleet.lock says: {join_words(models, limit=SHOWN)}"
        yield DoctorFinding("warning", "machines", where, f"{what}; clients may send too much", lock)
    if larger:
        models = [f"{quote(c.model)} ({c.now} tokens instead of {c.locked})" for c in larger]
        what = f"has more context than fleet.lock says: {join_words(models, limit=SHOWN)}"
        yield DoctorFinding("note", "machines", where, what, lock)
    if learned:
        models = [f"{quote(c.model)} ({c.now} tokens)" for c in learned]
        what = f"reports context that fleet.lock does not have: {join_words(models, limit=SHOWN)}"
        yield DoctorFinding("note", "machines", where, what, lock)


def _shadowed(report: GatewayReport) -> Iterator[DoctorFinding]:
    """Find models of the default provider whose bare ids mean another provider."""
    default = report.fleet.default_provider or ""
    names = {former: provider.name for provider in report.fleet.providers for former in provider.formerly}
    names |= {provider.name: provider.name for provider in report.fleet.providers}
    for model in report.default_models:
        head, slash, _ = model.model.partition("/")
        if slash and names.get(head, default) != default:
            what = f"lists {quote(model.model)}, which as a bare id means a model of '{names[head]}'"
            remedy = f"request it as {quote(model.id)}: `fleet resolve {shell_quote(model.id)}`"
            yield DoctorFinding("warning", "machines", f"provider '{default}'", what, remedy)


def role_findings(report: GatewayReport) -> Iterator[DoctorFinding]:
    """Judge the roles: those that cannot be used, use a later choice, or name what no provider lists; those
    that a surface shares with the fleet once."""
    own = report.roles[None].roles
    for surface, roles in report.roles.items():
        for name, role in roles.roles.items():
            if surface is not None and name in own and _is_same(role, own[name]):
                continue
            where = f"role '{name}'" + (f" of surface '{surface}'" if surface else "")
            yield from _role(role, where, report.choices)


def _is_same(role: RoleResolution, other: RoleResolution) -> bool:
    return (role.candidates, role.id, role.reason) == (other.candidates, other.id, other.reason)


def _role(
    role: RoleResolution, where: str, choices: Mapping[str, ModelResolution]
) -> Iterator[DoctorFinding]:
    remedy = "give it another choice in fleet.yaml, then `fleet build`"
    if not role.available:
        reasons = {id: choices[id].reason for id in role.candidates}
        each = "; ".join(f"{quote(id)}: {_REASONS.get(str(why), why)}" for id, why in reasons.items() if why)
        yield DoctorFinding("error", "roles", where, f"has no choice that can be used now: {each}", remedy)
        return
    if role.fallback:
        what = f"uses {quote(role.id or '')}, a later choice than {quote(role.candidates[0])}"
        yield DoctorFinding("note", "roles", where, what, "`fleet status` shows which provider is offline")
    for id in role.candidates:
        if choices[id].reason == "model_not_found":
            near = choices[id].suggestions or ()
            what = f"refers to {quote(id)}, which no provider lists"
            nearest = f"{remedy}; nearest: {join_names(near, limit=SHOWN)}" if near else remedy
            yield DoctorFinding("warning", "roles", where, what, nearest)


def favorite_findings(report: GatewayReport) -> Iterator[DoctorFinding]:
    """Find favorites that stay unusable when every provider is online."""
    for favorite in report.favorites.favorites:
        where, remove = (
            f"favorite {quote(favorite.id)}",
            f"`fleet favorites remove {shell_quote(favorite.id)}`",
        )
        if favorite.orphan:
            what = f"belongs to '{favorite.provider}', which is no longer in fleet.yaml"
            remedy = (
                f"if that provider has another name now, list '{favorite.provider}' under its `formerly:`; "
                f"otherwise {remove}"
            )
            yield DoctorFinding("warning", "favorites", where, what, remedy)
        elif favorite.reason == "model_not_found":
            yield DoctorFinding("warning", "favorites", where, "is not listed by its provider", remove)
