"""Probing providers: a silent, slow or hostile one affects no other, and no key is sent to the wrong one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.lock.discover import ProbeLimits, connectable_url, discover
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.artifacts.polling import is_polled
from fleet_runtime.dialects.details import MAX_DETAILS
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import UNSENT, StatusReason
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread

IMPATIENT = ProbeLimits(response=2, total=4)
"""For a provider that does not end a response; long enough for all others on a busy computer."""
CANARY = "canary-5f0a1c"


def machine(name: str, url: str, **more: Any) -> ProviderConfig:
    known = {
        "name": name,
        "label": name,
        "class": "local",
        "kind": "auto",
        "url": url,
        "api_base": f"{url}/v1",
    }
    return ProviderConfig.model_validate(known | more)


@pytest.fixture(scope="module")
def machines() -> Iterator[SimulationThread]:
    models = (SimulatedModel("qwen3-8b", ttl=1), SimulatedModel("bge-m3", purpose="embedding"))
    with SimulationThread([ServerSpec("good", models=models), ServerSpec("bad", models=models)]) as running:
        yield running


@pytest.fixture
def bad(machines: SimulationThread) -> Iterator[SimulationThread]:
    """The providers; whatever `bad` was made to do ends with the test."""
    yield machines
    machines.reset("bad")


def ask(machines: SimulationThread, limits: ProbeLimits | None = None) -> dict[str, Observation]:
    both = [machine("good", machines.url("good")), machine("bad", machines.url("bad"))]
    return discover(both, Path(), {}, limits=limits)


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        ({"list_body": "<html>hello</html>"}, "degraded"),
        ({"list_body": "{}"}, "degraded"),
        ({"list_body": '{"data": null}'}, "degraded"),
        ({"list_body": "[" * 100_000}, "degraded"),
        ({"list_body": '{"data": [' + '{"id": "x"},' * 1_000_000 + '{"id": "y"}]}'}, "degraded"),
        ({"list_endless": True}, "degraded"),
        ({"hang": True}, "offline"),
        ({"list_status": 500}, "degraded"),
        ({"list_status": 401}, "config_error"),
        ({"redirect_to": "http://127.0.0.1:1/v1/models"}, "degraded"),
        ({"drop_at_byte": 40}, "offline"),
        ({"drop_at_byte": 200}, "degraded"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_fault_18_a_hostile_provider_harms_no_other(
    bad: SimulationThread, behaviour: dict[str, Any], status: str
) -> None:
    """HTML, no list, a huge or endless one, silence, refusal, a redirect, a cut response."""
    bad.set("bad", **behaviour)
    endless = behaviour.keys() & {"hang", "list_endless"}
    seen = ask(bad, IMPATIENT if endless else None)
    assert seen["good"].status == "online"
    assert set(seen["good"].models) == {"qwen3-8b", "bge-m3"}
    assert seen["bad"].status == status
    assert seen["bad"].reason


def test_a_redirect_is_not_followed(bad: SimulationThread) -> None:
    bad.set("bad", redirect_to=bad.url("good") + "/v1/models")
    asked_before = len(bad.records("good"))
    discover([machine("bad", bad.url("bad"))], Path(), {})
    assert len(bad.records("good")) == asked_before


def test_a_closed_port_and_an_unknown_host_are_distinguished() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = machine("closed", f"http://127.0.0.1:{free.getsockname()[1]}")
        seen = discover([closed], Path(), {})
    assert seen["closed"].reason == StatusReason("connection_refused")


def test_what_is_not_http_is_said_to_be_none(machines: SimulationThread) -> None:
    port = machines.url("good").rpartition(":")[2]
    seen = discover([machine("tls", f"https://127.0.0.1:{port}")], Path(), {})
    assert seen["tls"].status == "offline"
    assert seen["tls"].reason == StatusReason("tls_not_spoken")


def test_each_provider_gets_its_own_key_and_no_other(bad: SimulationThread, tmp_path: Path) -> None:
    (tmp_path / "good.key").write_text("key-of-good\n")
    bad.reset("good")
    both = [
        machine("good", bad.url("good"), api_key_file="good.key"),
        machine("bad", bad.url("bad"), api_key_env="BAD_KEY"),
    ]
    discover(both, tmp_path, {"BAD_KEY": CANARY, "OTHER": "other"})
    sent = {
        name: {record.header("authorization") for record in bad.records(name)} for name in ("good", "bad")
    }
    assert sent == {"good": {"Bearer key-of-good"}, "bad": {f"Bearer {CANARY}"}}


@pytest.mark.parametrize("environ", [{}, {"BAD_KEY": ""}, {"BAD_KEY": "two words"}, {"BAD_KEY": "a\r\nx: y"}])
def test_a_provider_whose_key_cannot_be_used_is_not_probed(
    bad: SimulationThread, environ: dict[str, str]
) -> None:
    bad.reset("bad")
    keyed = machine("bad", bad.url("bad"), api_key_env="BAD_KEY")
    seen = discover([keyed], Path(), environ)
    assert seen["bad"].reason is not None
    assert (seen["bad"].reason.code in UNSENT, seen["bad"].reason.env) == (True, "BAD_KEY")
    assert bad.records("bad") == []


def test_a_ca_file_that_cannot_be_used_is_named(machines: SimulationThread) -> None:
    both = [
        machine("good", machines.url("good")),
        machine("bad", "https://127.0.0.1:1", ca_file="missing.pem"),
    ]
    seen = discover(both, Path(), {})
    assert seen["good"].status == "online"
    assert seen["bad"].reason == StatusReason("ca_file_unusable", file="missing.pem")


def test_proxies_of_the_environment_are_not_used(
    machines: SimulationThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    seen = discover([machine("good", machines.url("good"))], Path(), {})
    assert seen["good"].status == "online"


def test_probing_loads_and_keeps_no_model(bad: SimulationThread) -> None:
    for name in ("good", "bad"):
        bad.reset(name)
    for _ in range(3):
        ask(bad)
    for name in ("good", "bad"):
        counters = bad.counters(name)
        assert (counters["loads"], counters["ttl_resets"], counters["inference"]) == (0, 0, 0)


def test_progress_is_reported_as_it_comes(bad: SimulationThread) -> None:
    """The quick provider is told of before the slow one, whatever their order."""
    bad.set("bad", hang=True)
    told: list[str] = []
    both = [machine("bad", bad.url("bad")), machine("good", bad.url("good"))]
    discover(both, Path(), {}, limits=IMPATIENT, progress=lambda provider, _: told.append(provider.name))
    assert told == ["good", "bad"]


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, True),
        ({"poll": 30}, True),
        ({"poll": False}, False),
        ({"enabled": False}, False),
        ({"class": "cloud"}, True),
        ({"class": "cloud", "declared": {"m": {}}}, False),
        ({"class": "cloud", "declared": {"m": {}}, "poll": 60}, True),
        ({"declared": {"m": {}}}, True),
    ],
)
def test_which_providers_are_polled(settings: dict[str, Any], asked: bool) -> None:
    assert is_polled(machine("desk", "http://127.0.0.1:1", **settings)) is asked


def test_an_ollama_with_many_models_is_queried_for_all_of_them() -> None:
    """A probe requests a few models only; a lock takes as many probes as it needs."""
    models = tuple(SimulatedModel(f"m{number}") for number in range(MAX_DETAILS + 6))
    with SimulationThread([ServerSpec("nas", kind="ollama", models=models)]) as running:
        seen = discover([machine("nas", running.url("nas"))], Path(), {})["nas"]
    assert (seen.status, len(seen.models), seen.waiting) == ("online", len(models), ())
    assert all(facts.purpose == "chat" for facts in seen.models.values())


@pytest.mark.parametrize("zone", ["%25lo", "%lo", "%1"])
def test_a_zone_of_an_ipv6_address_is_written_so_that_the_system_knows_it(zone: str) -> None:
    number = socket.if_nametoindex("lo")
    zone = zone if zone != "%1" else f"%{number}"
    assert connectable_url(f"http://[fe80::1{zone}]:8080/v1") == f"http://[fe80::1%{number}]:8080/v1"
    assert connectable_url("http://box:8080/v1") == "http://box:8080/v1"
