"""What a model's name means (router.resolve)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.artifacts.contract import Legacy, ProviderClass, RoutedModel, RoutedProvider, RoutingTable
from fleet_runtime.routing.resolver import ProviderView, Resolution, lock_view, resolve_model


def provider(name: str, *models: str, class_: ProviderClass = "local", **aliases: str) -> RoutedProvider:
    routed = {model: RoutedModel() for model in models}
    for alias, model in aliases.items():
        routed[model] = RoutedModel(aliases=(alias,))
    return RoutedProvider(name=name, label=name, class_=class_, models=routed)


SAM = provider("sam-desktop", "qwen3-8b", "qwen3-coder-30b", "deepseek-r1-qwen3-8b", fast="qwen3-4b")
EMBEDDING = provider("embedding", "qwen3-8b", "qwen3-4b", "unsloth/Qwen3-8B-GGUF:Q4_K_M")
DEEPSEEK = provider("deepseek", "deepseek-chat", class_="cloud")
ROLES = {
    "default": ("sam-desktop/qwen3-coder-30b",),
    "task": ("embedding/qwen3-4b", "sam-desktop/qwen3-4b"),
    "cloudy": ("deepseek/deepseek-chat",),
}


def table(
    *providers: RoutedProvider,
    legacy: Legacy = "fallback",
    roles: dict[str, tuple[str, ...]] = ROLES,
) -> RoutingTable:
    return RoutingTable(
        surface="boochat",
        label="boochat",
        base="/boochat",
        default_provider="sam-desktop",
        legacy=legacy,
        names={name: name for name in ("sam-desktop", "embedding", "deepseek")} | {"old-box": "embedding"},
        namespaces=("llama-swap",),
        aliases={"deepseek-chat": "deepseek/deepseek-chat", "odd/alias": "embedding/qwen3-8b"},
        roles=roles,
        providers=providers or (SAM, EMBEDDING, DEEPSEEK),
    )


BOOCHAT = table()


def without(name: str) -> dict[str, ProviderView]:
    view = lock_view(BOOCHAT)
    return view | {name: replace(view[name], status="offline")}


def ask(text: str, *, view: dict[str, ProviderView] | None = None, **options: object) -> Resolution:
    return resolve_model(BOOCHAT, view or lock_view(BOOCHAT), text, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "id", "rule"),
    [
        ("embedding/qwen3-8b", "embedding/qwen3-8b", "provider"),
        ("sam-desktop/qwen3-8b", "sam-desktop/qwen3-8b", "provider"),
        ("old-box/qwen3-8b", "embedding/qwen3-8b", "provider"),
        ("qwen3-8b", "sam-desktop/qwen3-8b", "bare"),
        ("deepseek-r1-qwen3-8b", "sam-desktop/deepseek-r1-qwen3-8b", "bare"),
        ("fast", "sam-desktop/fast", "bare"),
        ("llama-swap/qwen3-8b", "sam-desktop/qwen3-8b", "bare"),
        ("llama-swap/embedding/qwen3-8b", "embedding/qwen3-8b", "provider"),
        ("deepseek-chat", "deepseek/deepseek-chat", "alias"),
        ("llama-swap/deepseek-chat", "deepseek/deepseek-chat", "alias"),
        ("odd/alias", "embedding/qwen3-8b", "alias"),
        ("embedding/unsloth/Qwen3-8B-GGUF:Q4_K_M", "embedding/unsloth/Qwen3-8B-GGUF:Q4_K_M", "provider"),
        ("@task", "embedding/qwen3-4b", "role"),
    ],
)
def test_each_form_of_a_name_means_one_model_of_one_provider(text: str, id: str, rule: str) -> None:
    answer = ask(text)
    assert (answer.id, answer.rule, answer.available, answer.fallback) == (id, rule, True, False)


@pytest.mark.parametrize(
    "text",
    [
        "embedding/deepseek-r1-qwen3-8b",
        "sam-desktop/gpt-4o",
        "sam-desktop/deepseek/deepseek-chat",
        "deepseek-v4",
        "DeepSeek/deepseek-chat",
        "deepseek/DEEPSEEK-CHAT",
        "\u0501eepseek/deepseek-chat",
        "Embedding/qwen3-8b",
        "embedding/",
        "embedding/qwen3-8b/",
        "/qwen3-8b",
        "gone-box/qwen3-8b",
        "llama-swap/llama-swap/qwen3-8b",
        "",
        "@unknown",
    ],
)
def test_a_name_that_means_nothing_is_not_found_and_never_guessed(text: str) -> None:
    answer = ask(text)
    assert answer.refusal is not None
    assert answer.refusal.code == "model_not_found"


def test_the_name_of_a_provider_in_place_of_a_model_suggests_models_of_that_provider() -> None:
    answer = ask("embedding")
    assert answer.refusal is not None
    assert answer.refusal.suggestions[0].startswith("embedding/")


def test_an_unknown_model_suggests_the_same_model_elsewhere_then_near_spellings() -> None:
    answer = ask("embedding/qwen3-coder-30b")
    assert answer.refusal is not None
    assert answer.refusal.suggestions[0] == "sam-desktop/qwen3-coder-30b"
    assert len(answer.refusal.suggestions) <= 5


def test_an_id_over_512_bytes_is_not_found_without_being_repeated_complete() -> None:
    answer = ask("embedding/" + "é" * 256)
    assert answer.refusal is not None
    assert answer.refusal.code == "model_not_found"
    assert len(answer.refusal.message) < 200


def test_a_provider_that_is_offline_is_named_and_never_replaced() -> None:
    answer = ask("embedding/qwen3-8b", view=without("embedding"))
    assert answer.refusal is not None
    assert answer.refusal.code == "provider_unreachable"
    assert "'embedding'" in answer.refusal.message


def test_a_role_moves_to_its_next_choice_while_the_first_is_offline_and_says_so() -> None:
    answer = ask("@task", view=without("embedding"))
    assert (answer.id, answer.fallback) == ("sam-desktop/qwen3-4b", True)


def test_a_role_skips_a_provider_that_did_not_respond_recently() -> None:
    view = lock_view(BOOCHAT)
    view["embedding"] = replace(view["embedding"], responsive=False)
    assert (ask("@task", view=view).id, ask("@task", view=view).fallback) == ("sam-desktop/qwen3-4b", True)
    assert ask("embedding/qwen3-4b", view=view).available, "its own id is still asked"


def test_a_role_uses_its_next_choice_when_a_request_cannot_reach_the_first() -> None:
    unreachable = frozenset({"embedding"})
    assert ask("@task", unreachable=unreachable).id == "sam-desktop/qwen3-4b"
    assert ask("embedding/qwen3-4b", unreachable=unreachable).id == "embedding/qwen3-4b"
    assert ask("@task", unreachable=unreachable | {"sam-desktop"}).id == "embedding/qwen3-4b", (
        "nobody left: the first"
    )


def test_a_name_with_an_unknown_provider_says_that_there_is_no_such_provider() -> None:
    answer = ask("third-box/qwen3-8b")
    assert answer.refusal is not None
    assert answer.refusal.message.startswith("unknown provider 'third-box', and ")


def test_a_role_whose_every_provider_is_offline_responds_for_its_first_choice() -> None:
    view = without("embedding") | {"sam-desktop": without("sam-desktop")["sam-desktop"]}
    answer = ask("@task", view=view)
    assert answer.id == "embedding/qwen3-4b"
    assert answer.refusal is not None
    assert answer.refusal.code == "provider_unreachable"


def test_an_unknown_bare_id_becomes_the_default_role_where_the_endpoint_allows_it() -> None:
    answer = ask("gone-model", falls_back=True)
    assert (answer.id, answer.rule, answer.fallback) == ("sam-desktop/qwen3-coder-30b", "bare", True)
    assert answer.may_be_stale, "the machine may list it by now"


@pytest.mark.parametrize("text", ["gone/model", "sam-desktop/gone", "llama-swap/gone/model"])
def test_nothing_with_a_slash_falls_back(text: str) -> None:
    assert not ask(text, falls_back=True).available


def test_a_bare_id_does_not_fall_back_on_a_strict_surface() -> None:
    strict = table(legacy="strict")
    assert not resolve_model(strict, lock_view(strict), "gone-model", falls_back=True).available


def test_a_bare_id_never_falls_back_to_a_cloud() -> None:
    cloudy = table(roles={"default": ("deepseek/deepseek-chat",)})
    answer = resolve_model(cloudy, lock_view(cloudy), "gone-model", falls_back=True)
    assert (answer.provider, answer.available) == ("sam-desktop", False)


def test_a_bare_id_of_a_default_provider_that_is_offline_is_unreachable_not_rerouted() -> None:
    answer = ask("qwen3-8b", view=without("sam-desktop"), falls_back=True)
    assert answer.refusal is not None
    assert answer.refusal.code == "provider_unreachable"


def test_a_composite_id_of_a_provider_outside_the_surface_is_rejected_not_reinterpreted() -> None:
    local_only = table(SAM, EMBEDDING)
    answer = resolve_model(local_only, lock_view(local_only), "deepseek/deepseek-chat")
    assert answer.refusal is not None
    assert answer.refusal.code == "surface_not_allowed"


def test_the_complete_text_is_the_model_on_a_pinned_path() -> None:
    answer = ask("unsloth/Qwen3-8B-GGUF:Q4_K_M", pinned="embedding")
    assert (answer.id, answer.rule) == ("embedding/unsloth/Qwen3-8B-GGUF:Q4_K_M", "provider")
    assert not ask("embedding/qwen3-8b", pinned="embedding").available
    assert not ask("@task", pinned="embedding").available


def test_an_unlisted_id_is_sent_where_the_list_is_not_known() -> None:
    view = lock_view(BOOCHAT)
    view["embedding"] = replace(view["embedding"], exhaustive=False)
    assert ask("embedding/new-model", view=view).available


def test_an_excluded_id_is_rejected_even_where_the_list_is_not_known() -> None:
    view = lock_view(BOOCHAT)
    view["embedding"] = replace(view["embedding"], exhaustive=False, exclude=("new-*",))
    answer = ask("embedding/new-model", view=view)
    assert answer.refusal is not None
    assert not answer.may_be_stale


@given(st.text())
def test_any_text_gets_a_response_and_reaches_a_cloud_only_by_its_exact_ids(text: str) -> None:
    answer = ask(text, falls_back=True)
    if answer.available and answer.provider == "deepseek":
        stripped = text.removeprefix("llama-swap/")
        assert stripped in ("deepseek/deepseek-chat", "deepseek-chat", "@cloudy")


@given(st.sampled_from(["sam-desktop", "embedding"]), st.text(min_size=1))
def test_a_composite_id_never_resolves_to_another_provider_than_it_names(name: str, model: str) -> None:
    answer = ask(f"{name}/{model}", falls_back=True)
    assert answer.provider in (name, None)
    assert not answer.fallback


def test_requests_to_an_unreachable_provider_are_rejected_at_once_and_roles_skip_it() -> None:
    """Within its grace: its status is still online, and lists have its models."""
    view = lock_view(BOOCHAT)
    view["embedding"] = replace(view["embedding"], status="online", reachable=False)
    rejected = ask("embedding/qwen3-8b", view=view)
    assert rejected.refusal is not None
    assert (rejected.refusal.code, rejected.may_be_stale) == ("provider_unreachable", False)
    task = ask("@task", view=view)
    assert (task.id, task.fallback) == ("sam-desktop/qwen3-4b", True)
    assert view["embedding"].available
