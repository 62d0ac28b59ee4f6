"""Every key of fleet.yaml shows in what is generated."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.assets import SCHEMAS
from fleet_compiler.emit.editor_schema import SCHEMA
from fleet_compiler.emit.plan import MANIFEST
from fleet_runtime.artifacts.contract import ModelFacts
from tests.support.projects import compile_text, lock_of

DESK = "http://127.0.0.1:8081"
ATTIC = "https://127.0.0.1:8082"

BASE: dict[str, Any] = {
    "version": 1,
    "default_provider": "desk",
    "providers": {
        "desk": {
            "url": DESK,
            "models": {"m": {}},
            "sidecar": {"url": "http://127.0.0.1:9001"},
        },
        "attic": {"url": ATTIC, "timeouts": {}, "wake": {"mac": "aa:bb:cc:dd:ee:ff"}},
    },
    "surfaces": {"chat": {}, "code": {"client": "opencode"}},
    "gateway": {"keys": {"laptop": {"env": "LAPTOP"}, "phone": {"env": "PHONE"}}, "limits": {}},
    "inventory": {},
}

LISTED = {
    "desk": lock_of(DESK, "a", "b"),
    "attic": lock_of(ATTIC, "c", known={"d": ModelFacts(context=65536, context_source="running")}),
}

ROLES = ("default", "task", "compaction", "fast", "large", "embedding", "rerank")
# The place of a key in the schema -> its place in BASE and the value it is given; None deletes it.
EFFECTS: dict[str, tuple[str, Any]] = {
    "default_provider": ("default_provider", "attic"),
    "providers": ("providers/cellar", "http://127.0.0.1:8083"),
    "providers.url": ("providers/desk/url", "http://127.0.0.1:8084"),
    "providers.api_base": ("providers/cellar", {"api_base": "http://127.0.0.1:8083/openai"}),
    "providers.label": ("providers/desk/label", "Desk"),
    "providers.kind": ("providers/desk/kind", "vllm"),
    "providers.class": ("providers/desk/class", "cloud"),
    "providers.api_key_env": ("providers/desk/api_key_env", "KEY"),
    "providers.api_key_file": ("providers/desk/api_key_file", "key"),
    "providers.sidecar": ("providers/desk/sidecar", None),
    "providers.sidecar.url": ("providers/desk/sidecar/url", "http://127.0.0.1:9002"),
    "providers.sidecar.paths": ("providers/desk/sidecar/paths", ["/v1/responses"]),
    "providers.models": ("providers/desk/models/new", {}),
    "providers.models.name": ("providers/desk/models/m/name", "M"),
    "providers.models.context": ("providers/desk/models/m/context", 4096),
    "providers.models.output": ("providers/desk/models/m/output", 1024),
    "providers.models.tools": ("providers/desk/models/m/tools", True),
    "providers.models.reasoning": ("providers/desk/models/m/reasoning", True),
    "providers.models.input": ("providers/desk/models/m/input", ["text", "image"]),
    "providers.models.purpose": ("providers/desk/models/m/purpose", "embedding"),
    "providers.models.hidden": ("providers/desk/models/m/hidden", True),
    "providers.include": ("providers/desk/include", ["a*", "m"]),
    "providers.exclude": ("providers/desk/exclude", ["b*"]),
    "providers.unlisted": ("providers/desk/unlisted", "forward"),
    "providers.formerly": ("providers/desk/formerly", ["old"]),
    "providers.timeouts": ("providers/attic/timeouts", {"connect": 1}),
    "providers.timeouts.connect": ("providers/attic/timeouts/connect", 2),
    "providers.timeouts.first_byte": ("providers/attic/timeouts/first_byte", 2),
    "providers.timeouts.idle": ("providers/attic/timeouts/idle", 2),
    "providers.max_concurrency": ("providers/desk/max_concurrency", 3),
    "providers.poll": ("providers/desk/poll", False),
    "providers.headers": ("providers/attic/headers", {"X-Token": {"env": "TOKEN"}}),
    "providers.headers.env": ("providers/cellar", {"url": ATTIC, "headers": {"X-Token": {"env": "TOKEN"}}}),
    "providers.headers.file": ("providers/cellar", {"url": ATTIC, "headers": {"X-Token": {"file": "token"}}}),
    "providers.basic_auth": ("providers/attic/basic_auth", {"user": "u", "password": {"env": "P"}}),
    "providers.basic_auth.user": ("providers/desk/basic_auth", {"user": "other", "password": {"env": "P"}}),
    "providers.basic_auth.password": ("providers/desk/basic_auth", {"user": "u", "password": {"env": "Q"}}),
    "providers.basic_auth.password.env": (
        "providers/attic/basic_auth",
        {"user": "u", "password": {"env": "Q"}},
    ),
    "providers.basic_auth.password.file": (
        "providers/attic/basic_auth",
        {"user": "u", "password": {"file": "p"}},
    ),
    "providers.wake": ("providers/attic/wake", None),
    "providers.wake.mac": ("providers/attic/wake/mac", "00:bb:cc:dd:ee:ff"),
    "providers.wake.broadcast": ("providers/attic/wake/broadcast", "10.0.0.255"),
    "providers.wake.port": ("providers/attic/wake/port", 7),
    "providers.wake.command": ("providers/attic/wake", {"command": "wake.sh"}),
    "providers.wake.timeout": ("providers/attic/wake/timeout", 5),
    "providers.wake.roles": ("providers/attic/wake/roles", True),
    "providers.verify": ("providers/attic/verify", False),
    "providers.ca_file": ("providers/attic/ca_file", "ca.pem"),
    "providers.enabled": ("providers/desk/enabled", False),
    "aliases": ("aliases", {"old": "attic/c"}),
    "namespaces": ("namespaces", ["wrap"]),
    "roles": ("roles", {"default": "desk/m"}),
    "surfaces": ("surfaces/new", None),
    "surfaces.label": ("surfaces/chat/label", "Chat"),
    "surfaces.providers": ("surfaces/chat/providers", ["attic"]),
    "surfaces.classes": ("surfaces/chat", {"classes": ["local"], "providers": ["attic"]}),
    "surfaces.roles": ("surfaces/chat/roles", {"default": "desk/a"}),
    "surfaces.legacy": ("surfaces/chat/legacy", "strict"),
    "surfaces.client": ("surfaces/code/client", None),
    "surfaces.client.kind": ("surfaces/code/client", {"kind": "env"}),
    "surfaces.client.file": ("surfaces/code/client", {"kind": "opencode", "file": "laptop/opencode.json"}),
    "surfaces.client.folder": ("surfaces/code/client", {"kind": "aider", "folder": "laptop"}),
    **{f"surfaces.roles.{role}": ("surfaces/chat/roles", {role: "desk/a"}) for role in ROLES},
    **{f"roles.{role}": ("roles", {role: "desk/a"}) for role in ROLES},
    "surfaces.file": ("surfaces/code/file", "laptop/opencode.json"),
    "surfaces.exclusive": ("surfaces/code/exclusive", False),
    "surfaces.legacy_provider": ("surfaces/code/legacy_provider", "old"),
    "surfaces.keepalive": ("surfaces/chat/keepalive", 15),
    "surfaces.key": ("surfaces/code/key", "laptop"),
    "gateway": ("gateway", None),
    "gateway.listen": ("gateway/listen", "127.0.0.1:9000"),
    "gateway.url": ("gateway/url", "http://127.0.0.1:9000"),
    "gateway.hosts": ("gateway/hosts", ["fleet.lan"]),
    "gateway.origins": ("gateway/origins", ["http://fleet.lan"]),
    "gateway.keys": ("gateway/keys/tablet", {"env": "TABLET"}),
    "gateway.keys.env": ("gateway/keys/phone/env", "OTHER"),
    "gateway.keys.file": ("gateway/keys/phone", {"file": "phone.key"}),
    "gateway.keys.surfaces": ("gateway/keys/phone/surfaces", ["chat"]),
    "gateway.limits": ("gateway/limits", {"body": 1000}),
    "gateway.limits.body": ("gateway/limits/body", "1MB"),
    "gateway.limits.head": ("gateway/limits/head", "1KiB"),
    "gateway.limits.memory": ("gateway/limits/memory", "2GB"),
    "gateway.limits.stall": ("gateway/limits/stall", 90),
    "gateway.drain": ("gateway/drain", 1),
    "gateway.not_ready": ("gateway/not_ready", 5),
    "gateway.state": ("gateway/state", "state.db"),
    "gateway.state.postgres": ("gateway/state", {"postgres": {"env": "STATE"}}),
    "gateway.state.postgres.env": ("gateway/state", {"postgres": {"env": "OTHER"}}),
    "gateway.state.postgres.file": ("gateway/state", {"postgres": {"file": "state.url"}}),
    "gateway.captures": ("gateway/captures", {}),
    "gateway.captures.keep": ("gateway/captures", {"keep": 7}),
    "gateway.captures.body": ("gateway/captures", {"body": "1MB"}),
    "inventory": ("inventory", {"interval": 1}),
    "inventory.interval": ("inventory/interval", 1),
    "inventory.timeout": ("inventory/timeout", 1),
    "inventory.grace": ("inventory/grace", 1),
}


def keys_of(schema: dict[str, Any], node: dict[str, Any], at: str = "") -> Iterator[str]:
    """Every key that `node` of a schema accepts, as dotted names; the names that people choose left out."""
    if "$ref" in node:
        yield from keys_of(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], at)
    for branch in ("then", "else"):
        if isinstance(node.get(branch), dict):
            yield from keys_of(schema, node[branch], at)
    if isinstance(node.get("additionalProperties"), dict):
        yield from keys_of(schema, node["additionalProperties"], at)
    for key, below in node.get("properties", {}).items():
        name = f"{at}.{key}" if at else key
        yield name
        yield from keys_of(schema, below, name)


def generated(folder: Path, data: dict[str, Any]) -> dict[str, bytes]:
    """What the gateway and the clients read."""
    files = compile_text(folder, json.dumps(data, indent=1), **LISTED).files
    return {path: content for path, content in files.items() if path not in (MANIFEST, SCHEMA)}


def test_this_list_holds_every_key_of_the_schema() -> None:
    schema = json.loads((SCHEMAS / SCHEMA).read_text(encoding="utf-8"))
    assert set(keys_of(schema, schema)) - {"version", "outputs"} == set(EFFECTS)  # see test_own_outputs


@pytest.mark.parametrize("key", EFFECTS)
def test_a_key_shows_in_what_is_generated(tmp_path: Path, key: str) -> None:
    place, value = EFFECTS[key]
    changed = copy.deepcopy(BASE)
    *above, last = place.split("/")
    parent = changed
    for step in above:
        parent = parent[step]
    if value is None and last in parent:
        del parent[last]
    else:
        parent[last] = value
    assert generated(tmp_path, changed) != generated(tmp_path, BASE)
