"""What a fleet.yaml says, normalised: every accepted key shows its effect."""

from typing import Any

import pytest

from fleet_compiler.config.model import FleetConfig, ProviderSettings
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.load import load_source
from fleet_runtime.artifacts.contract import KeyReference, Limits, RoutedModel, Timeouts
from fleet_runtime.artifacts.provider_access import Sidecar

HEAD = "version: 1\ndefault_provider: box\n"


def fleet_of(rest: str, box: str = "http://192.168.1.20:8080") -> FleetConfig:
    return load_source(Source("fleet.yaml", f"{HEAD}providers:\n  box: {box}\n{rest}")).fleet


def box(settings: str) -> ProviderSettings:
    return fleet_of("", f"{{url: https://box.lan, {settings}}}").providers["box"]


def test_one_line_is_a_complete_provider() -> None:
    provider = fleet_of("").providers["box"]
    assert provider.url == "http://192.168.1.20:8080"
    assert provider.api_base == "http://192.168.1.20:8080/v1"
    assert (provider.label, provider.kind, provider.class_) == ("box", "auto", "local")


@pytest.mark.parametrize(
    ("url", "root", "base"),
    [
        ("http://a:1", "http://a:1", "http://a:1/v1"),
        ("http://a:1/", "http://a:1", "http://a:1/v1"),
        ("http://a:1/v1", "http://a:1", "http://a:1/v1"),
        ("http://a:1/v1/", "http://a:1", "http://a:1/v1"),
        ("http://a:1/llm/v1", "http://a:1/llm", "http://a:1/llm/v1"),
        ("http://a:1/v10", "http://a:1/v10", "http://a:1/v10/v1"),
    ],
)
def test_trailing_v1_of_a_url_is_dropped(url: str, root: str, base: str) -> None:
    provider = fleet_of("", url).providers["box"]
    assert (provider.url, provider.api_base) == (root, base)


def test_api_base_means_the_url() -> None:
    provider = fleet_of("", "{api_base: https://a.example/openai/v3/}").providers["box"]
    assert provider.api_base == provider.url == "https://a.example/openai/v3"


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        ("label: Box", "label", "Box"),
        ("kind: ollama", "kind", "ollama"),
        ("class: local", "class_", "local"),
        ("api_key_env: KEY", "api_key_env", "KEY"),
        ("api_key_file: box.key", "api_key_file", "box.key"),
        ("sidecar: https://side.lan/v1/", "sidecar", Sidecar(url="https://side.lan")),
        ("sidecar: {url: http://s:1, paths: [/x]}", "sidecar", Sidecar(url="http://s:1", paths=("/x",))),
        ("models: [a, b]", "declared", {"a": RoutedModel(), "b": RoutedModel()}),
        ("models: {a: , b: {}}", "declared", {"a": RoutedModel(), "b": RoutedModel()}),
        ("include: ['a*']", "include", ("a*",)),
        ("exclude: ['b*']", "exclude", ("b*",)),
        ("unlisted: forward", "unlisted", "forward"),
        ("formerly: [old, older]", "formerly", ("old", "older")),
        ("timeouts: {connect: 1}", "timeouts", Timeouts(connect=1)),
        ("timeouts: {first_byte: 2, idle: 3}", "timeouts", Timeouts(first_byte=2, idle=3)),
        ("max_concurrency: 3", "max_concurrency", 3),
        ("poll: 60", "poll", 60.0),
        ("poll: false, models: [a]", "poll", False),
        ("verify: false", "verify", False),
        ("ca_file: ca.pem", "ca_file", "ca.pem"),
    ],
)
def test_provider_setting_arrives(settings: str, field: str, value: object) -> None:
    assert getattr(box(settings), field) == value


def test_provider_can_be_switched_off() -> None:
    rest = "  other: {url: http://a:1, enabled: false}\n"
    assert fleet_of(rest).providers["other"].enabled is False


def test_facts_of_a_declared_model_arrive_and_its_context_is_configured() -> None:
    model = box(
        "models: {a: {name: A, context: 4096, output: 512, tools: true, reasoning: false,"
        " input: [text, image], purpose: chat, hidden: true}}"
    ).declared["a"]
    assert model == RoutedModel(
        name="A",
        context=4096,
        context_source="configured",
        output=512,
        tools=True,
        reasoning=False,
        input=("text", "image"),
        purpose="chat",
        hidden=True,
    )


def test_roles_are_lists_whether_written_as_one_or_not() -> None:
    fleet = fleet_of("roles: {default: box/a, task: [box/b, box/c]}\n")
    assert fleet.roles == {"default": ("box/a",), "task": ("box/b", "box/c")}


