"""Collect the input of `fleet doctor`: from the gateway, the folder of fleet.yaml, and opencode."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from fleet_runtime.api.shapes import FleetStatus, OldNames, ProviderReport
from fleet_runtime.artifacts.snapshot import ArtifactError, Snapshot, load_snapshot
from fleet_runtime.catalog.shapes import CatalogModel, FavoriteList, ModelCatalog, ModelResolution, Roles
from fleet_runtime.client import (
    KEY_VARIABLE,
    GatewayClient,
    GatewayResponseError,
    GatewayUnreachableError,
    GatewayVersionError,
    api_path,
    open_gateway,
)
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.doctor.gateway_checks import (
    MAX_URL,
    RESTART,
    DoctorFinding,
    GatewayReport,
    clock_skew,
    favorite_findings,
    gateway_findings,
    provider_findings,
    role_findings,
    typed_url,
)
from fleet_runtime.doctor.local_checks import (
    BuildCheck,
    Checkout,
    client_findings,
    file_findings,
    key_findings,
    opencode_findings,
)
from fleet_runtime.doctor.moved_state import moved_state_finding
from fleet_runtime.doctor.old_names import old_name_findings
from fleet_runtime.doctor.opencode_config import inspect_opencode
from fleet_runtime.files import MAX_KEY, read_text, resolve_path
from fleet_runtime.routing.old_names import OldName
from fleet_runtime.text import count, quote
from fleet_runtime.urls import split_address

CHECK = (sys.executable, "-P", "-m", "fleet_compiler", "build", "--check", "--json")
KEY_CODES = ("unauthorized", "surface_not_allowed")


@dataclass(frozen=True, slots=True)
class CollectedReport:
    """`url` is None if nothing says where the gateway is; `checked` counts what was checked."""

    url: str | None
    reachable: bool
    findings: tuple[DoctorFinding, ...]
    checked: str


def collect_findings(url: str | None, generated: Path, environ: Mapping[str, str]) -> CollectedReport:
    """Return everything that is wrong; raises click.UsageError if there is neither a URL nor a fleet.yaml."""
    has_fleet = (generated.parent / "fleet.yaml").is_file()
    checkout = inspect_checkout(generated, environ) if has_fleet else None
    report: GatewayReport | None = None
    failure: DoctorFinding | None = None
    reachable = True
    try:
        with open_gateway(url) as gateway:
            url = gateway.url
            report = ask(gateway)
    except GatewayUnreachableError as error:
        reachable = False
        failure = _gateway_finding(url, error.reason, "`fleet serve`")
    except GatewayResponseError as error:
        remedy = f"`curl -i {typed_url(str(url))}/api/fleet`"
        if error.code in KEY_CODES:
            remedy = f"`export {KEY_VARIABLE}=…` with a key that opens all of the gateway"
        failure = _gateway_finding(url, f"rejects the request: {error.message}", remedy)
    except GatewayVersionError:
        failure = _gateway_finding(url, "runs another version of fleet than this command", RESTART)
    except click.UsageError as error:
        if url is not None or not has_fleet:
            raise
        reachable = False
        failure = _gateway_finding(None, f"is not known: {error.message}", "`fleet build`")
    found = [] if failure is None else [failure]
    found += _judge(report, checkout)
    if checkout is not None and (moved := moved_state_finding(generated, report, environ)) is not None:
        found.append(moved)
    if checkout is not None:
        if not reachable:
            found += key_findings(checkout)
        opencode = inspect_opencode(generated, environ)
        found += opencode_findings(opencode) if opencode is not None else ()
    return CollectedReport(url, reachable, tuple(found), _checked(report))


def ask(gateway: GatewayClient) -> GatewayReport:
    """Return everything that the gateway can say of itself; raises what `GatewayClient` raises."""
    sent = time.time()
    fleet = gateway.get("/api/fleet", FleetStatus)
    try:
        skew = clock_skew(fleet.now, sent, time.time())
        split_address(fleet.listen)
    except (ValueError, OverflowError):
        raise GatewayVersionError(gateway.url) from None
    unseen = [provider for provider in fleet.providers if provider.status == "unknown" and provider.polled]
    for provider in unseen:
        gateway.request("POST", api_path("api", "fleet", provider.name, "refresh"), ProviderReport)
    if unseen:
        fleet = gateway.get("/api/fleet", FleetStatus)
    roles: dict[str | None, Roles] = {None: gateway.get("/api/roles", Roles)}
    for surface in fleet.surfaces:
        roles[surface] = gateway.get(api_path("api", "roles", surface=surface), Roles)
    choices = {id for each in roles.values() for role in each.roles.values() for id in role.candidates}
    return GatewayReport(
        url=gateway.url,
        fleet=fleet,
        skew=skew,
        default_models=_models_of(gateway.get("/api/models", ModelCatalog), fleet.default_provider),
        roles=roles,
        choices={
            id: gateway.get(api_path("api", "resolve", model=id), ModelResolution) for id in sorted(choices)
        },
        favorites=gateway.get("/api/favorites", FavoriteList),
        old_names=gateway.get("/api/old-names", OldNames),
    )


def _models_of(catalog: ModelCatalog, name: str | None) -> tuple[CatalogModel, ...]:
    return next((provider.models for provider in catalog.providers if provider.name == name), ())


def inspect_checkout(generated: Path, environ: Mapping[str, str]) -> Checkout:
    """Return the state of the folder of fleet.yaml, as the compiler and the gateway's loader see it."""
    ran = subprocess.run(  # noqa: S603
        CHECK, cwd=generated.parent, env=dict(environ), capture_output=True, check=False
    )
    try:
        check = msgspec.json.decode(ran.stdout, type=BuildCheck)
    except (msgspec.DecodeError, msgspec.ValidationError):
        check = BuildCheck(
            status="failed", error=f"`fleet build --check` ended with exit code {ran.returncode}"
        )
    snapshot: Snapshot | None = None
    fault: str | None = None
    try:
        snapshot = load_snapshot(generated)
    except ArtifactError as error:
        fault = str(error)
    missing = dict(_missing_keys(snapshot, environ)) if snapshot is not None else {}
    return Checkout(snapshot.id if snapshot else None, fault, check, missing)


