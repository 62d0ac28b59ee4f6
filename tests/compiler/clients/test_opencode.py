"""opencode.json: what opencode is told, and above all what it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_compiler.clients import Launch
from fleet_compiler.clients.opencode import CLIENT
from fleet_compiler.emit.render import render_client
from fleet_runtime.artifacts.contract import (
    ContextSource,
    KeyReference,
    ModelFacts,
    Purpose,
    RoutedModel,
)
from tests.support.clients import DESK, client_view
from tests.support.projects import compile_text, lock_of


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
    view = client_view(models, roles, key=key, file=file, exclusive=exclusive, enabled=enabled)
    data: dict[str, Any] = json.loads(render_client(CLIENT.files[0], view))
    return data


def one(**facts: Any) -> dict[str, Any]:
    """What opencode is told of one model."""
    model: dict[str, Any] = rendered({"m": RoutedModel(**facts)})["provider"]["desk"]["models"]["m"]
    return model


TOKENS = st.integers(1, 2**31)


@given(TOKENS, st.sampled_from(get_args(ContextSource)), st.none() | TOKENS)
def test_opencode_never_gets_a_limit_that_makes_it_compact_forever(
    context: int, source: ContextSource, output: int | None
) -> None:
    """With an output of 0, or of the whole context, opencode 1.18 sends requests without end."""
    limit = one(context=context, context_source=source, output=output).get("limit")
    if source == "trained" or context < 4:
        assert limit is None or output is not None
    if limit is not None:
        assert source != "trained"
        assert limit["context"] == context
        assert 0 < limit["output"] < context


@pytest.mark.parametrize(
    ("facts", "limit"),
    [
        ({}, None),
        ({"output": 4096}, None),
        ({"context": 131072, "context_source": "trained"}, None),
        ({"context": 8192, "context_source": "listed"}, {"context": 8192, "output": 2048}),
        ({"context": 131072, "context_source": "running"}, {"context": 131072, "output": 8192}),
        ({"context": 8192, "context_source": "configured", "output": 512}, {"context": 8192, "output": 512}),
        (
            {"context": 8192, "context_source": "configured", "output": 8192},
            {"context": 8192, "output": 2048},
        ),
        ({"context": 3, "context_source": "configured"}, None),
    ],
)
def test_a_limit_needs_a_context_that_is_certain(facts: dict[str, Any], limit: dict[str, int] | None) -> None:
    assert one(**facts).get("limit") == limit


def test_only_what_is_known_is_told() -> None:
    assert one() == {"id": "desk/m", "name": "m (Desk)"}


def test_what_is_known_is_told() -> None:
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
def test_a_machine_without_models_or_switched_off_is_left_out(without: dict[str, Any]) -> None:
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


def test_roles_become_models_by_their_first_choice() -> None:
    models = {"big": RoutedModel(aliases=("large",)), "small": RoutedModel()}
    roles = {"default": ("desk/large", "desk/small"), "task": ("desk/small",), "compaction": ("desk/big",)}
    data = rendered(models, roles)
    assert (data["model"], data["small_model"]) == ("desk/big", "desk/small")


def test_a_role_whose_model_is_not_there_is_not_told() -> None:
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
