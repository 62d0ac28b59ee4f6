"""Finding servers: each kind on its port, and nothing else is contacted."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from fleet_compiler.scan.hosts import Host
from fleet_compiler.scan.servers import FoundServer, ScanReport, report_scan, scan_hosts
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.simulator.spec import SimulatedKind
from tests.support.relay import Relay, relay

MODELS = (SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))
KINDS: tuple[SimulatedKind, ...] = ("llama-swap", "llama-server", "ollama", "vllm", "lmstudio")


@pytest.fixture(scope="module")
def machines() -> Iterator[SimulationThread]:
    """One of each kind."""
    specs = [
        ServerSpec(kind, kind=kind, models=MODELS[: 1 if kind == "llama-server" else 2]) for kind in KINDS
    ]
    with SimulationThread(specs) as running:
        yield running


def port_of(machines: SimulationThread, name: str) -> int:
    port = urlsplit(machines.url(name)).port
    assert port is not None
    return port


def test_every_kind_is_found_on_its_port_and_nothing_else_is_contacted(machines: SimulationThread) -> None:
    target = ("127.0.0.1", port_of(machines, "vllm"))
    ports = tuple(port_of(machines, kind) for kind in KINDS)
    with relay("127.0.0.2", target) as elsewhere, relay("127.0.0.1", target) as other_port:
        report = scan_hosts([Host("box", "127.0.0.1")], ports=ports)
        assert (elsewhere.connections, other_port.connections) == (0, 0)
    assert report.found == tuple(
        FoundServer(
            f"box-{kind}",
            machines.url(kind),
            f"{kind}, {'1 model' if kind == 'llama-server' else '2 models'}",
        )
        for kind in KINDS
    )


def test_no_model_is_loaded_by_a_scan(machines: SimulationThread) -> None:
    scan_hosts([Host("box", "127.0.0.1")], ports=(port_of(machines, "llama-swap"),))
    assert machines.counters("llama-swap")["loads"] == 0


def on(relayed: Relay, host: str) -> str:
    return f"http://{host}:{relayed.port}"


def test_a_host_with_one_server_gives_it_its_own_name(machines: SimulationThread) -> None:
    swap, ollama = port_of(machines, "llama-swap"), port_of(machines, "ollama")
    with relay("127.0.0.2", ("127.0.0.1", swap)) as box, relay("127.0.0.3", ("127.0.0.1", ollama)) as attic:
        hosts = [Host("box", "127.0.0.2"), Host("attic", "127.0.0.3"), Host("gone", "127.0.0.4")]
        report = scan_hosts(hosts, ports=(box.port, attic.port))
    assert report == ScanReport((
        FoundServer("box", on(box, "127.0.0.2"), "llama-swap, 2 models"),
        FoundServer("attic", on(attic, "127.0.0.3"), "ollama, 2 models"),
    ))  # fmt: skip


def test_a_port_that_is_named_is_the_only_one(machines: SimulationThread) -> None:
    swap = port_of(machines, "llama-swap")
    host = Host("local", "127.0.0.1", swap)
    report = scan_hosts([host], ports=(port_of(machines, "ollama"),))
    assert [server.url for server in report.found] == [f"http://127.0.0.1:{swap}"]


def test_a_server_that_wants_a_key_is_found() -> None:
    spec = ServerSpec("vllm", kind="vllm", models=MODELS, api_key="secret")
    with SimulationThread([spec]) as running:
        report = scan_hosts([Host("box", "127.0.0.1", port_of(running, "vllm"))])
    (found,) = report.found
    assert (found.name, found.summary, found.key_variable) == ("box", "requires an API key", "BOX_API_KEY")


def refusal(code: ReasonCode) -> Observation:
    return Observation("auto", "offline", StatusReason(code))


SWAP = Observation("llama-swap", "online")


def report(*seen: tuple[Host, int, Observation]) -> ScanReport:
    """A report of what was seen at hosts and ports."""
    return report_scan(
        {f"http://{host.address}:{port}": (host, port) for host, port, _ in seen},
        {f"http://{host.address}:{port}": observation for host, port, observation in seen},
    )


KEYED = Observation("auto", "config_error", StatusReason("key_rejected", path="/models", status=401))
BOX, HERE = Host("box", "192.168.1.20"), Host("local", "127.0.0.1")


def test_an_ollama_that_may_listen_on_loopback_only_is_suspected_on_another_host() -> None:
    assert report((BOX, 11434, refusal("connection_refused"))).closed_ollama == (BOX,)


@pytest.mark.parametrize(
    "seen",
    [
        [(HERE, 11434, refusal("connection_refused"))],
        [(BOX, 8080, refusal("connection_refused"))],
        [(BOX, 11434, refusal("connect_timeout"))],
        [(BOX, 8080, SWAP), (BOX, 11434, refusal("connection_refused"))],
    ],
    ids=["this computer", "another port", "host off", "another server"],
)
def test_no_ollama_is_suspected_otherwise(seen: list[tuple[Host, int, Observation]]) -> None:
    assert report(*seen).closed_ollama == ()


def test_a_host_without_an_address_is_reported() -> None:
    assert report((BOX, 8080, refusal("host_unknown")), (HERE, 8080, SWAP)).unknown == (BOX,)


def test_servers_that_share_a_name_are_distinguished_by_kind_and_then_by_port() -> None:
    found = report((BOX, 8080, SWAP), (BOX, 8000, SWAP), (BOX, 1234, Observation("lmstudio", "online"))).found
    assert [server.name for server in found] == ["box-llama-swap-8080", "box-llama-swap-8000", "box-lmstudio"]


def test_a_server_whose_kind_its_key_hides_is_distinguished_by_its_port() -> None:
    found = report((BOX, 8080, SWAP), (BOX, 8000, KEYED), (Host("10.0.0.7", "10.0.0.7"), 8000, KEYED)).found
    assert [(server.name, server.key_variable) for server in found] == [
        ("box-llama-swap", None),
        ("box-8000", "BOX_8000_API_KEY"),
        ("10.0.0.7", "HOST_10_0_0_7_API_KEY"),
    ]


def test_hosts_that_share_a_name_get_numbers_at_last() -> None:
    found = report((BOX, 8080, SWAP), (Host("box", "192.168.1.21"), 8080, SWAP)).found
    assert [server.name for server in found] == ["box-llama-swap-8080-1", "box-llama-swap-8080-2"]
