"""opencode.json: what it contains and what it must not contain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet_compiler.clients import Launch
from fleet_compiler.clients.opencode import CLIENT, Options
from fleet_compiler.emit.render import render_client
from fleet_runtime.artifacts.contract import (
    ContextSource,
    KeyReference,
    ModelFacts,
    Purpose,
    RoutedModel,
    RoutedProvider,
)
from fleet_runtime.routing.resolver import lock_view, resolve_model
from tests.support.clients import client_view
from tests.support.projects import compile_text, lock_of

DESK = "http://127.0.0.1:8081"


def rendered(
    models: dict[str, RoutedModel],
    roles: dict[str, tuple[str, ...]] | None = None,
    *,
    key: KeyReference | None = None,
    file: str = "opencode.json",
    exclusive: bool = True,
    enabled: bool = True,
) -> dict[str, Any]:
    """opencode.json for one provider 'desk' with these models."""
    view = client_view(
        models, roles, key=key, file=file, options=Options(exclusive=exclusive), enabled=enabled
    )
    data: dict[str, Any] = json.loads(render_client(CLIENT.files[0], view))
    return data


def one(**facts: Any) -> dict[str, Any]:
    """What opencode is told of one model."""
    model: dict[str, Any] = rendered({"m": RoutedModel(**facts)})["provider"]["desk"]["models"]["m"]
    return model


TOKENS = st.integers(1, 2**31)


@settings(deadline=None)
@given(st.integers(1, 40_000) | TOKENS, st.sampled_from(get_args(ContextSource)), st.none() | TOKENS)
def test_opencode_never_gets_a_limit_that_makes_it_compact_forever(
    context: int, source: ContextSource, output: int | None
) -> None:
    """It does as soon as its own prompt, or an output of 0, leaves nothing of the context."""
    facts = RoutedModel(context=context, context_source=source, output=output)
    models = rendered({"m": facts})["provider"].get("desk", {"models": {}})["models"]
    limit = models.get("m", {}).get("limit")
    if limit is not None:
        assert source != "trained"
        assert limit["context"] == context
        assert 0 < limit["output"] <= context - 7600
    elif not models:
        assert context < 7600 + 512


@pytest.mark.parametrize(
    ("facts", "limit"),
    [
        ({}, None),
        ({"output": 4096}, None),
        ({"context": 131072, "context_source": "trained"}, None),
        ({"context": 8192, "context_source": "listed"}, {"context": 8192, "output": 512}),
        ({"context": 10240, "context_source": "listed"}, {"context": 10240, "output": 1240}),
        ({"context": 16384, "context_source": "listed"}, {"context": 16384, "output": 4096}),
        ({"context": 131072, "context_source": "running"}, {"context": 131072, "output": 8192}),
        ({"context": 8192, "context_source": "configured", "output": 100}, {"context": 8192, "output": 100}),
        ({"context": 8192, "context_source": "configured", "output": 8192}, {"context": 8192, "output": 512}),
        (
            {"context": 16384, "context_source": "configured", "output": 8192},
            {"context": 16384, "output": 7384},
        ),
    ],
)
def test_a_limit_needs_a_context_that_is_certain(facts: dict[str, Any], limit: dict[str, int] | None) -> None:
    """And leaves opencode's own prompt enough of it: the output is lowered first."""
    assert one(**facts).get("limit") == limit


@pytest.mark.parametrize("source", get_args(ContextSource))
def test_a_model_that_opencodes_own_prompt_fills_is_left_out_with_a_warning(source: ContextSource) -> None:
    """A trained context is an upper bound, and too small all the same."""
    small, large = RoutedModel(context=4096, context_source=source), RoutedModel()
    view = client_view({"small": small, "large": large}, {"default": ("desk/small",)})
    data = json.loads(render_client(CLIENT.files[0], view))
    assert list(data["provider"]["desk"]["models"]) == ["large"]
    assert "model" not in data
    (finding,) = CLIENT.check_models(view)
    assert (finding.code, finding.path) == ("F311", ("surfaces", "code", "client"))
    assert "desk/small (4096 tokens)" in finding.message
    assert "at least 8112 tokens" in (finding.help or "")


