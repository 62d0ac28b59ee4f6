"""What builds can be served: a gateway is constructed from every result."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.pipeline import Compiled
from fleet_runtime.artifacts.snapshot import load_snapshot
from fleet_runtime.edge.listen_address import split_address
from fleet_runtime.event_log import EventLog
from fleet_runtime.gateway.live_snapshot import LiveSnapshot, build_live_snapshot
from tests.support.golden import FLEETS, NAMES, compiled
from tests.support.projects import compile_text


def constructed(folder: Path, compiled: Compiled) -> LiveSnapshot:
    """Everything that a gateway makes of the files, its keys at hand."""
    for path, content in compiled.files.items():
        (folder / "generated" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "generated" / path).write_bytes(content)
    snapshot = load_snapshot(folder / "generated")
    environ = {}
    for key in snapshot.gateway.keys.values():
        if key.env is not None:
            environ[key.env] = "key"
        if key.file is not None and not Path(key.file).is_absolute():
            (folder / key.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / key.file).write_text("key")
    split_address(snapshot.gateway.listen)
    return build_live_snapshot(snapshot, environ, EventLog())


@pytest.mark.parametrize("name", NAMES)
def test_a_gateway_is_constructed_from_every_golden_fleet(name: str, tmp_path: Path) -> None:
    result = compiled(FLEETS / name)
    assert constructed(tmp_path, result).snapshot.gateway == result.resolved.gateway


HOSTS = st.sampled_from(
    (
        *(
            "box",
            "box.lan.",
            "127.0.0.1",
            "1.2.3",
            "1.2.3.456",
            "a..b",
            "-",
            "a" * 64,
            "my_box",
            "büro",
            "0x7f.1",
        ),
        *(
            "[::1]",
            "[FD00::1]",
            "[fd00::zz]",
            "[fe80::1%eth0]",
            "[fe80::1%25eth0]",
            "fd00::1",
            "[::1",
            "[1.2.3.4]",
        ),
    )
) | st.text("abz019.:-_[]%@/?#\\ é", max_size=12)
PORTS = st.sampled_from(["", ":1", ":80", ":8400", ":0", ":65536", ":99999", ":080", ":", ":x"])
PATHS = st.sampled_from(["", "/", "/v1", "/a/v1/", "/é", "/?q", "/#f", "//"])
SCHEMES = st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "", "http:/"])
URLS = st.builds(lambda *parts: "".join(parts), SCHEMES, HOSTS, PORTS, PATHS)


@settings(max_examples=400, deadline=None)
@given(
    url=URLS,
    sidecar=st.none() | URLS,
    gateway=st.fixed_dictionaries(
        {},
        optional={
            "listen": st.builds(lambda *parts: "".join(parts), HOSTS, PORTS),
            "url": URLS,
            "hosts": st.lists(HOSTS, max_size=2, unique=True),
            "origins": st.lists(st.builds(lambda *parts: "".join(parts), SCHEMES, HOSTS, PORTS), max_size=2),
            "keys": st.just({"laptop": {"env": "FLEET_KEY"}}),
        },
    ),
)
def test_everything_that_builds_can_be_served(url: str, sidecar: str | None, gateway: dict[str, Any]) -> None:
    data = {
        "version": 1,
        "default_provider": "a",
        "providers": {"a": {"url": url, "models": ["m"], **({"sidecar": sidecar} if sidecar else {})}},
        "gateway": gateway,
    }
    with TemporaryDirectory() as folder:
        try:
            result = compile_text(Path(folder), json.dumps(data, indent=1))
        except ConfigError:
            return
        constructed(Path(folder), result)


@pytest.mark.parametrize("host", ["[fd00::1]", "[FD00::1]", "[::1]", "[fd00:0:0::1]"])
def test_an_ipv6_host_of_the_gateway_is_accepted_in_any_spelling(host: str, tmp_path: Path) -> None:
    yaml = (
        "version: 1\ndefault_provider: a\nproviders: {a: {url: 'http://127.0.0.1:9', models: [m]}}\n"
        f"gateway: {{hosts: ['{host}']}}\n"
    )
    assert constructed(tmp_path, compile_text(tmp_path, yaml)).access is not None
