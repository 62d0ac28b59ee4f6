"""``POST /api/fleet/{name}/load`` and ``unload``; like everything that changes a provider, they need a key
without `surfaces`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fleet_runtime.api.call import Call
from fleet_runtime.api.fleet import ProviderName, require_provider
from fleet_runtime.api.fleet_report import describe_provider
from fleet_runtime.api.operation import operation
from fleet_runtime.api.shapes import ModelCommand, ModelOutcome, ProviderReport
from fleet_runtime.artifacts.contract import ModelState
from fleet_runtime.control.load import load_model, unload_model
from fleet_runtime.errors import RequestError, request_error, suggest
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.telemetry.activity_row import RequestActivity
from fleet_runtime.text import count, join_names

_FAILURES = ("not_supported", "requests_running", "model_not_found", "not_found", "upstream_error")

Act = Callable[[LiveSnapshot, str, str], Awaitable[ModelState]]


@operation("POST", "/api/fleet/{name}/load", "Load a model, and wait until it is loaded", *_FAILURES)
async def load(call: Call, command: ModelCommand, name: ProviderName) -> ModelOutcome:
    model = _model(call, name, command.model)
    running = [row for row in _running(call, name) if _listed(call, name, row.model) != model]
    return await _act(call, load_model, name, model, running, force=command.force)


@operation("POST", "/api/fleet/{name}/unload", "Unload a model", *_FAILURES)
async def unload(call: Call, command: ModelCommand, name: ProviderName) -> ModelOutcome:
    model = _model(call, name, command.model)
    running = [row for row in _running(call, name) if _listed(call, name, row.model) == model]
    return await _act(call, unload_model, name, model, running, force=command.force)


@operation(
    "POST",
    "/api/fleet/{name}/wake",
    "Wake a provider, and wait until it responds",
    *("not_found", "not_supported", "provider_unreachable"),
)
async def wake(call: Call, name: ProviderName) -> ProviderReport:
    require_provider(call.live, call.live.snapshot.fleet, name)
    await call.live.inventory.wake(name, insist=True)
    return describe_provider(call.live, name)


OPERATIONS = (load, unload, wake)


async def _act(
    call: Call, act: Act, name: str, model: str, running: list[RequestActivity], *, force: bool
) -> ModelOutcome:
    """Load or unload the model unless running requests are affected; it continues if the client
    disconnects."""
    if running and not force:
        raise _busy(name, running)
    state = await asyncio.shield(asyncio.ensure_future(act(call.live, name, model)))
    return ModelOutcome(provider=name, model=model, state=state, running=tuple(running))


def _busy(name: str, running: list[RequestActivity]) -> RequestError:
    named = join_names([row.id for row in running])
    message = (
        f"{count(len(running), 'request')} through this gateway would be affected at provider '{name}':"
        f" {named}; use `force` to do it anyway. Requests that bypass this gateway are not counted"
    )
    return request_error("requests_running", message)


def _running(call: Call, name: str) -> list[RequestActivity]:
    rows = call.service.activity.running_rows()
    return [row for row in rows if row.provider == name and row.phase in ("queued", "waiting", "responding")]


def _listed(call: Call, name: str, model: str | None) -> str | None:
    """Return the id under which the provider lists the requested model."""
    return model and call.live.view[name].listed(model)


def _model(call: Call, name: str, text: str) -> str:
    """Return the provider's own id of a model; raises `RequestError`."""
    require_provider(call.live, call.live.snapshot.fleet, name)
    table = call.live.snapshot.fleet
    resolution = call.live.resolve_now(table, text.removeprefix(f"{name}/"), pinned=name)
    if resolution.listed is not None:
        return resolution.listed
    refusal = resolution.refusal
    if refusal is None:
        raise request_error("model_not_found", f"provider '{name}' does not list a model '{text}'", "model")
    raise request_error(refusal.code, suggest(refusal.message, refusal.suggestions), "model")
