"""The response to a model list request: whether it contains a list, and whether that changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias, TypeVar

from fleet_runtime.dialects.bounds import MAX_MODELS
from fleet_runtime.dialects.messages import ProbeResponse
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.text import quote

_CREATED = re.compile(rb'"created"\s*:\s*\d+')

Item: TypeAlias = Mapping[str, Any]
Meaning = TypeVar("Meaning")


@dataclass(frozen=True, slots=True)
class ModelListResponse:
    """A usable model list. `items` are its objects in order, whatever they hold; `envelope` is the JSON
    object around them, `server` the Server header. `null_data`: ``data`` was null instead of a list.
    `fingerprint`: equal for responses that say the same."""

    items: tuple[Item, ...]
    envelope: Item
    server: str = ""
    null_data: bool = False
    fingerprint: bytes = b""
    _read: dict[Callable[[ModelListResponse], Any], Any] = field(
        default_factory=dict, compare=False, repr=False
    )

    def once(self, read: Callable[[ModelListResponse], Meaning]) -> Meaning:
        """Return what `read`, a pure function, makes of this list; probes that get the same list share it."""
        if read not in self._read:
            self._read[read] = read(self)
        meaning: Meaning = self._read[read]
        return meaning


def fingerprint(response: ProbeResponse, *, dated: bool) -> bytes:
    """Return what distinguishes a response from others. Unless the list is `dated`, its `created` is the time
    of the response with most servers, which is ignored."""
    body = response.body if dated else _CREATED.sub(b"", response.body)
    return blake2b(response.headers.get("server", "").encode() + b"\n" + body, digest_size=16).digest()


def read_model_list(response: ProbeResponse) -> ModelListResponse | StatusReason:
    """Return the list in a response of status 200, or why it holds none."""
    value = decoded(response)
    if value is None:
        return _unreadable(response)
    server = response.headers.get("server", "")
    envelope = value if isinstance(value, dict) else {}
    data = value if isinstance(value, list) else envelope.get("data", "")
    if data is None:
        return ModelListResponse((), envelope, server, null_data=True)
    if not isinstance(data, list):
        return StatusReason("no_model_list")
    if len(data) > MAX_MODELS:
        return StatusReason("too_many_models", count=len(data), limit=MAX_MODELS)
    return ModelListResponse(tuple(item for item in data if isinstance(item, dict)), envelope, server)


def decoded(response: ProbeResponse) -> Any:
    """Return the JSON of a response of status 200; None if it has none, or is encoded in spite of the
    request."""
    if response.status != 200 or _encoding(response) != "identity":
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _encoding(response: ProbeResponse) -> str:
    return response.headers.get("content-encoding", "identity").strip().lower()


def _unreadable(response: ProbeResponse) -> StatusReason:
    if _encoding(response) != "identity":
        return StatusReason("encoded_response", detail=quote(_encoding(response))[1:-1])
    start = response.body[:200].lstrip().lower()
    if "html" in response.headers.get("content-type", "") or start.startswith((b"<!doctype", b"<html")):
        return StatusReason("not_json", detail="an HTML page")
    return StatusReason("not_json", detail="something that is not JSON" if start else "an empty body")