def test_a_build_warns_of_a_model_that_is_left_out(tmp_path: Path) -> None:
    yaml = f"""
    version: 1
    default_provider: desk
    providers: {{desk: "{DESK}"}}
    surfaces: {{code: {{client: opencode}}}}
    """
    known = {"tiny": ModelFacts(context=2048, context_source="running")}
    compiled = compile_text(tmp_path, yaml, desk=lock_of(DESK, known=known))
    (warning,) = compiled.warnings
    assert (warning.code, warning.span and warning.span.line) == ("F311", 4)


def test_only_what_is_known_is_reported() -> None:
    assert one() == {"id": "desk/m", "name": "m (Desk)"}


def test_what_is_known_is_reported() -> None:
    told = one(name="M", tools=False, reasoning=True, input=("text", "image"))
    assert told == {
        "id": "desk/m",
        "name": "M (Desk)",
        "tool_call": False,
        "reasoning": True,
        "attachment": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
    }


@pytest.mark.parametrize("purpose", [purpose for purpose in get_args(Purpose) if purpose != "chat"])
def test_models_that_do_not_chat_are_left_out(purpose: Purpose) -> None:
    data = rendered({"m": RoutedModel(purpose=purpose), "chat": RoutedModel(purpose="chat")})
    assert data["provider"]["desk"]["whitelist"] == ["chat"]


def test_hidden_models_are_left_out_even_as_a_role() -> None:
    models = {"secret": RoutedModel(hidden=True), "m": RoutedModel()}
    data = rendered(models, {"default": ("desk/secret",)})
    assert list(data["provider"]["desk"]["models"]) == ["m"]
    assert "model" not in data


def test_opencodes_own_catalogue_is_kept_out() -> None:
    """A provider named like a built-in one would otherwise gain that one's models."""
    data = rendered({"a": RoutedModel(), "b/c:d": RoutedModel()})
    assert data["enabled_providers"] == ["desk"]
    assert data["provider"]["desk"]["whitelist"] == ["a", "b/c:d"]
    assert "enabled_providers" not in rendered({"a": RoutedModel()}, exclusive=False)


@pytest.mark.parametrize("without", [{"models": {}}, {"models": {"m": RoutedModel()}, "enabled": False}])
def test_a_provider_without_models_or_switched_off_is_left_out(without: dict[str, Any]) -> None:
    data = rendered(**without)
    assert data["provider"] == {}
    assert data["enabled_providers"] == []


def test_ids_of_older_sessions_are_offered_under_their_old_provider(tmp_path: Path) -> None:
    """The default provider's bare ids and every full id, each with the full id that it stands for; a full id
    wins over a bare one that looks like it, as in the router."""
    yaml = f"""
    version: 1
    default_provider: desk
    providers: {{desk: "{DESK}", shelf: "http://127.0.0.1:8082"}}
    surfaces: {{code: {{client: opencode, legacy_provider: llama-swap}}}}
    """
    locks = {"desk": lock_of(DESK, "m", "shelf/m", "a/b:c"), "shelf": lock_of("http://127.0.0.1:8082", "m")}
    data = json.loads(compile_text(tmp_path, yaml, **locks).files["opencode.json"])
    bridge = data["provider"]["llama-swap"]
    assert {key: model["id"] for key, model in bridge["models"].items()} == {
        "m": "desk/m",
        "a/b:c": "desk/a/b:c",
        "shelf/m": "shelf/m",
        "desk/m": "desk/m",
        "desk/shelf/m": "desk/shelf/m",
        "desk/a/b:c": "desk/a/b:c",
    }
    assert bridge["whitelist"] == list(bridge["models"])
    assert bridge["options"] == data["provider"]["desk"]["options"]
    assert data["enabled_providers"] == ["desk", "shelf", "llama-swap"]


