"""Make an entry of ``/api/activity`` from a request's record. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from msgspec import Meta

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import ModelState, Via
from fleet_runtime.proxy.exchange_state import ExchangeState
from fleet_runtime.proxy.request_record import EndReason, RequestRecord
from fleet_runtime.telemetry.token_counts import Tokens

Phase = Literal["receiving", "waking", "queued", "waiting", "responding", "over"]

MAX_TEXT: Final = 256
"""The maximum length of displayed text from clients (model names, paths)."""

_PHASES: Final[dict[ExchangeState, Phase]] = {
    ExchangeState.WAKING: "waking",
    ExchangeState.QUEUED: "queued",
    ExchangeState.CONNECTING: "waiting",
    ExchangeState.SENT: "waiting",
    ExchangeState.HEAD_HELD: "waiting",
    ExchangeState.RELAYING: "responding",
    ExchangeState.DONE: "over",
}


class RequestActivity(ApiShape, frozen=True, kw_only=True):
    """One request, without its text and key. Times are seconds since its headers; null means unknown.

    `state` is that of the model when the request was sent. Token counts are those that the provider reported
    at the end of its response, `tokens_cached` the part of `tokens_in` that was cached; `tokens_per_second`
    is the provider's figure, otherwise computed from a stream's tokens after the first byte.
    """

    id: str
    request_id: Annotated[str, Meta(description="`x-request-id`")]
    started_at: str
    phase: Annotated[Phase, Meta(description="`over` once it has an `end_reason`")]
    surface: str | None
    endpoint: str
    requested: Annotated[str | None, Meta(description="the model name in the request")]
    provider: str | None
    model: str | None
    via: Via | None
    fallback: bool
    retried: bool
    stream: bool
    state: ModelState | None
    status: Annotated[int | None, Meta(description="null before the response")]
    code: Annotated[str | None, Meta(description="the code of the gateway's error")]
    end_reason: EndReason | None
    first_byte: float | None
    total: float
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    tokens_per_second: float | None
    bytes_in: int
    bytes_out: int


def describe_request(
    id: str, record: RequestRecord, tokens: Tokens | None, started_at: float, state: ExchangeState, now: float
) -> RequestActivity:
    """Return a request's row; `started_at` in unix seconds, `now` as the record's times."""
    over = record.finished_at is not None
    first_byte = record.first_byte_at
    end = record.finished_at or now
    return RequestActivity(
        id=id,
        request_id=record.request_id,
        started_at=_moment(started_at),
        phase="over" if over else _PHASES.get(state, "receiving"),
        surface=record.surface,
        endpoint=record.endpoint[:MAX_TEXT],
        requested=None if record.requested is None else _encodable(record.requested[:MAX_TEXT]),
        provider=record.provider,
        model=None if record.model is None else _encodable(record.model[:MAX_TEXT]),
        via=record.via,
        fallback=record.fallback,
        retried=record.retried,
        stream=record.streamed,
        state=record.state,
        status=record.status or None,
        code=record.code,
        end_reason=record.end_reason if over else None,
        first_byte=None if first_byte is None else round(first_byte - record.started_at, 4),
        total=round(end - record.started_at, 4),
        tokens_in=None if tokens is None else tokens.prompt,
        tokens_out=None if tokens is None else tokens.response,
        tokens_cached=None if tokens is None else tokens.cached,
        tokens_per_second=tokens_per_second(record, tokens),
        bytes_in=record.bytes_in,
        bytes_out=record.bytes_out,
    )


def tokens_per_second(record: RequestRecord, tokens: Tokens | None) -> float | None:
    """Return the server's own figure, otherwise for a stream the tokens after the first byte divided by their
    time."""
    if tokens is None:
        return None
    if tokens.per_second is not None:
        return round(tokens.per_second, 2)
    first, last = record.first_byte_at, record.finished_at
    if not record.streamed or record.end_reason != "ok" or first is None or last is None:
        return None
    if tokens.response is None or tokens.response < 2 or last - first < 0.001:
        return None
    return round((tokens.response - 1) / (last - first), 2)


def _moment(seconds: float) -> str:
    """Return unix seconds as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
