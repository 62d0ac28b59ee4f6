"""A thousand providers with twenty models each: built from nothing, listed and watched."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bench.simulated_fleet import RunningGateway, SimulatedFleet, build, gateway, simulated_fleet
from fleet_compiler.lock.lockfile import load_lock
from tests.support.measure import in_milliseconds

pytestmark = pytest.mark.slow
PROVIDERS, MODELS = 1000, 20
REPORTS, READS, ATTEMPTS = 4, 20, 3
INVENTORY = "{interval: 60, timeout: 5, grace: 60}"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedFleet]:
    """Running providers and a fleet.yaml, not built yet."""
    with simulated_fleet(tmp_path_factory.mktemp("thousand"), PROVIDERS, MODELS, INVENTORY) as fleet:
        yield fleet


def test_a_thousand_providers_are_listed_by_the_first_build(fleet: SimulatedFleet) -> None:
    began = time.monotonic()
    build(fleet)
    seconds = time.monotonic() - began
    found = load_lock(fleet.folder / "fleet.lock").providers
    assert sum(len(provider.models) for provider in found.values()) == PROVIDERS * MODELS
    print(f"a cold build of {PROVIDERS} providers: {seconds:.1f} s")
    assert seconds < 30, "10 s on two processors with nothing else to do"


@pytest.fixture(scope="module")
def served(fleet: SimulatedFleet) -> Iterator[RunningGateway]:
    """The gateway of that fleet, with all providers online."""
    if not (fleet.folder / "generated").exists():
        build(fleet)
    with gateway(fleet) as served:
        yield served


@pytest.mark.parametrize("path", ["/metrics", "/api/fleet", "/api/findings", "/api/picker", "/api/models"])
def test_a_report_of_a_thousand_providers_never_blocks_the_event_loop_for_20_ms(
    served: RunningGateway, path: str
) -> None:
    """A report is made at most once a second, so wait for several of them, while probes continue."""
    client, stalls = served.client, served.stalls
    longest = []
    for _ in range(ATTEMPTS):
        began = time.monotonic()
        seen: set[bytes] = set()
        while len(seen) < REPORTS and time.monotonic() < began + 10:
            client.post("/api/fleet/m001/refresh")
            response = client.get(path)
            assert response.status_code == 200
            seen.add(response.content)
        longest.append(stalls.longest(began))
        if longest[-1] < 0.02:
            break
    print(f"{path}: {', '.join(f'{stall * 1000:.1f} ms' for stall in longest)}")
    assert min(longest) < 0.02


def test_the_picker_of_twenty_thousand_models_is_small_and_quick(served: RunningGateway) -> None:
    seconds, wire = [], 0
    for _ in range(READS):
        began = time.perf_counter()
        with served.client.stream("GET", "/api/picker", params={"surface": "boochat"}) as response:
            wire = sum(map(len, response.iter_raw()))
        seconds.append(time.perf_counter() - began)
        assert response.headers["content-encoding"] == "gzip"
    print(f"picker: {wire} bytes on the wire, {in_milliseconds(seconds)}")
    assert wire < 200_000
    assert min(seconds) < 0.01
