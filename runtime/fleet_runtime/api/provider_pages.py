"""``/props``, ``/slots`` and ``/health`` of one provider, as llama.cpp's own tools read them.

They are forwarded only to kinds of servers that do not load, swap or wake a model because of them, and
without the query: with ``model``, llama-server's router and llama-swap would load it. `/slots` wakes a
sleeping llama-server, so `/props`, which does not, is read first.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fleet_runtime.api.call import Call
from fleet_runtime.api.fleet import ProviderName
from fleet_runtime.api.operation import Operation, Reply, operation
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.status_reason import reason_text
from fleet_runtime.errors import request_error
from fleet_runtime.providers.transport import send_probe_request
from fleet_runtime.routing.resolver import in_snapshot

PAGES: Final = ("/props", "/slots", "/health")
SERVED_BY: Final = {"llama-server": PAGES, "llama-swap": ("/health",), "vllm": ("/health",)}
"""The pages of each kind of server that load nothing."""
SECONDS: Final = 10.0


def _page(path: str) -> Operation:
    @operation("GET", f"/providers/{{name}}{path}", f"Show {path} of a provider", described=False)
    async def show_page(call: Call, name: ProviderName) -> Reply:
        return await read_page(call, name, path)

    return show_page


OPERATIONS: Final = tuple(map(_page, PAGES))


async def read_page(call: Call, name: str, path: str) -> Reply:
    """Return the provider's response; raises `RequestError` if it does not have the page, or would load a
    model."""
    present = call.live.snapshot.fleet.names.get(name)
    if present is None:
        raise request_error("not_found", in_snapshot(f"unknown provider '{name}'", call.live.snapshot.id))
    kind = call.live.inventory.states[present].kind
    if path not in SERVED_BY.get(kind, ()):
        message = f"provider '{present}' ({kind}) does not have a '{path}' that is safe to read"
        raise request_error("not_found", message)
    if call.live.inventory.states[present].status == "disabled":
        raise request_error("provider_disabled", f"provider '{present}' is disabled")
    if path == "/slots" and _sleeps(await _get(call, present, "/props")):
        message = f"the model of provider '{present}' sleeps, and reading '{path}' would wake it"
        raise request_error("model_asleep", message)
    found = await _get(call, present, path)
    return Reply(found.body, (), found.status, found.headers.get("content-type", "application/json"))


async def _get(call: Call, name: str, path: str) -> ProbeResponse:
    found = await send_probe_request(call.live.providers[name], ProbeRequest(path), SECONDS)
    if found.reason is not None:
        code = "upstream_error" if found.status else "provider_unreachable"
        raise request_error(code, f"provider '{name}': {reason_text(found.reason)}")
    return found


def _sleeps(props: ProbeResponse) -> bool:
    """Return whether a llama-server reports that it sleeps."""
    try:
        data: Any = msgspec.json.decode(props.body)
    except ValueError:
        return False
    return isinstance(data, dict) and data.get("is_sleeping") is True
