"""Gathering what `fleet doctor` judges: from the gateway, the folder of fleet.yaml, and opencode."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import click
from pydantic import ValidationError

from fleet_runtime.api.fleet_schemas import FleetStatus
from fleet_runtime.api.schemas import FavoriteList, ModelCatalog, Resolution, Roles
from fleet_runtime.artifacts.snapshot import ArtifactError, Snapshot, load_snapshot
from fleet_runtime.client import (
    KEY_VARIABLE,
    GatewayClient,
    GatewayResponseError,
    GatewayUnreachableError,
    gateway_command,
)
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.doctor.gateway_checks import (
    DoctorFinding,
    GatewayReport,
    clock_skew,
    counted,
    favorite_findings,
    gateway_findings,
    provider_findings,
    role_findings,
)
from fleet_runtime.doctor.local_checks import Checkout, file_findings, key_findings, opencode_findings
from fleet_runtime.doctor.opencode_config import inspect_opencode
from fleet_runtime.files import MAX_KEY, read_text, resolve_path

CHECK = (sys.executable, "-P", "-m", "fleet_compiler", "build", "--check")
KEY_CODES = ("unauthorized", "surface_not_allowed")


@dataclass(frozen=True, slots=True)
class CollectedReport:
    """`url` is None where nothing says where the gateway is; `looked_at` counts what was found sound."""

    url: str | None
    reachable: bool
    findings: tuple[DoctorFinding, ...]
    looked_at: str


def collect_findings(url: str | None, generated: Path, environ: Mapping[str, str]) -> CollectedReport:
    """Look at everything; raises click.UsageError where there is neither a URL nor a fleet.yaml."""
    here = (generated.parent / "fleet.yaml").is_file()
    checkout = inspect_checkout(generated, environ) if here else None
    told: GatewayReport | None = None
    reachable = True
    known_url = url
    found: list[DoctorFinding] = []
    try:
        with gateway_command(url) as gateway:
            known_url = gateway.url
            told = ask(gateway)
    except GatewayUnreachableError as silent:
        reachable = False
        found.append(_unasked(known_url, _silence(known_url, silent), "`fleet serve`"))
    except GatewayResponseError as refusal:
        remedy = f"`curl -i {known_url}/api/fleet`"
        if refusal.code in KEY_CODES:
            remedy = f"`export {KEY_VARIABLE}=…` with a key that opens the whole gateway"
        found.append(_unasked(known_url, f"refuses to be asked: {refusal.message}", remedy))
    except ValidationError:
        remedy = "`systemctl restart fleet`, or stop `fleet serve` and start it again"
        found.append(_unasked(known_url, "is of another version of fleet than this command", remedy))
    except click.UsageError as unknown:
        if not here:
            raise
        reachable = False
        found.append(_unasked(None, f"is not known: {unknown.message}", "`fleet build`"))
    found += _judged(told, checkout)
    if checkout is not None:
        if not reachable:
            found += key_findings(checkout)
        opencode = inspect_opencode(generated, environ)
        found += opencode_findings(opencode) if opencode is not None else ()
    return CollectedReport(known_url, reachable, tuple(found), _looked_at(told))


def ask(gateway: GatewayClient) -> GatewayReport:
    """Everything that the gateway can tell.

    Raises `GatewayUnreachableError`, `GatewayResponseError`, and pydantic.ValidationError where a gateway of
    another version answers.
    """
    sent = time.time()
    fleet = FleetStatus.model_validate(gateway.get("/api/fleet"))
    skew = clock_skew(fleet.now, sent, time.time())
    unseen = [machine for machine in fleet.providers if machine.status == "unknown" and machine.polled]
    for machine in unseen:
        gateway.request("POST", f"/api/fleet/{machine.name}/refresh")
    if unseen:
        fleet = FleetStatus.model_validate(gateway.get("/api/fleet"))
    roles: dict[str | None, Roles] = {None: Roles.model_validate(gateway.get("/api/roles"))}
    for surface in fleet.surfaces:
        roles[surface] = Roles.model_validate(gateway.get(f"/api/roles?surface={surface}"))
    choices = {id for each in roles.values() for role in each.roles.values() for id in role.candidates}
    return GatewayReport(
        url=gateway.url,
        fleet=fleet,
        skew=skew,
        catalog=ModelCatalog.model_validate(gateway.get("/api/models")),
        roles=roles,
        choices={id: _resolved(gateway, id) for id in sorted(choices)},
        favorites=FavoriteList.model_validate(gateway.get("/api/favorites")),
    )


def inspect_checkout(generated: Path, environ: Mapping[str, str]) -> Checkout:
    """The folder of fleet.yaml, with the compiler's own word on generated/; nothing is written."""
    plain = {name: value for name, value in environ.items() if name != "FORCE_COLOR"} | {"NO_COLOR": "1"}
    checked = subprocess.run(  # noqa: S603
        CHECK, cwd=generated.parent, env=plain, capture_output=True, text=True, check=False
    )
    snapshot: Snapshot | None = None
    fault: str | None = None
    try:
        snapshot = load_snapshot(generated)
    except ArtifactError as error:
        fault = str(error)
    unset = dict(_unset(snapshot, environ)) if snapshot is not None else {}
    lines = tuple(checked.stderr.splitlines())
    return Checkout(snapshot.id if snapshot else None, fault, checked.returncode, lines, unset)


def _unset(snapshot: Snapshot, environ: Mapping[str, str]) -> Iterator[tuple[str, StatusReason]]:
    """Whose keys cannot be had, and why."""
    references = {
        f"the gateway's key '{name}'": (key.env, key.file) for name, key in snapshot.gateway.keys.items()
    }
    references |= {
        f"the key of provider '{name}'": (connection.api_key_env, connection.api_key_file)
        for name, connection in snapshot.connections.items()
        if connection.enabled
    }
    for where, (env, file) in references.items():
        try:
            find_key(env, file, environ, lambda path: read_text(resolve_path(snapshot.root, path), MAX_KEY))
        except MissingKeyError as unset:
            yield where, unset.reason


def _judged(told: GatewayReport | None, checkout: Checkout | None) -> Iterator[DoctorFinding]:
    if told is not None:
        yield from gateway_findings(told, checkout.snapshot if checkout is not None else None)
        yield from provider_findings(told)
        yield from role_findings(told)
        yield from favorite_findings(told)
    if checkout is not None:
        yield from file_findings(checkout)


def _resolved(gateway: GatewayClient, id: str) -> Resolution:
    return Resolution.model_validate(gateway.get(f"/api/resolve?model={quote(id, safe='')}"))


def _unasked(url: str | None, what: str, remedy: str) -> DoctorFinding:
    where = "gateway" if url is None else f"gateway '{url}'"
    return DoctorFinding("error", "gateway", where, what, remedy)


def _silence(url: str | None, silent: GatewayUnreachableError) -> str:
    reason = silent.message.partition(": start it")[0]
    told = reason.removeprefix(f"the gateway at '{url}' ")
    return told if told != reason else f"is not there: {reason}"


def _looked_at(told: GatewayReport | None) -> str:
    if told is None:
        return "no gateway was asked"
    machines, favorites = told.fleet.providers, told.favorites.favorites
    models = sum(machine.models for machine in machines)
    counts = ((len(machines), "machine"), (models, "model"), (len(favorites), "favorite"))
    return ", ".join(counted(number, what) for number, what in counts)