def test_aliases_and_namespaces_arrive() -> None:
    fleet = fleet_of("aliases: {old: box/new}\nnamespaces: [llama-swap]\n")
    assert (fleet.aliases, fleet.namespaces) == ({"old": "box/new"}, ("llama-swap",))


def test_empty_surface_is_one_of_defaults() -> None:
    surface = fleet_of("surfaces:\n  arena:\n").surfaces["arena"]
    assert (surface.label, surface.legacy, surface.client) == ("arena", "fallback", None)
    assert surface.model_dump(include={"providers", "classes", "key", "file"}) == dict.fromkeys(
        ("providers", "classes", "key", "file")
    )
    assert surface.exclusive


def test_surface_with_a_client_is_strict_unless_configured_otherwise() -> None:
    fleet = fleet_of("surfaces: {a: {client: opencode}, b: {client: opencode, file: b, legacy: fallback}}\n")
    assert fleet.surfaces["a"].legacy == "strict"
    assert fleet.surfaces["b"].legacy == "fallback"


def test_surface_settings_arrive() -> None:
    fleet = fleet_of(
        "surfaces: {a: {label: A, providers: [box], classes: [local], roles: {task: box/x},"
        " client: opencode,"
        " file: a.json, exclusive: false, key: k, legacy_provider: old,"
        " keepalive: 15}}\ngateway: {keys: {k: {env: K}}}\n"
    )
    assert fleet.surfaces["a"].model_dump() == {
        "label": "A",
        "providers": ("box",),
        "classes": ("local",),
        "roles": {"task": ("box/x",)},
        "legacy": "strict",
        "client": "opencode",
        "file": "a.json",
        "exclusive": False,
        "key": "k",
        "legacy_provider": "old",
        "keepalive": 15,
    }


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ("{}", "http://127.0.0.1:8400"),
        ("{listen: 127.0.0.1:9000}", "http://127.0.0.1:9000"),
        ("{listen: '[::1]:9000'}", "http://[::1]:9000"),
        ("{listen: '0.0.0.0:9000', keys: {k: {env: K}}}", "http://127.0.0.1:9000"),
        ("{listen: '[::]:9000', keys: {k: {env: K}}}", "http://127.0.0.1:9000"),
        ("{url: 'https://fleet.lan/x/'}", "https://fleet.lan/x"),
    ],
)
def test_clients_get_the_url_or_the_listen_address(settings: str, url: str) -> None:
    assert fleet_of(f"gateway: {settings}\n").gateway.url == url


def test_file_without_a_gateway_has_its_defaults() -> None:
    gateway = fleet_of("").gateway
    assert (gateway.listen, gateway.url) == ("127.0.0.1:8400", "http://127.0.0.1:8400")
    assert gateway.limits == Limits()


@pytest.mark.parametrize(
    ("size", "count"),
    [("1", 1), ("4096", 4096), ("'10B'", 10), ("2kB", 2000), ("2KB", 2000), ("64KiB", 65536),
     ("1.5 MB", 1_500_000), ("1MiB", 2**20), ("2GB", 2 * 10**9), ("1GiB", 2**30)],
)  # fmt: skip
def test_sizes_are_bytes(size: str, count: int) -> None:
    assert fleet_of(f"gateway: {{limits: {{body: {size}}}}}\n").gateway.limits.body == count


def test_gateway_settings_arrive() -> None:
    gateway = fleet_of(
        "surfaces: {a: {}}\ngateway: {hosts: [fleet], origins: ['http://a.lan'], drain: 5, state: s.db,"
        " keys: {k: {env: K, surfaces: [a]}, f: {file: f.key}}, limits: {head: 32KiB}}\n"
    ).gateway
    assert gateway.hosts == ("fleet",)
    assert gateway.origins == ("http://a.lan",)
    assert gateway.keys == {"k": KeyReference(env="K", surfaces=("a",)), "f": KeyReference(file="f.key")}
    assert (gateway.drain, gateway.state, gateway.limits.head) == (5, "s.db", 32768)


def test_inventory_settings_arrive() -> None:
    inventory = fleet_of("inventory: {interval: 5, timeout: 0.5, grace: 0}\n").inventory
    assert inventory.model_dump() == {"interval": 5, "timeout": 0.5, "grace": 0}


def test_order_of_providers_is_kept() -> None:
    assert list(fleet_of("  zeta: http://z:1\n  alpha: http://a:1\n").providers) == ["box", "zeta", "alpha"]


@pytest.mark.parametrize("field", ["providers", "version"])
def test_model_cannot_be_changed(field: str) -> None:
    fleet: Any = fleet_of("")
    with pytest.raises(ValueError, match="frozen"):
        setattr(fleet, field, None)