def test_a_renamed_provider_keeps_the_ids_that_sessions_saved(tmp_path: Path) -> None:
    """opencode sends the old id, so that the gateway can count what still uses it."""
    yaml = f"""
    version: 1
    default_provider: desk
    providers: {{desk: {{url: "{DESK}", label: Desk, formerly: [sam-pc]}}}}
    surfaces: {{code: {{client: opencode}}}}
    """
    data = json.loads(compile_text(tmp_path, yaml, desk=lock_of(DESK, "m")).files["opencode.json"])
    former = data["provider"]["sam-pc"]
    assert former["name"] == "Desk (was sam-pc)"
    assert {key: (model["id"], model["name"]) for key, model in former["models"].items()} == {
        "m": ("sam-pc/m", "m (Desk) (was sam-pc/m)")
    }
    assert data["enabled_providers"] == ["desk", "sam-pc"]


NAMES = st.sampled_from(["llama-swap", "old", "older", "strix", "box", "q"])
IDS = st.sampled_from(["q", "coder", "only", "box/q", "llama-swap/q", "old/q"])


@settings(deadline=None)
@given(
    st.dictionaries(NAMES | IDS, st.sampled_from(["box/q", "strix/q", "strix/only", "box/gone"])),
    st.lists(NAMES, max_size=2),
    st.lists(NAMES, max_size=1),
    st.lists(IDS, unique=True),
    st.lists(IDS, unique=True),
    NAMES,
)
def test_every_old_id_means_to_opencode_what_it_means_to_the_gateway(
    aliases: dict[str, str],
    former: list[str],
    namespaces: list[str],
    box: list[str],
    strix: list[str],
    legacy: str,
) -> None:
    names = {"box": "box", "strix": "strix"}
    names = dict.fromkeys(former, "strix") | names
    view = client_view()
    table = view.table.model_copy(
        update={
            "default_provider": "box",
            "names": names,
            "namespaces": tuple(name for name in namespaces if name not in names),
            "aliases": {old: new for old, new in aliases.items() if not old.startswith(("box/", "strix/"))},
            "providers": tuple(
                RoutedProvider(
                    name=name, label=name, class_="local", models=dict.fromkeys(ids, RoutedModel())
                )
                for name, ids in (("box", box), ("strix", strix))
            ),
        }
    )
    legacy_provider = None if legacy in ("box", "strix") else legacy
    view = replace(view, table=table, options=Options(legacy_provider=legacy_provider))
    providers = json.loads(render_client(CLIENT.files[0], view))["provider"]
    for provider, written in providers.items():
        for key, model in written["models"].items():
            means = resolve_model(table, lock_view(table), f"{provider}/{key}")
            if means.listed is None and provider == legacy_provider:
                means = resolve_model(table, lock_view(table), key)
            sent = resolve_model(table, lock_view(table), model["id"])
            assert (sent.provider, sent.listed) == (means.provider, means.listed)


def test_two_models_are_never_shown_under_one_name(tmp_path: Path) -> None:
    yaml = f"""
    version: 1
    default_provider: desk
    providers:
      desk: {{url: "{DESK}", label: Box, models: {{a: {{name: Qwen}}, b: {{name: Qwen}}}}}}
      shelf: {{url: "http://127.0.0.1:8082", label: Box, models: {{a: {{name: Qwen}}, c: }}}}
    surfaces: {{code: {{client: opencode}}}}
    """
    locks = {"desk": lock_of(DESK), "shelf": lock_of("http://127.0.0.1:8082")}
    providers = json.loads(compile_text(tmp_path, yaml, **locks).files["opencode.json"])["provider"]
    assert [each["name"] for each in providers.values()] == ["Box (desk)", "Box (shelf)"]
    assert [model["name"] for each in providers.values() for model in each["models"].values()] == [
        "Qwen (desk/a)",
        "Qwen (desk/b)",
        "Qwen (shelf/a)",
        "c (Box)",
    ]


def test_roles_become_models_by_their_first_choice() -> None:
    models = {"big": RoutedModel(aliases=("large",)), "small": RoutedModel()}
    roles = {"default": ("desk/large", "desk/small"), "task": ("desk/small",), "compaction": ("desk/big",)}
    data = rendered(models, roles)
    assert (data["model"], data["small_model"]) == ("desk/big", "desk/small")


