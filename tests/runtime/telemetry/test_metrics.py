"""``/metrics`` counts what happened, under names that docs/gateway.md lists, at next to no cost."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet_runtime.artifacts.contract import ProviderStatus
from fleet_runtime.artifacts.snapshot import load_snapshot
from fleet_runtime.event_log import EventLog
from fleet_runtime.gateway.live_snapshot import LiveSnapshot, build_live_snapshot
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.exposition import Family
from fleet_runtime.telemetry.finished_requests import MOST
from fleet_runtime.telemetry.metrics import Metrics
from fleet_runtime.telemetry.tallies import OVERHEAD_SECONDS, SECONDS, Histogram
from fleet_runtime.telemetry.token_counts import Tokens
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.paths import DOCS
from tests.support.process import gateway_process
from tests.support.raw_client import ask
from tests.support.raw_server import raw_server, responding

PAGE = DOCS / "gateway.md"
CHAT = "/boochat/v1/chat/completions"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Fleet:
    """Two providers at rest."""

    def __init__(self, folder: Path) -> None:
        write_generated(
            folder, gateway(connection("a", wake={"mac": "02:00:00:00:00:01"}), connection("b", poll=False))
        )
        self.live: LiveSnapshot = build_live_snapshot(load_snapshot(folder), {}, EventLog())
        self.refused: str | None = None
        self.is_store_up = True
        self.log_lines_dropped: Callable[[], int] = lambda: 0
        self.providers: Iterable[Provider] = self.live.providers.values()

    @property
    def statuses(self) -> dict[str, ProviderStatus]:
        return {name: state.status for name, state in self.live.inventory.states.items()}


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return Metrics(Fleet(tmp_path / "generated"))


def samples(text: bytes) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics.exposition()).get((name, tuple(sorted(labels.items()))))


def record(**fields: Any) -> RequestRecord:
    """A request that took a second: 0.2 ms ours, 99.8 ms the provider's until its first byte."""
    told = RequestRecord(
        "id", "boochat", "/v1/chat/completions", provider="a", model="m", via="direct", status=200
    )
    told.sent_at, told.headers_at, told.gateway_seconds, told.upstream_seconds = (
        told.started_at + 0.0001,
        told.started_at + 0.0999,
        0.0002,
        0.0998,
    )
    told.first_byte_at, told.finished_at = told.started_at + 0.1, told.started_at + 1.0
    for name, given in fields.items():
        setattr(told, name, given)
    return told


def test_a_request_is_counted_by_surface_provider_and_end(metrics: Metrics) -> None:
    metrics.add([record(bytes_in=100, bytes_out=2000)])
    metrics.add([record(bytes_in=1, end_reason="upstream_cut", retried=True, fallback=True)])
    labels = {"surface": "boochat", "provider": "a"}
    assert value(metrics, "fleet_requests_total", **labels, end_reason="ok") == 1
    assert value(metrics, "fleet_requests_total", **labels, end_reason="upstream_cut") == 1
    assert value(metrics, "fleet_request_bytes_total", provider="a") == 101
    assert value(metrics, "fleet_response_bytes_total", provider="a") == 2000
    assert value(metrics, "fleet_retries_total", provider="a") == 1
    assert value(metrics, "fleet_fallbacks_total", provider="a") == 1


def test_times_fall_into_the_smallest_bucket_that_holds_them(metrics: Metrics) -> None:
    metrics.add([record()])
    for name, below, above in (
        ("fleet_first_byte_seconds", "0.05", "0.25"),
        ("fleet_request_seconds", "0.5", "2.5"),
        ("fleet_overhead_seconds", "0.0001", "0.00025"),
    ):
        assert value(metrics, f"{name}_bucket", provider="a", le=below) == 0
        assert value(metrics, f"{name}_bucket", provider="a", le=above) == 1
        assert value(metrics, f"{name}_bucket", provider="a", le="+Inf") == 1
        assert value(metrics, f"{name}_count", provider="a") == 1