def _missing_keys(snapshot: Snapshot, environ: Mapping[str, str]) -> Iterator[tuple[str, StatusReason]]:
    """Yield whose key cannot be read, and why."""
    references = {
        f"the gateway's key '{name}'": (key.env, key.file) for name, key in snapshot.gateway.keys.items()
    }
    references |= {
        f"the key of provider '{name}'": (config.api_key_env, config.api_key_file)
        for name, config in snapshot.connections.items()
        if config.enabled
    }
    for where, (env, file) in references.items():
        try:
            find_key(env, file, environ, lambda path: read_text(resolve_path(snapshot.root, path), MAX_KEY))
        except MissingKeyError as error:
            yield where, error.reason


def _judge(report: GatewayReport | None, checkout: Checkout | None) -> Iterator[DoctorFinding]:
    if report is not None:
        yield from gateway_findings(report, checkout.snapshot if checkout is not None else None)
        yield from provider_findings(report)
        yield from role_findings(report)
        yield from favorite_findings(report)
        places = () if checkout is None else checkout.check.old_names
        lines = {OldName(place.kind, place.name): place.line for place in places}
        yield from old_name_findings(report.old_names, report.fleet.now, lines)
    if checkout is not None:
        yield from file_findings(checkout)
        yield from client_findings(checkout)


def _gateway_finding(url: str | None, what: str, remedy: str) -> DoctorFinding:
    where = "gateway" if url is None else f"gateway {quote(url, MAX_URL)}"
    return DoctorFinding("error", "gateway", where, what, remedy)


def _checked(report: GatewayReport | None) -> str:
    if report is None:
        return "no gateway responded"
    providers, favorites = report.fleet.providers, report.favorites.favorites
    models = sum(provider.models for provider in providers)
    counts = ((len(providers), "provider"), (models, "model"), (len(favorites), "favorite"))
    return ", ".join(count(number, noun) for number, noun in counts)
