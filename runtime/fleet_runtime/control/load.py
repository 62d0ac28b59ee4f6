"""Load and unload a model on a provider whose kind of server supports it.

A server may respond before the model is loaded (llama.cpp's router) or after (llama-swap, Ollama). In both
cases the caller waits until a probe shows the requested state or a failure.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from fleet_runtime.artifacts.contract import ModelState
from fleet_runtime.dialects.commands import Commands
from fleet_runtime.dialects.messages import ProbeRequest
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.dialects.status_reason import reason_text
from fleet_runtime.errors import RequestError, request_error
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.providers.health import ProviderState
from fleet_runtime.providers.transport import send_probe_request
from fleet_runtime.text import quote, shorten

LOOK_SECONDS: Final = 1.0
BEGIN_SECONDS: Final = 3.0
"""If a model is not loading within this time after the server accepted the command, it will not be loaded."""
UNLOAD_SECONDS: Final = 30.0
MAX_MESSAGE: Final = 300
"""The maximum length of a server's message."""


class _Detail(msgspec.Struct):
    message: str | None = None


class _Failure(msgspec.Struct):
    error: _Detail | str | None = None


def find_commands(state: ProviderState) -> Commands | None:
    """Return the provider's commands to load and unload models; None if it has none, or was never probed."""
    listing = None if state.observation is None else state.observation.listing
    dialect = KINDS.get(state.kind)
    return None if dialect is None or listing is None else listing.once(dialect.commands)


async def load_model(live: LiveSnapshot, provider: str, model: str) -> ModelState:
    """Load `model` and return when it is loaded or its server gave up.

    Raises `RequestError` (`not_supported`, `upstream_error`, `upstream_timeout`, `provider_unreachable`).
    """
    commands = _commands(live, provider, model)
    if await _is_already(live, provider, model, "loaded"):
        return "loaded"
    listed = live.inventory.listings[provider].models.get(model)
    patience = live.providers[provider].config.timeouts.first_byte
    purpose = "chat" if listed is None or listed.purpose is None else listed.purpose
    await _send(live, provider, commands.load(model, purpose), patience)
    state = await _until(live, provider, model, "loaded", patience)
    if state == "unloaded":
        raise request_error("upstream_error", f"provider '{provider}' failed to load model {quote(model)}")
    return state


async def unload_model(live: LiveSnapshot, provider: str, model: str) -> ModelState:
    """Unload `model` and return when a probe shows it as unloaded; raises as `load_model`."""
    commands = _commands(live, provider, model)
    if await _is_already(live, provider, model, "unloaded"):
        return "unloaded"
    async with live.inventory.between_probes(provider):  # one reads of loaded models what would load them
        await _send(live, provider, commands.unload(model), UNLOAD_SECONDS)
    return await _until(live, provider, model, "unloaded", UNLOAD_SECONDS)


async def _is_already(live: LiveSnapshot, provider: str, model: str, wanted: ModelState) -> bool:
    """Return whether the model has a state, also by a probe that begins now: what is known may be old."""
    if live.state(provider, model) != wanted:
        return False
    await live.inventory.probe_again(provider)
    return live.state(provider, model) == wanted


def _commands(live: LiveSnapshot, provider: str, model: str) -> Commands:
    state = live.inventory.states[provider]
    if state.status in ("offline", "disabled"):
        code = "provider_disabled" if state.status == "disabled" else "provider_unreachable"
        why = "" if state.reason is None else f": {reason_text(state.reason)}"
        raise request_error(code, f"provider '{provider}' is {state.status}{why}")
    commands = find_commands(state)
    if commands is None:
        able = "llama-swap, llama.cpp's router and Ollama have one"
        message = f"provider '{provider}' ({state.kind}) has no command to load or unload: only {able}"
        raise request_error("not_supported", message)
    if model in commands.forwarded:
        message = (
            f"provider '{provider}' forwards {quote(model)} to another model or server: load or unload that"
        )
        raise request_error("not_supported", message)
    return commands


async def _send(live: LiveSnapshot, provider: str, request: ProbeRequest, seconds: float) -> None:
    response = await send_probe_request(live.providers[provider], request, seconds)
    if response.status == 0:
        why = "" if response.reason is None else f": {reason_text(response.reason)}"
        slow = response.reason is not None and response.reason.code == "no_response"
        code = "upstream_timeout" if slow else "provider_unreachable"
        raise request_error(code, f"provider '{provider}' did not respond{why}")
    if response.status >= 400 and not _is_done_already(response.body):
        raise _refused(provider, response.status, response.body)


def _refused(provider: str, status: int, body: bytes) -> RequestError:
    try:
        error = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        error = None
    said = error.message if isinstance(error, _Detail) else error
    text = f": {quote(shorten(said, MAX_MESSAGE))}" if said else ""
    return request_error("upstream_error", f"provider '{provider}' responded with {status}{text}")


def _is_done_already(body: bytes) -> bool:
    """Return whether a router reports that the model is already loaded or unloaded, because another client
    was faster."""
    return b"already running" in body or b"is not running" in body


async def _until(
    live: LiveSnapshot, provider: str, model: str, wanted: ModelState, seconds: float
) -> ModelState:
    """Probe until the model has the `wanted` state or fails to reach it; return the last state."""
    started = time.monotonic()
    was_loading = False
    while True:
        await live.inventory.probe(provider)
        state = live.state(provider, model)
        elapsed = time.monotonic() - started
        gave_up = state == "unloaded" and (was_loading or elapsed > BEGIN_SECONDS)
        if state in (wanted, "unknown") or gave_up or elapsed > seconds:
            return state
        was_loading = state == "loading"
        await asyncio.sleep(LOOK_SECONDS)
