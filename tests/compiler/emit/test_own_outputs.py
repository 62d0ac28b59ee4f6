"""Outputs of the user: what a template can use, what it may not, and how its file is owned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.report import render
from fleet_compiler.emit.plan import diff
from fleet_compiler.emit.template_process import fill
from fleet_compiler.pipeline import build, prepare
from fleet_compiler.project import Project, locate_project
from tests.support.paths import ROOT

FLEET = """\
version: 1
default_provider: sam
providers:
  sam:
    url: http://127.0.0.1:9
    models: {qwen/x: {context: 4096}, "an: odd #1": {}, emb: {purpose: embedding}, old: {hidden: true}}
  off: {url: http://127.0.0.1:10, enabled: false, models: [m]}
gateway: {keys: {laptop: {env: FLEET_KEY}}}
surfaces: {chat: {roles: {default: sam/qwen/x}}}
"""


def project(folder: Path, **templates: str) -> Project:
    """A fleet with an output `out/NAME` for each template, whose double underscore is a dot."""
    (folder / "templates").mkdir(exist_ok=True)
    entries = []
    for name, text in templates.items():
        file = name.replace("__", ".")
        (folder / "templates" / file).write_text(text)
        entries.append(f"  - {{template: templates/{file}, path: out/{file}}}\n")
    outputs = "outputs:\n" + "".join(entries) if entries else ""
    (folder / "fleet.yaml").write_text(FLEET + outputs)
    return locate_project(folder / "fleet.yaml")


def built(where: Project) -> dict[str, bytes]:
    return dict(build(where, environ={}, mode="frozen").compiled.files)


def problems(where: Project) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(where, environ={}, mode="frozen")
    return render(caught.value.diagnostics, caught.value.sources)


def example() -> str:
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    return page.partition("```jinja\n")[2].partition("```")[0]


def test_the_example_of_the_page_renders_what_it_promises(tmp_path: Path) -> None:
    files = built(project(tmp_path, page__json=example()))
    assert json.loads(files["out/page.json"]) == [
        {"id": "sam/an: odd #1", "context": None},
        {"id": "sam/qwen/x", "context": 4096},
    ]


def test_every_name_of_the_page_is_there_and_no_other(tmp_path: Path) -> None:
    template = (
        "{{ {'gateway': gateway, 'fleet': fleet, 'surfaces': surfaces, 'providers': providers} | json }}"
    )
    view = json.loads(built(project(tmp_path, all__json=template))["out/all.json"])
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    names = page.partition("## Names")[2].partition("## What")[0]
    described = set(names.replace("`", " ").replace(",", " ").split())
    (surface,) = view["surfaces"]
    groups = (view, view["gateway"], view["providers"][0], surface, surface["models"][0])
    assert {name for group in groups for name in group} <= described
    assert surface["base_url"] == "http://127.0.0.1:8400/chat/v1"
    assert surface["first"] == {"default": "sam/qwen/x"}
    assert [model["id"] for model in surface["models"]] == ["sam/an: odd #1", "sam/emb", "sam/qwen/x"]
    assert view["gateway"]["keys"] == {"laptop": {"env": "FLEET_KEY"}}


def test_an_output_is_owned_like_every_generated_file(tmp_path: Path) -> None:
    where = project(tmp_path, hosts__txt="{{ fleet.label }}\n")
    assert built(where)["out/hosts.txt"] == b"fleet\n"
    manifest = json.loads((where.generated / "manifest.json").read_text())
    assert "out/hosts.txt" in manifest["files"]
    assert not prepare(where, environ={}, mode="frozen").stale
    (tmp_path / "templates" / "hosts.txt").write_text("other\n")
    changed = prepare(where, environ={}, mode="frozen")
    assert "+other" in list(diff(changed.plan))
    built(project(tmp_path))
    assert not (where.generated / "out").exists()


def test_a_mistake_is_shown_at_the_line_of_the_template(tmp_path: Path) -> None:
    where = project(
        tmp_path,
        name__txt="first\n  {{ surfaces[0].nam }}\n",
        syntax__txt="{% if fleet %}\n{{ fleet.label }\n",
        part__json="[1,\n{{ fleet.label }}]",
        part__yaml="a: {{ fleet.label }}: b",
        part__toml="a = {{ fleet.label }}",
        include__txt="{% include 'other' %}",
    )
    assert problems(where) == (
        """\
error[F218]: template cannot be rendered: includes or imports another template: copy it into this one
 --> templates/include.txt:1:1
  |
1 | {% include 'other' %}
  | ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: docs/outputs.md has the names and filters that a template can use

error[F218]: template cannot be rendered: 'dict object' has no attribute 'nam'
 --> templates/name.txt:2:3
  |
2 |   {{ surfaces[0].nam }}
  |   ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: docs/outputs.md has the names and filters that a template can use

error[F219]: 'out/part.json' would not be JSON: expecting value, line 2 of the result: 'fleet]'
 --> templates/part.json
  = help: the json filter quotes texts: {{ model.id | json }}

error[F219]: 'out/part.toml' would not be TOML: invalid value, line 1 of the result: 'a = fleet'
 --> templates/part.toml
  = help: the json filter quotes texts: {{ model.id | json }}

error[F219]: 'out/part.yaml' would not be YAML: mapping values are not allowed in this context, """
        """line 1 of the result: 'a: fleet: b'
 --> templates/part.yaml
  = help: the json filter quotes texts: {{ model.id | json }}

error[F218]: template cannot be rendered: unexpected '}'
 --> templates/syntax.txt:2:1
  |
2 | {{ fleet.label }
  | ^^^^^^^^^^^^^^^^
  |
  = help: docs/outputs.md has the names and filters that a template can use"""
    )


def test_a_template_outside_of_the_folder_is_never_read(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    (tmp_path / "secret").write_text("canary")
    where = project(folder, linked__txt="", missing__txt="")
    (folder / "templates" / "missing.txt").unlink()
    (folder / "templates" / "linked.txt").unlink()
    (folder / "templates" / "linked.txt").symlink_to(tmp_path / "secret")
    shown = problems(where)
    assert "template 'templates/linked.txt' is a link that leads out of the folder of fleet.yaml" in shown
    assert "template 'templates/missing.txt' does not exist" in shown
    assert "canary" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "{{ fleet.__class__ }}",
        "{{ fleet['__class__'] }}{{ ''['__class__'] }}",
        "{{ fleet | attr('__class__') }}",
        "{{ '{0.__class__}'.format(fleet) }}",
        "{{ '{0.__class__}' | format(fleet) ~ ''.format_map }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ fleet.models.append(1) }}",
        "{{ fleet.update({}) }}",
        "{{ fleet.pop('label') }}",
        "{% set ns = namespace(a=fleet) %}{{ ns.a.clear() }}",
        "{{ lipsum() }}",
        "{{ [1] | random }}",
        "{{ range(999999999) | list }}",
        "{{ environment }}",
        "{{ import('os') }}",
    ],
)
def test_a_template_reaches_nothing_but_its_data(text: str) -> None:
    filled = fill("t", text, {"fleet": {"label": "x", "models": [1]}})
    assert filled.text is None
    assert filled.line == 1


@pytest.mark.parametrize(
    "text",
    ["{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "{{ 'x' * 10**9 }}"],
)
def test_a_template_has_limited_time_and_memory(tmp_path: Path, text: str) -> None:
    shown = problems(project(tmp_path, a__txt="fine", big__txt=text))
    assert shown.startswith("error[F218]: template cannot be rendered: takes more than ")
    assert "templates/big.txt" in shown


def test_a_result_is_limited() -> None:
    filled = fill("t", "{% for a in range(90) %}{{ 'x' * 99999 }}{% endfor %}", {})
    assert (filled.text, filled.message) == (None, "renders more than 4 MiB")


@pytest.mark.parametrize("how", ["keys", "provider", "header", "link", "state"])
def test_the_file_of_a_key_is_no_template(tmp_path: Path, how: str) -> None:
    where = project(tmp_path, t__j2="x")
    file = tmp_path / "templates" / "t.j2"
    text = where.config.read_text()
    if how == "link":
        (tmp_path / "key").write_text("canary")
        file.unlink()
        file.symlink_to("../key")
    else:
        file.write_text("canary {{")
    path = "key" if how == "link" else "templates/t.j2"
    if how in ("keys", "link"):
        text = text.replace("{env: FLEET_KEY}", f"{{file: {path}}}")
    elif how == "state":
        text = text.replace("gateway: {", f"gateway: {{state: {{postgres: {{file: {path}}}}}, ")
    else:
        setting = f"api_key_file: {path}" if how == "provider" else f"headers: {{X-Any: {{file: {path}}}}}"
        text = text.replace("enabled: false", f"enabled: false, {setting}")
    where.config.write_text(text)
    shown = problems(where)
    assert "template 'templates/t.j2' is the file of a key, which no build reads" in shown
    assert "canary" not in shown


def test_a_template_that_is_a_link_to_itself_is_named(tmp_path: Path) -> None:
    where = project(tmp_path, t__j2="x")
    file = tmp_path / "templates" / "t.j2"
    file.unlink()
    file.symlink_to("t.j2")
    assert "template 'templates/t.j2' cannot be read: its symbolic links form a loop" in problems(where)
