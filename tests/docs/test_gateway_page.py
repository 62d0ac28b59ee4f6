"""docs/gateway.md says what the gateway does: codes, paths, end reasons, limits."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from fleet_runtime.api.app import OPERATIONS
from fleet_runtime.artifacts.contract import GatewayConfig, Limits, PollSettings, ProviderStatus, Timeouts
from fleet_runtime.dialects.bounds import MAX_MODELS
from fleet_runtime.edge.interfaces import TimeLimits
from fleet_runtime.errors import ERROR_KINDS
from fleet_runtime.events import Topic
from fleet_runtime.gateway import service
from fleet_runtime.providers.limiter import QUEUE_PER_SLOT
from fleet_runtime.providers.transport import MAX_LIST_BYTES
from fleet_runtime.proxy.endpoints import ENDPOINTS, Endpoint
from fleet_runtime.proxy.request_record import EndReason
from fleet_runtime.telemetry.metrics import ReloadResult
from fleet_runtime.upstream.address import DEAD_AFTER
from tests.support.paths import DOCS

PAGE = DOCS / "gateway.md"
TEXT = PAGE.read_text(encoding="utf-8")


def row(what: str) -> str:
    [found] = [line for line in TEXT.splitlines() if line.startswith(f"| {what}")]
    return found


def test_every_error_code_has_its_row_and_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", TEXT, re.MULTILINE)
    assert {code: int(status) for code, status in rows} == {
        code: fault.status for code, fault in ERROR_KINDS.items()
    }
    assert len(rows) == len(ERROR_KINDS)


@pytest.mark.parametrize("reason", get_args(EndReason))
def test_every_end_reason_is_explained(reason: str) -> None:
    assert f"`{reason}`" in TEXT


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_every_proxied_path_is_listed(endpoint: Endpoint) -> None:
    path = endpoint.path.removeprefix("/v1/").removeprefix("/")
    assert re.search(rf"`(<base>/(v1/)?)?{re.escape(path)}`", TEXT)


def test_every_path_of_the_api_is_listed() -> None:
    listed = set(re.findall(r"`(/[^`?]*)", TEXT))
    for operation in OPERATIONS:
        assert re.sub(r"{(\w+)}", r"<\1>", operation.path) in listed


def test_events_reloads_and_statuses_are_named() -> None:
    assert all(f"`{topic}`" in row("`/api/events`") for topic in get_args(Topic))
    assert all(f"`{result}`" in row("`fleet_reloads_total`") for result in get_args(ReloadResult))
    assert "config_error" in get_args(ProviderStatus)


def test_changes_that_need_a_restart_are_documented() -> None:
    said = TEXT.partition("**What needs a restart**")[2].partition("\n\n")[0]
    assert all(f"`gateway.{key}`" in said for key in service.NEEDS_RESTART)


def test_limits_and_timeouts_are_those_of_the_code() -> None:
    timeouts, inventory, limits = Timeouts(), PollSettings(), Limits()
    assert f"{limits.body // 1_000_000} MB, else 413" in row("a request's body")
    assert f"{limits.memory // 1_000_000} MB, else 503" in row("the bodies of all requests")
    assert f"{limits.stall:g} s without progress" in row("a client that does not read")
    assert f"| {DEAD_AFTER:g} s" in row("a provider that vanished")
    assert f"{limits.head // 1024} KB, else 431" in row("a request's headers | 64")
    assert f"{TimeLimits().head:g} s" in row("a request's headers, first byte")
    assert f"{TimeLimits().body:g} s" in row("between two chunks of a request's body")
    assert f"{TimeLimits().idle:g} s" in row("a connection without a request")
    assert f"| {timeouts.connect:g} s" in row("connecting to a provider")
    assert f"| {timeouts.first_byte:g} s" in row("sending to a provider")
    assert f"| {timeouts.idle:g} s" in row("between two chunks of a response")
    assert f"{inventory.timeout:g} s, every {inventory.interval:g} s" in row("a probe of a provider")
    assert f"| {inventory.grace:g} s" in row("a provider that stops responding")
    assert f"| {GatewayConfig.model_fields['drain'].default:g} s" in row("running requests after SIGTERM")
    assert f"{MAX_LIST_BYTES // 1_000_000} MB and {MAX_MODELS} models" in row("a provider's model list")
    assert QUEUE_PER_SLOT == 4
