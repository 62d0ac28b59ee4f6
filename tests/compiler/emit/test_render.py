"""Templates: every id survives them, and a broken one is never believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_compiler.clients import ClientFile
from fleet_compiler.emit import render
from fleet_compiler.emit.render import TemplateError, render_artifact, render_client
from fleet_runtime.artifacts.contract import RoutedModel, RoutedProvider, RoutingTable
from tests.support.clients import client_view

TEXT = st.text(min_size=1)


def table(ids: list[str], label: str = "desk") -> RoutingTable:
    models = {id: RoutedModel(name=id) for id in ids}
    provider = RoutedProvider.model_validate(
        {"name": "desk", "label": label, "class": "local", "models": models}
    )
    return RoutingTable(
        label=label,
        base="",
        default_provider="desk",
        legacy="strict",
        names={"desk": "desk"},
        namespaces=(),
        aliases=dict.fromkeys(ids, "desk/x"),
        roles={"default": tuple(ids)},
        providers=(provider,),
    )


@given(st.lists(TEXT, unique=True), TEXT)
def test_any_text_survives_the_templates(ids: list[str], label: str) -> None:
    rendered = render_artifact(table(ids, label))
    assert RoutingTable.model_validate_json(rendered) == table(ids, label)


def test_text_is_written_as_it_is() -> None:
    """Jinja's own filter would write ``\\u0026``."""
    assert "<b> & 'x' é 模" in render_artifact(table(["<b> & 'x' é 模"])).decode()


def test_what_looks_like_a_template_is_not_run() -> None:
    assert '"{{ 7 * 7 }}"' in render_artifact(table(["{{ 7 * 7 }}"])).decode()


@given(TEXT)
def test_no_word_of_a_provider_becomes_a_reference_in_a_clients_configuration(text: str) -> None:
    hostile = f"{text}{{env:HOME}}{{file:/etc/passwd}}{text}"
    data = {
        "base_url": "http://x",
        "api_key": "{env:KEY}",
        "exclusive": True,
        "model": hostile,
        "small_model": None,
        "providers": [{"id": "desk", "label": hostile, "models": {hostile: {"name": hostile}}}],
    }
    file = ClientFile("opencode.json", "opencode.json.j2", lambda _: data)
    rendered = render_client(file, client_view()).decode()
    assert rendered.count("{env:") == rendered.count("{env:KEY}") == 1
    assert "{file:" not in rendered
    assert json.loads(rendered)["provider"]["desk"]["models"][hostile]["name"] == hostile


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of templates in place of the shipped one."""
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% if %}", "cannot be rendered"),
        ("{{ artifact.nothing }}", "cannot be rendered"),
        ("{", "does not render what it should: Invalid JSON"),
        ('{"format": 1}', "does not render what it should: Field required"),
        ('{"format": 1, "other": 2}', "does not render what it should: "),
    ],
)
def test_a_broken_template_is_named(templates: Path, template: str, message: str) -> None:
    (templates / "artifact.json.j2").write_text(template)
    with pytest.raises(TemplateError, match=rf"template 'artifact\.json\.j2' {message}"):
        render_artifact(table(["m"]))


def test_a_template_cannot_change_what_is_routed(templates: Path) -> None:
    whole = json.dumps(table(["m"]).model_dump(mode="json", by_alias=True))
    (templates / "artifact.json.j2").write_text(whole.replace("desk/x", "elsewhere/x"))
    with pytest.raises(TemplateError, match="does not render all"):
        render_artifact(table(["m"]))
