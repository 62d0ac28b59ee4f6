"""Diagnostics as people and tools get them."""

import json
import re
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from fleet_compiler.diagnostics.codes import codes
from fleet_compiler.diagnostics.diagnostic import (
    MAX_SHOWN,
    Diagnostic,
    Format,
    Related,
    Span,
    sort_diagnostics,
)
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.report import render
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.load import load_source

SOURCE = Source("fleet.yaml", "version: 1\nproviders:\n  日本: {url: x, url: y}\n")
TWICE = Diagnostic(
    "F012",
    "error",
    "key 'url' is written twice",
    "fleet.yaml",
    Span(3, 16, 19),
    "keep one of the two",
    (Related(Span(3, 8, 11), "first written here"),),
)
NOWHERE = Diagnostic("F001", "error", "cannot read 'a, b: 100%': no", "a, b: 100%", help="try\nagain")
WARNING = Diagnostic("F253", "warning", "cloud 'x' declares no models", "fleet.yaml", Span(1, 1, 8))
ALL = [NOWHERE, WARNING, TWICE]


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_each_format_looks_as_it_did(form: Format, snapshot: SnapshotAssertion) -> None:
    assert render(ALL, [SOURCE], form) == snapshot


def test_coloured_text_is_the_plain_one_with_colours(snapshot: SnapshotAssertion) -> None:
    coloured = render(ALL, [SOURCE], color=True)
    assert coloured == snapshot
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render(ALL, [SOURCE])


def test_no_diagnostics_are_an_empty_text_and_valid_json() -> None:
    assert render([], []) == ""
    assert json.loads(render([], [], "json")) == []
    assert json.loads(render([], [], "sarif"))["runs"][0]["results"] == []
    assert render([], [], "github") == ""


def test_mark_is_under_the_characters_meant_also_after_wide_ones() -> None:
    lines = render([TWICE], [SOURCE]).splitlines()
    source, marks = lines[3], lines[4]
    before = source[: marks.index("^") - 2]
    assert before.endswith("{url: x, ")


def test_long_line_is_cut_around_the_mark() -> None:
    source = Source("fleet.yaml", "a" * 5000 + "!" + "b" * 5000)
    shown = render([Diagnostic("F010", "error", "m", "fleet.yaml", Span(1, 5001, 5002))], [source])
    line, marks = shown.splitlines()[3:5]
    assert len(line) < 160
    assert line[marks.index("^")] == "!"


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    source = Source("fleet.yaml", "a: \x1b[31m\x07\u202e")
    shown = render([Diagnostic("F004", "error", "m", "fleet.yaml", Span(1, 4, 5))], [source])
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_sarif_names_places_by_characters_and_rules_by_index() -> None:
    log: Any = json.loads(render(ALL, [SOURCE], "sarif"))
    (run,) = log["runs"]
    assert (log["version"], run["columnKind"]) == ("2.1.0", "unicodeCodePoints")
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    region = run["results"][2]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 16, "endColumn": 19}


def test_github_annotation_is_one_line_whatever_the_message() -> None:
    assert len(render(ALL, [SOURCE], "github").splitlines()) == 3


def arrange(count: int, warnings: int = 0) -> list[Diagnostic]:
    errors = [Diagnostic("F101", "error", f"e{n}", "f", Span(n + 1, 1, 2)) for n in range(count)]
    return sort_diagnostics(
        errors + [Diagnostic("F250", "warning", f"w{n}", "f", Span(1, n + 1, 9)) for n in range(warnings)]
    )


def test_diagnostics_are_sorted_by_place_and_each_is_shown_once() -> None:
    assert sort_diagnostics([TWICE, WARNING, TWICE, NOWHERE]) == [NOWHERE, WARNING, TWICE]


def test_as_many_as_fit_are_shown_without_a_remark() -> None:
    assert len(arrange(MAX_SHOWN)) == MAX_SHOWN


def test_what_does_not_fit_is_counted() -> None:
    shown = arrange(MAX_SHOWN + 1)
    assert len(shown) == MAX_SHOWN + 1
    assert (shown[-1].code, shown[-1].message) == ("F000", "1 more finding is not shown")


