"""What servers say of their memory, read from the responses that probes request anyway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.dialects.messages import ProbeResponse
from fleet_runtime.dialects.server_memory import Gpu, ModelMemory, ServerMemory, moment, read_gauges, size
from tests.runtime.dialects.probing import answer, listing, probe, replay

METRICS = b"""\
# HELP llamaswap_memory_total_bytes Total memory in bytes
# TYPE llamaswap_memory_total_bytes gauge
llamaswap_memory_total_bytes 67108864000
llamaswap_memory_used_bytes 12884901888
llamaswap_gpu_temperature_celsius{id="0",name="RTX 4090",uuid="GPU-1"} 41
llamaswap_gpu_util_percent{id="0",name="RTX 4090",uuid="GPU-1"} 38
llamaswap_gpu_memory_used_bytes{id="0",name="RTX 4090",uuid="GPU-1"} 6.1e+09
llamaswap_gpu_memory_total_bytes{id="0",name="RTX 4090",uuid="GPU-1"} 2.4e+10
llamaswap_gpu_memory_total_bytes{id="1",name="RTX 3060",uuid="GPU-2"} 1.2e+10
"""
SWAP = {"id": "m", "owned_by": "llama-swap", "status": {"value": "loaded"}}


def test_ollama_reports_the_size_and_expiry_of_a_loaded_model() -> None:
    loaded = {"model": "m:latest", "size": 5_600, "size_vram": 5_000, "expires_at": "2026-11-21T20:05:00Z"}
    forever = {"model": "n:latest", "size": 7, "size_vram": 0, "expires_at": "2318-01-01T00:00:00Z"}
    run = probe(
        {
            "/models": listing(*({"id": id, "owned_by": "library"} for id in ("m:latest", "n:latest"))),
            "/api/ps": answer({"models": [loaded, forever]}),
        }
    )
    assert run.seen.memory is not None
    assert run.seen.memory.models == {
        "m:latest": ModelMemory(5_600, 5_000, "2026-11-21T20:05:00Z"),
        "n:latest": ModelMemory(7, None, None),
    }


def test_llama_swap_reports_ram_and_gpus_and_is_queried_again_unless_it_has_none() -> None:
    answers = {
        "/models": listing(SWAP),
        "/running": answer({"running": [{"model": "m", "state": "ready", "ttl": 300}]}),
        "/metrics": ProbeResponse(200, body=METRICS),
    }
    first = probe(answers)
    assert first.seen.memory == ServerMemory(
        {"m": ModelMemory(ttl=300)},
        None,
        67_108_864_000,
        12_884_901_888,
        (Gpu("RTX 4090", 24_000_000_000, 6_100_000_000, 38.0), Gpu("RTX 3060", 12_000_000_000)),
    )
    assert probe(answers, previous=first.seen).paths == ["/models", "/running", "/metrics"]
    without = probe({**answers, "/metrics": ProbeResponse(503, body=METRICS)})
    assert without.seen.memory == ServerMemory({"m": ModelMemory(ttl=300)}, no_gauges=True)
    assert probe(answers, previous=without.seen).paths == ["/models", "/running"]


@pytest.mark.parametrize("response", ["before the first sample", "none"])
def test_a_llama_swap_that_has_measured_nothing_yet_is_queried_again(response: str) -> None:
    """For as long as its monitor's interval, the real one responds with 200 and an empty body."""
    empty = replay("llama-swap-2026-08/metrics-before-the-first-sample")
    now = empty if response != "none" else ProbeResponse(0)
    answers = {"/models": listing(SWAP), "/running": answer({"running": []}), "/metrics": now}
    first = probe(answers).seen
    assert first.memory == ServerMemory()
    measured = probe({**answers, "/metrics": replay("llama-swap-2026-08/metrics")}, previous=first).seen
    assert measured.memory is not None
    assert measured.memory.ram_total == 25_275_924_480


def test_a_router_reports_how_many_models_fit_and_is_queried_once() -> None:
    answers = {
        "/models": replay("llama-server-router/models-initial"),
        "/props": replay("llama-server-router/props"),
    }
    first = probe(answers)
    assert first.seen.memory == ServerMemory(max_loaded=2)
    again = probe(answers, previous=first.seen)
    assert (again.paths, again.seen.memory) == (["/models"], first.seen.memory)


def test_a_llama_server_reports_how_many_requests_it_handles() -> None:
    answers = {"/models": replay("llama-server-2k/models"), "/props": replay("llama-server-2k/props")}
    memory = probe(answers).seen.memory
    assert memory is not None
    assert [each.slots for each in memory.models.values()] == [2]


@pytest.mark.parametrize("value", [None, "x", -1, 0, True, 1.5, 2**60, [], {}])
def test_what_is_not_a_size_or_a_time_is_not_known(value: object) -> None:
    assert size(value) is None
    assert moment(value) is None


@given(st.binary(max_size=300))
def test_no_bytes_of_a_response_make_reading_gauges_fail(text: bytes) -> None:
    read_gauges(text)
    read_gauges(b"llamaswap_gpu_memory_total_bytes{" + text + b"} 1\n")
