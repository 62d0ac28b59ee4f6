"""``fleet config``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode
from tests.cli.conftest import Fleet, write


@pytest.fixture(autouse=True)
def config(tmp_path: Path) -> Path:
    """A fleet.yaml with short and long forms."""
    return write(
        tmp_path,
        """
        version: 1
        default_provider: box
        providers:
          box: {url: "http://127.0.0.1:9/v1", sidecar: "http://127.0.0.1:10", timeouts: {connect: 2}}
          attic: http://127.0.0.2:9
          cloud: {api_base: "https://api.example.com/openai/", class: cloud, models: {large: {context: 8192}}}
          "true": {url: "http://127.0.0.3:9", poll: 60, label: "a: b"}
        roles: {default: box/a}
        surfaces: {chat: , code: {client: opencode}}
        gateway: {listen: "127.0.0.1:8400", limits: {body: 20MB}}
        """,
    )


def settings(fleet: Fleet, *arguments: str) -> dict[str, Any]:
    ran = fleet("config", *arguments, "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert told["file"] == "fleet.yaml"
    return {".".join(each.pop("path")): each for each in told["settings"]}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("version", {"value": 1, "source": "file", "line": 1, "column": 10}),
        ("providers.box.url", {"value": "http://127.0.0.1:9", "source": "file", "line": 4, "column": 14}),
        ("providers.box.api_base", {"value": "http://127.0.0.1:9/v1", "source": "derived", "from": "url"}),
        ("providers.box.label", {"value": "box", "source": "derived", "from": "the name"}),
        (
            "providers.box.sidecar.url",
            {"value": "http://127.0.0.1:10", "source": "file", "line": 4, "column": 48},
        ),
        ("providers.box.timeouts.connect", {"value": 2, "source": "file", "line": 4, "column": 91}),
        ("providers.box.timeouts.idle", {"value": 300, "source": "default"}),
        ("providers.box.max_concurrency", {"value": None, "source": "default"}),
        ("providers.attic.url", {"value": "http://127.0.0.2:9", "source": "file", "line": 5, "column": 10}),
        (
            "providers.cloud.url",
            {"value": "https://api.example.com/openai", "source": "derived", "from": "api_base"},
        ),
        ("roles.default", {"value": ["box/a"], "source": "file", "line": 8, "column": 18}),
        ("surfaces.chat.legacy", {"value": "fallback", "source": "derived", "from": "client"}),
        ("surfaces.code.legacy", {"value": "strict", "source": "derived", "from": "client"}),
        ("gateway.url", {"value": "http://127.0.0.1:8400", "source": "derived", "from": "listen"}),
        ("gateway.limits.body", {"value": 20_000_000, "source": "file", "line": 10, "column": 52}),
    ],
)
def test_every_setting_says_where_it_comes_from(fleet: Fleet, name: str, setting: dict[str, Any]) -> None:
    assert settings(fleet)[name] == setting


def test_poll_is_what_the_gateway_does(fleet: Fleet) -> None:
    found = settings(fleet)
    polls = {name: found[f"providers.{name}.poll"] for name in ("box", "cloud", "true")}
    assert polls == {
        "box": {"value": 10, "source": "derived", "from": "inventory.interval"},
        "cloud": {"value": False, "source": "derived", "from": "class and models"},
        "true": {"value": 60, "source": "file", "line": 7, "column": 45},
    }


def test_the_text_is_yaml_with_a_place_on_each_line(fleet: Fleet) -> None:
    ran = fleet("config")
    assert (ran.code, ran.err) == (0, "")
    assert "version: 1                                        # fleet.yaml:1:10\n" in ran.out
    assert '    label: "a: b"                                 # fleet.yaml:7:56\n' in ran.out
    assert "      idle: 300                                   # default\n" in ran.out
    read = load_document(decode("printed", ran.out.encode()))
    for name, setting in settings(fleet).items():
        assert read.value(tuple(name.split("."))) == setting["value"], name


def test_a_key_chooses_what_is_below_it(fleet: Fleet) -> None:
    assert fleet("config", "providers.box.timeouts").out == (
        "providers:\n"
        "  box:\n"
        "    timeouts:\n"
        "      connect: 2       # fleet.yaml:4:91\n"
        "      first_byte: 600  # default\n"
        "      idle: 300        # default\n"
    )
    assert set(settings(fleet, "roles")) == {"roles.default"}


def test_an_unknown_key_gets_a_suggestion(fleet: Fleet) -> None:
    ran = fleet("config", "gatway.listen")
    assert (ran.code, ran.err) == (2, "error: no setting 'gatway.listen'; did you mean 'gateway.listen'?\n")


def test_an_invalid_file_is_shown_with_its_errors(fleet: Fleet, config: Path) -> None:
    config.write_text("version: 2\n")
    ran = fleet("config")
    assert (ran.code, ran.out) == (1, "")
    assert " --> fleet.yaml:1:10\n" in ran.err