def test_errors_push_warnings_out() -> None:
    shown = arrange(MAX_SHOWN, warnings=20)
    assert {diagnostic.severity for diagnostic in shown[:-1]} == {"error"}
    assert (shown[-1].severity, shown[-1].message) == ("warning", "20 more findings are not shown")


HEAD = "version: 1\ndefault_provider: box\nproviders:\n  box:\n    url: http://a:1\n"


@pytest.mark.parametrize(
    "written",
    [
        "    api_key: hunter2\n",
        "    api_key: hunter2 # note\n    lable: x\n",
        "    apiKey: 'hunter2\n",
        "    api_key: hunter2\tx\n",
        "    api_key: |\n      hunter2\t\n",
        "    api_key:\n      hunter2: {\n",
        "    'api_key': hunter2\n    'api_key': hunter2\n",
        "    token: 0123456\n",
        "    password: *hunter2\n",
        "    password: &hunter2 x\n",
        "    api_key_env: hunter2!\n",
        "    label: ok # password: hunter2\n    label: x\n",
        "  other: https://me:hunter2@a.example\n",
        "  other: ftp://me:hunter2@a.example\n",
        "  other: https://me:hunter2@a.example/\t\n",
        "gateway: {keys: {laptop: hunter2}}\n",
        "gateway: {keys: {laptop: hunter2}\n",
        "gateway:\n  keys:\n    laptop: hunter2\t\n",
        "gateway:\n  keys:\n    laptop: {env: hunter2-x}\n",
        "gateway:\n  keys:\n    laptop: {secret: hunter2, env: A}\n",
        "gateway:\n  keys: [hunter2]\n",
        "surfaces: {a: {client: opencode, key: hunter2}}\n",
        "surfaces: {a: {client: opencode, key: Hunter2 hunter2}}\n",
        "aliases: {sk-hunter2hunter2: nobody/x}\n",
        "roles: {task: sk-hunter2hunter2/x}\n",
        "    pass: hunter2\n",
        "    auth: {bearer: hunter2}\n",
        "    auth: {bearer: hunter2\n",
        "    authToken: hunter2\n",
        "    HF_TOKEN: hunter2\n",
        "    client-secret: [a, hunter2]\n",
        "    environment: [X=hunter2]\n",
        "    environment: {X: hunter2}\n",
        "    environment:\n      - X=hunter2\n    x: [\n",
        "    env: [HUNTER=hunter2]\n",
        "    headers: {X-Anything: hunter2}\n",
        "    command: llama-server --api-key hunter2\n",
        "    command: llama-server --api-key=hunter2 {\n    x: }\n",
        "    args: [HF_TOKEN=hunter2]\n",
        "    lable: Basic hunter2hunter2\n",
        "  other: https://me:x/hunter2@a.example\n",
        "  other: https://me:hunter2/x@a.example\n",
        "  other: https://me:hunter2#x@a.example\n",
        "  other: https://me:hunter2?x@a.example\n",
        "  other: https://hunter2/x:y@a.example\n",
        "  other: https://me:0123456/x@a.example\n",
        "  other: {url: https://me:a/hunter2@a.example, lable: x}\n",
        "  other: https://a.example/v1?key=hunter2\n",
        "  other: https://a.example/v1?a=b&x=hunter2#top\n",
        "  other: https://a.example/v1?hunter2\n",
        "  other: {url: https://a.example/v1?k=hunter2, lable: x}\n",
        "  other: https://a.example/v1?key=hunter2\n  x: [\n",
        "  other: https://a.example\n  api_key: hunter2\n",
        "gateway: {keys: {laptop: {env: A, token: hunter2}}}\n",
        "surfaces: {a: {client: opencode, key: [hunter2]}}\n",
        "gateway: {hosts: [sk-hunter2hunter2, sk-hunter2hunter2]}\n",
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_secret_is_in_no_report(written: str, form: Format) -> None:
    with pytest.raises(ConfigError) as caught:
        load_source(Source("fleet.yaml", HEAD + written))
    shown = render(caught.value.diagnostics, caught.value.sources, form)
    assert "hunter2" not in shown.lower()
    assert "0123456" not in shown
    assert "F" in shown


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
@pytest.mark.parametrize(
    "written",
    [
        "    sidecar: 'http://127.0.0.1:9/#hunter2'\n",
        "    sidecar: 'http://127.0.0.1:9/#tok=hunter2'\n",
        "    sidecar: 'http://127.0.0.1:9/x?a=b#hunter2'\n",
        "    sidecar: '127.0.0.1:9/#hunter2'\n",
        "    sidecar: '127.0.0.1:9#hunter2'\n",
        "    api_key_file: [hunter2]\n",
        "    api_key_file: {a: hunter2}\n",
        "    api_key_file: [hunter2]\nx: [\n",
        "    api_key_env: [hunter2]\n",
        "gateway: {keys: {laptop: {file: [hunter2]}}}\n",
        "    lable: &k hunter2\n    api_key: *k\n",
        "    lable: &k {x: hunter2}\n    api_key: *k\n",
        "note: 'curl -H \"x-api-key: hunter2\"'\n",
        'note: "curl -H \\"Authorization: hunter2\\""\n',
        "note: curl -H x-api-key:hunter2\n",
    ],
)
def test_secret_in_an_unusual_place_is_in_no_report(written: str, form: Format) -> None:
    with pytest.raises(ConfigError) as caught:
        load_source(Source("fleet.yaml", HEAD + written))
    assert "hunter2" not in render(caught.value.diagnostics, caught.value.sources, form)


def test_reference_to_a_key_is_shown_where_it_is_no_secret() -> None:
    text = HEAD + "    api_key_env: BOX_KEY\n    api_key_file: box.key\n"
    with pytest.raises(ConfigError) as caught:
        load_source(Source("fleet.yaml", text))
    shown = render(caught.value.diagnostics, caught.value.sources)
    assert "api_key_env: BOX_KEY" in shown
    assert "api_key_file: box.key" in shown


@pytest.mark.parametrize(
    "name", ["rk-3588-board", "sk-rack-2-node-17", "pk-1", "hf_mirror_2024_north_1", "auth", "my-token"]
)
@pytest.mark.parametrize("broken", ["", "x: [\n"])
def test_the_name_of_a_provider_is_never_masked(name: str, broken: str) -> None:
    text = f"""\
version: 1
default_provider: {name}
providers:
  {name}: {{url: http://a:1, lable: x}}
  other: {{url: http://b:1, formerly: [{name}]}}
surfaces:
  arena: {{providers: [{name}], lable: {name}}}
roles: {{task: {name}/qwen}}
{broken}"""
    with pytest.raises(ConfigError) as caught:
        load_source(Source("fleet.yaml", text))
    assert "*" not in render(caught.value.diagnostics, caught.value.sources)


def test_an_unknown_default_provider_is_shown_as_it_is_written() -> None:
    text = "version: 1\ndefault_provider: rk-3588-board\nproviders:\n  box: http://a:1\n"
    with pytest.raises(ConfigError) as caught:
        load_source(Source("fleet.yaml", text))
    shown = render(caught.value.diagnostics, caught.value.sources)
    assert "unknown provider 'rk-3588-board'" in shown
    assert "1 | default_provider" not in shown
    assert "2 | default_provider: rk-3588-board" in shown


@pytest.mark.parametrize(
    "name", ["max_tokens", "keyboard", "tokenizer", "passthrough", "author", "key_file", "monkey"]
)
def test_an_ordinary_key_does_not_hide_its_value(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_source(Source("fleet.yaml", HEAD + f"    {name}: plain\n"))
    assert f"{name}: plain" in render(caught.value.diagnostics, caught.value.sources)


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_no_report_holds_a_character_that_a_terminal_obeys(form: Format) -> None:
    evil = "\x1b]0;x\x07\x9b2J\u202e\u2028"
    related = (Related(Span(1, 1, 2), evil),)
    found = Diagnostic("F101", "error", f"a{evil}", f"f{evil}", Span(1, 1, 2), f"h{evil}", related)
    shown = render([found], [Source(f"f{evil}", f"k{evil}: 1\n")], form)
    assert [c for c in shown if not c.isprintable() and c != "\n"] == []


def test_every_code_can_be_a_sarif_rule() -> None:
    every = [Diagnostic(code, "error", "m", "f", Span(1, 1, 2), "h") for code in codes()]
    log: Any = json.loads(render(every, [], "sarif"))
    assert len(log["runs"][0]["tool"]["driver"]["rules"]) == len(codes())
