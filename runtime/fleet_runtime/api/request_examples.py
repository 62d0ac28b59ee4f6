"""Examples for the shapes of requests, series and speed."""

from __future__ import annotations

from typing import Final

from fleet_runtime.api.capture_shapes import Message, MessageHead, RequestCapture
from fleet_runtime.api.series_shapes import ModelSpeed, ProviderSpeed, SeriesPoint, SeriesReport, Speeds
from fleet_runtime.api.shapes import CaptureState, ModelCommand, ModelOutcome, RecentRequests
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.telemetry.activity_row import RequestActivity
from fleet_runtime.telemetry.series_cell import COLD_BOUNDS, FIRST_BYTE_BOUNDS, SPEED_BOUNDS

TIME: Final = "2026-11-21T20:00:00Z"

_REQUEST = RequestActivity(
    id="1f0c9a3e-41",
    request_id="4f2c8a",
    started_at="2026-11-21T20:00:00.250Z",
    phase="over",
    surface="boochat",
    endpoint="/v1/chat/completions",
    requested="@default",
    provider="sam-desktop",
    model="qwen3-8b",
    via="sidecar",
    fallback=False,
    retried=False,
    stream=True,
    state="loaded",
    status=200,
    code=None,
    end_reason="ok",
    first_byte=0.412,
    total=6.301,
    tokens_in=1320,
    tokens_out=412,
    tokens_cached=1204,
    tokens_per_second=69.8,
    bytes_in=5423,
    bytes_out=98220,
)
_HEADERS = (("content-type", "application/json"), ("authorization", "Bearer ***"))
_CAPTURED = Message(
    start="POST /boochat/v1/chat/completions HTTP/1.1",
    headers=_HEADERS,
    omitted=0,
    size=64,
    body='{"model":"@default","messages":[{"role":"user","content":"hi"}]}',
    body_base64=None,
    body_end=None,
    truncated=False,
)
_SENT = MessageHead(start="POST /v1/chat/completions HTTP/1.1", headers=_HEADERS, omitted=0, size=64)
_POINT = SeriesPoint(
    at=TIME,
    requests=12,
    errors={"client_gone": 1},
    failed=0,
    in_flight=2,
    waiting=0,
    first_byte=(0, 0, 1, 8, 2, 0, 0, 0, 0, 0),
    cold=(),
    speed=(0, 0, 0, 0, 0, 9, 2, 0, 0, 0),
    tokens_in=15840,
    tokens_out=4944,
    latency=0.0041,
    status={"online": 300},
)
_SPEED = ProviderSpeed(
    provider="sam-desktop",
    id="sam-desktop/qwen3-8b",
    state="loaded",
    context=32768,
    requests=412,
    warm_ms=310,
    cold_ms=8200,
    tokens_per_second=69.8,
    tokens_in=543_840,
    tokens_out=169_744,
)
_MODEL_SPEED = ModelSpeed(model="qwen3-8b", providers=(_SPEED,))

REQUEST_EXAMPLES: Final[tuple[ApiShape, ...]] = (
    _REQUEST,
    CaptureState(keep=50, body=64_000),
    _CAPTURED,
    _SENT,
    RequestCapture(
        id="1f0c9a3e-41",
        request_id="4f2c8a",
        request=_CAPTURED,
        sent=_SENT,
        received=None,
        response=None,
        curl=None,
    ),
    _POINT,
    SeriesReport(
        provider="sam-desktop",
        model=None,
        range="day",
        step=300,
        begin="2026-11-20T20:05:00Z",
        steps=288,
        first_byte_bounds=FIRST_BYTE_BOUNDS,
        cold_bounds=COLD_BOUNDS,
        speed_bounds=SPEED_BOUNDS,
        points=(_POINT,),
    ),
    _SPEED,
    _MODEL_SPEED,
    Speeds(models=(_MODEL_SPEED,)),
    ModelCommand(model="qwen3-8b"),
    ModelOutcome(provider="sam-desktop", model="qwen3-8b", state="loaded", running=()),
    RecentRequests(running=(), requests=(_REQUEST,)),
)
