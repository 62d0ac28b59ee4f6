"""Hosts as people type them, and as Tailscale lists them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.scan.hosts import Host, parse_hosts, parse_tailnet

STATUS = (Path(__file__).parent / "tailscale-status.json").read_text(encoding="utf-8")
"""Every field that a scan reads, and most others, as tailscale's ipn/ipnstate names them."""


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("box", Host("box", "box")),
        ("Box.lan", Host("box", "box.lan")),
        ("box:9001", Host("box", "box", 9001)),
        ("192.168.1.20", Host("192.168.1.20", "192.168.1.20")),
        ("127.0.0.1", Host("local", "127.0.0.1")),
        ("localhost:8080", Host("local", "localhost", 8080)),
        ("fd00::20", Host("fd00-20", "fd00::20")),
        ("[fd00::20]:8080", Host("fd00-20", "fd00::20", 8080)),
        ("::1", Host("local", "::1")),
        ("_odd_", Host("odd", "_odd_")),
        ("-", Host("server", "-")),
    ],
)
def test_a_host_has_an_address_and_a_name_for_its_provider(text: str, host: Host) -> None:
    assert parse_hosts((text,)) == [host]


def test_a_host_that_is_named_twice_is_one() -> None:
    assert parse_hosts(("box", "attic", "BOX")) == [Host("box", "box"), Host("attic", "attic")]


@pytest.mark.parametrize("text", ["", "a b", "http://a b", "box:99999", "box:0", "box:", "1.2.3.999"])
def test_what_is_not_a_host_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not a host"):
        parse_hosts((text,))


def test_the_hosts_of_a_tailnet_are_those_online_that_may_serve_this_computer_first() -> None:
    tailnet = parse_tailnet(STATUS)
    assert tailnet.hosts == (
        Host("sams-laptop", "127.0.0.1"),
        Host("embedding", "100.90.172.55"),
        Host("sam-desktop", "100.101.41.20"),
    )
    assert tailnet.offline == 1


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(STATUS), **changes})


def test_a_tailnet_without_other_hosts_is_this_computer() -> None:
    assert parse_tailnet(changed(Peer=None)).hosts == (Host("sams-laptop", "127.0.0.1"),)


def test_a_tailscale_that_is_not_connected_is_reported_with_its_remedy() -> None:
    with pytest.raises(UsageError, match=r"not connected \(Stopped\): run `tailscale up`"):
        parse_tailnet(changed(BackendState="Stopped"))


def peer(address: object) -> str:
    return changed(Peer={"a": {"HostName": "a", "TailscaleIPs": [address], "Online": True}})


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", "[" * 99_999, changed(Peer=[1]), changed(Peer={"a": {"OS": "linux"}})),
        *(peer("100.64.0.1:80/x"), peer("a b"), peer("@127.0.0.1#"), peer("[::1]"), peer("box"), peer("")),
    ],
)
def test_what_is_not_a_status_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="printed something that is not a status"):
        parse_tailnet(text)