def test_a_role_whose_model_is_not_listed_is_left_out() -> None:
    assert "model" not in rendered({"m": RoutedModel()}, {"default": ("desk/gone", "desk/m")})
    assert "model" not in rendered({"m": RoutedModel()}, {"default": ("elsewhere/m",)})


def test_the_gateway_is_the_only_address() -> None:
    options = rendered({"m": RoutedModel()})["provider"]["desk"]["options"]
    assert options == {
        "baseURL": "http://127.0.0.1:8400/code/v1",
        "headerTimeout": False,
        "chunkTimeout": False,
    }


@pytest.mark.parametrize(
    ("key", "file", "reference"),
    [
        (KeyReference(env="FLEET_KEY"), "opencode.json", "{env:FLEET_KEY}"),
        (KeyReference(file="secrets/k"), "opencode.json", "{file:../secrets/k}"),
        (KeyReference(file="secrets/k"), "laptop/opencode.json", "{file:../../secrets/k}"),
        (KeyReference(file="/etc/fleet/k"), "laptop/opencode.json", "{file:/etc/fleet/k}"),
    ],
)
def test_a_key_is_a_reference_that_opencode_reads_itself(
    key: KeyReference, file: str, reference: str
) -> None:
    data = rendered({"m": RoutedModel()}, key=key, file=file)
    assert data["provider"]["desk"]["options"]["apiKey"] == reference


@pytest.mark.parametrize(
    ("surface", "told"),
    [("", None), (", key: two", "{env:TWO}"), (", key: one", "{env:ONE}")],
)
def test_which_key_opencode_is_given(tmp_path: Path, surface: str, told: str | None) -> None:
    yaml = f"""
    version: 1
    default_provider: desk
    providers: {{desk: "{DESK}"}}
    surfaces: {{code: {{client: opencode{surface}}}}}
    gateway: {{keys: {{one: {{env: ONE}}, two: {{env: TWO, surfaces: [code]}}}}}}
    """
    files = compile_text(tmp_path, yaml, desk=lock_of(DESK, "m")).files
    options = json.loads(files["opencode.json"])["provider"]["desk"]["options"]
    assert options.get("apiKey") == told


def test_a_key_that_fits_alone_need_not_be_named(tmp_path: Path) -> None:
    yaml = f"""
    version: 1
    default_provider: desk
    providers: {{desk: "{DESK}"}}
    surfaces: {{code: {{client: opencode}}, chat: }}
    gateway: {{keys: {{one: {{env: ONE, surfaces: [chat]}}, two: {{env: TWO}}}}}}
    """
    files = compile_text(tmp_path, yaml, desk=lock_of(DESK, "m")).files
    assert json.loads(files["opencode.json"])["provider"]["desk"]["options"]["apiKey"] == "{env:TWO}"


def test_facts_of_the_lock_reach_opencode(tmp_path: Path) -> None:
    yaml = f"""
    version: 1
    default_provider: desk
    providers: {{desk: "{DESK}"}}
    surfaces: {{code: {{client: opencode, file: a/b.json}}}}
    """
    facts = ModelFacts(context=40960, context_source="running")
    files = compile_text(tmp_path, yaml, desk=lock_of(DESK, "n", known={"m": facts})).files
    models = json.loads(files["a/b.json"])["provider"]["desk"]["models"]
    assert models["m"]["limit"] == {"context": 40960, "output": 8192}


def test_opencode_starts_on_its_file_and_says_what_that_needs(tmp_path: Path) -> None:
    yaml = f"""
    version: 1
    default_provider: desk
    providers: {{desk: "{DESK}"}}
    surfaces: {{code: {{client: opencode}}}}
    gateway: {{keys: {{one: {{env: ONE}}}}}}
    """
    config = tmp_path / "opencode.json"
    launch = CLIENT.launch(
        config, compile_text(tmp_path, yaml, desk=lock_of(DESK, "m")).files["opencode.json"]
    )
    assert launch == Launch(
        {"OPENCODE_CONFIG": str(config), "OPENCODE_DISABLE_MODELS_FETCH": "1"},
        keys=("ONE",),
        urls=("http://127.0.0.1:8400/code/v1",),
    )
