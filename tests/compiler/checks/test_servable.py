"""What builds can be served: no part of the gateway rejects a setting that the checks accept."""

from __future__ import annotations

from random import Random

import pytest

from fleet_compiler.checks.clouds import is_known_cloud
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.document.read import decode
from fleet_compiler.emit.tables import resolve_fleet
from fleet_compiler.load import load_source
from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import GatewayConfig
from fleet_runtime.edge.host_policy import HostPolicy
from fleet_runtime.upstream.address import Address
from tests.support.mutation import CORPUS, mutate


def gateway_of(data: bytes) -> GatewayConfig | None:
    """gateway.json of a fleet.yaml as it is read back; None for an invalid one."""
    try:
        loaded = load_source(decode("fleet.yaml", data))
    except ConfigError:
        return None
    gateway = resolve_fleet(loaded.fleet, Lock(), "..").gateway
    return GatewayConfig.model_validate_json(gateway.model_dump_json())


def assert_servable(gateway: GatewayConfig) -> None:
    HostPolicy(gateway)
    for provider in gateway.providers:
        for url in (provider.url, provider.api_base, *([provider.sidecar.url] if provider.sidecar else [])):
            Address(url)


def test_every_valid_case_can_be_served() -> None:
    gateways = [gateway for gateway in map(gateway_of, CORPUS) if gateway is not None]
    assert len(gateways) > 25
    for gateway in gateways:
        assert_servable(gateway)


def test_every_damaged_file_that_is_still_valid_can_be_served() -> None:
    gateways = [gateway for seed in range(3_000) if (gateway := gateway_of(mutate(Random(seed)))) is not None]
    assert len(gateways) > 30
    for gateway in gateways:
        assert_servable(gateway)


@pytest.mark.parametrize("host", ["[fd00::1]", "[FD00::0:1]", "[::1]", "box.lan", "BOX", "10.0.0.1"])
def test_a_host_that_builds_is_accepted_by_the_gateway(host: str) -> None:
    text = f'version: 1\ndefault_provider: a\nproviders: {{a: http://b:1}}\ngateway: {{hosts: ["{host}"]}}\n'
    gateway = gateway_of(text.encode())
    assert gateway is not None
    assert_servable(gateway)


def test_only_hosts_below_a_known_domain_are_clouds() -> None:
    assert is_known_cloud("api.openai.com")
    assert is_known_cloud("me.openai.azure.com")
    assert not is_known_cloud("notopenai.com")
    assert not is_known_cloud("openai.com.evil.lan")