@pytest.mark.parametrize("bounds", [SECONDS, OVERHEAD_SECONDS])
def test_a_bound_belongs_to_its_own_bucket(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(bounds)
    histogram = Histogram(bounds)
    for bound in (*bounds, bounds[-1] + 1):
        histogram.observe([bound])
    buckets = list(histogram.buckets())
    assert [count for _, count in buckets] == list(range(1, len(bounds) + 2))
    assert buckets[-1][0] == "+Inf"


def test_a_request_that_was_not_sent_to_a_provider_has_no_times(metrics: Metrics) -> None:
    metrics.add([record(provider=None, surface=None, sent_at=None, headers_at=None, end_reason="refused")])
    assert value(metrics, "fleet_requests_total", surface="none", provider="none", end_reason="refused") == 1
    assert value(metrics, "fleet_request_seconds_count", provider="none") == 0


def test_only_requests_for_a_provider_are_counted(metrics: Metrics) -> None:
    metrics.add([record(inference=False, endpoint="/api/fleet")])
    assert not any(name == "fleet_requests_total" for name, _ in samples(metrics.exposition()))


def test_nothing_that_a_client_wrote_becomes_a_label(metrics: Metrics) -> None:
    metrics.add([record(requested="secret-model", model="secret-model", endpoint="/v1/audio/secret-model")])
    assert b"secret-model" not in metrics.exposition()


def test_every_provider_has_exactly_one_status(metrics: Metrics) -> None:
    found = samples(metrics.exposition())
    statuses = [(labels, value) for (name, labels), value in found.items() if name == "fleet_provider_status"]
    assert len(statuses) == 2 * len(get_args(ProviderStatus))
    assert sum(value for _, value in statuses) == 2
    assert found["fleet_provider_status", (("provider", "a"), ("status", "unknown"))] == 1


def test_requests_in_flight_are_those_of_all_providers_of_a_name(tmp_path: Path) -> None:
    fleet, former = Fleet(tmp_path / "now"), Fleet(tmp_path / "before")
    fleet.live.providers["a"].in_flight["m"] = 2
    former.live.providers["a"].in_flight["m"] = 3
    fleet.providers = [*fleet.live.providers.values(), *former.live.providers.values()]
    metrics = Metrics(fleet)
    assert value(metrics, "fleet_in_flight", provider="a") == 5
    assert value(metrics, "fleet_in_flight", provider="b") == 0


def test_a_label_may_hold_any_character() -> None:
    name = 'a "b"\\ c\n'
    text = Family("shown", "gauge", "a label", ("name",)).sample(1, name)
    assert samples(text.encode()) == {("shown", (("name", name),)): 1}


@pytest.mark.anyio
async def test_the_text_made_in_turns_is_the_same(metrics: Metrics) -> None:
    metrics.add([record()])
    made, others = await metrics.exposition_in_turns(), metrics.exposition()
    assert [line for line in made.splitlines() if b"fleet_" in line] == [
        line for line in others.splitlines() if b"fleet_" in line
    ]


def test_reloads_are_counted_by_their_result(metrics: Metrics) -> None:
    metrics.reloaded("refused")
    metrics.reloaded("refused")
    assert value(metrics, "fleet_reloads_total", result="refused") == 2
    assert value(metrics, "fleet_reloads_total", result="loaded") == 0


def test_a_rejected_configuration_and_dropped_log_lines_show(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    metrics = Metrics(fleet)
    metrics.count_tokens([(record(), Tokens(7, 5, None), 0.0)])
    assert value(metrics, "fleet_tokens_total", provider="a", direction="out") == 5
    assert value(metrics, "fleet_tokens_total", provider="a", direction="cached") == 0
    assert value(metrics, "fleet_wakes_total", provider="a", result="failed") == 0
    assert value(metrics, "fleet_snapshot_refused") == value(metrics, "fleet_log_lines_dropped_total") == 0
    assert value(metrics, "fleet_store_up") == 1
    fleet.is_store_up = False
    fleet.refused, fleet.log_lines_dropped = "a file is missing", lambda: 7
    assert value(metrics, "fleet_store_up") == 0
    assert value(metrics, "fleet_snapshot_refused") == 1
    assert value(metrics, "fleet_log_lines_dropped_total") == 7


def test_docs_list_exactly_the_metrics_there_are(metrics: Metrics) -> None:
    metrics.add([record()])
    metrics.count_tokens([(record(), Tokens(7, 5, None), 0.0)])
    families = text_string_to_metric_families(metrics.exposition().decode())
    ours = {
        (f"{family.name}_total" if family.type == "counter" else family.name, tuple(_labels(family.samples)))
        for family in families
        if family.name.startswith("fleet_")
    }
    rows = re.findall(r"^\| `(fleet_\w+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {(name, tuple(sorted(re.findall(r"`(\w+)`", labels)))) for name, labels in rows}
    assert documented == ours


def _labels(found: Iterable[Any]) -> list[str]:
    return sorted({label for sample in found for label in sample.labels} - {"le"})


@pytest.mark.slow
def test_counting_a_request_costs_at_most_3_microseconds(metrics: Metrics) -> None:
    told = [record(bytes_in=100, bytes_out=2000)] * MOST
    best = float("inf")
    for _ in range(50):
        started_at = time.perf_counter()
        for _ in range(32):
            metrics.add(told)
        best = min(best, (time.perf_counter() - started_at) / (32 * MOST))
    assert best <= 3e-6


@pytest.mark.anyio
async def test_the_metrics_require_a_key_for_everything(tmp_path: Path) -> None:
    unary = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    async with raw_server(responding(unary)) as server:
        keys = {"all": {"env": "ALL"}, "chat": {"env": "CHAT", "surfaces": ["boochat"]}}
        machine = connection("a", server.url, poll=False, declared={"m": {}})
        write_generated(tmp_path / "generated", gateway(machine, keys=keys))
        env = {"ALL": "key-all", "CHAT": "key-chat"}
        async with gateway_process(tmp_path / "generated", env=env) as served:
            for body in ({"model": "a/m"}, {"model": "a/nothing"}, {"model": "a/m"}):
                await ask(served.port, CHAT, body, {"x-api-key": "key-chat"})
            await ask(served.port, CHAT, {"model": "a/m"}, {"x-api-key": "wrong"})
            assert (await ask(served.port, "/metrics")).status == 401
            assert (await ask(served.port, "/metrics", headers={"x-api-key": "key-chat"})).status == 403
            told = await ask(served.port, "/metrics", headers={"x-api-key": "key-all"})
            assert told.header(b"content-type") == [b"text/plain; version=0.0.4; charset=utf-8"]
            found = samples(told.body)

    def requests(provider: str, end_reason: str) -> float:
        labels = (("end_reason", end_reason), ("provider", provider), ("surface", "boochat"))
        return found["fleet_requests_total", labels]

    assert (requests("a", "ok"), requests("a", "refused"), requests("none", "refused")) == (2, 1, 1)
    assert found["fleet_in_flight", (("provider", "a"),)] == 0
    assert found["fleet_overhead_seconds_count", (("provider", "a"),)] == 2
    assert found["process_open_fds", ()] > 0
