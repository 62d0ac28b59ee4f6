"""From text to data with places: strict YAML 1.2, whatever the parser below thinks."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleet_compiler.diagnostics.diagnostic import Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.document import Document
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.scalars import MAX_NUMBER


def load(text: str) -> Document:
    return load_document(Source("fleet.yaml", text))


def value_of(scalar: str) -> Any:
    return load(f"a: {scalar}").data["a"]


def codes_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("y", "y"), ("true", True), ("True", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("nUll", "nUll"),
        ("0", 0), ("-0", 0), ("+12", 12), ("12", 12), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("2026-11-21", "2026-11-21"), ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"), ("1.2.3", "1.2.3"),
        ("12abc", "12abc"), ("-", None), ("0.0.0.0:80", "0.0.0.0:80"), ("'12'", "12"), ('"true"', "true"),
        ("=", "="), ("+", "+"), (".", "."), ("..", ".."), ("1e", "1e"), ("0x", "0x"), ("a?b", "a?b"),
        ("a:b", "a:b"),
        (str(MAX_NUMBER), MAX_NUMBER), (f"-{MAX_NUMBER}", -MAX_NUMBER),
        ("|-\n  x\n  y", "x\ny"), (">-\n  x\n  y", "x y"),
    ],
)  # fmt: skip
def test_scalar_means_what_yaml_1_2_says(scalar: str, value: object) -> None:
    if scalar == "-":
        assert load("a:\n -").data == {"a": [None]}
    else:
        assert value_of(scalar) == value
        assert type(value_of(scalar)) is type(value)


@pytest.mark.parametrize(
    "scalar",
    ["010", "-007", "00", "08", "0_1", "007.5", "0x1F", "0o17", "0b1", "1_000", "1:30", "190:20:30.15"],
)
def test_number_that_readers_disagree_on_is_rejected(scalar: str) -> None:
    assert codes_of(f"a: {scalar}") == ["F019"]


@pytest.mark.parametrize("scalar", [".inf", "-.INF", "+.Inf", ".nan", ".NaN", "1e999", "-1e999", "9" * 5000])
def test_number_out_of_reach_is_rejected(scalar: str) -> None:
    assert codes_of(f"a: {scalar}") == ["F020"]


@pytest.mark.parametrize("scalar", ["'010'", '"0x1f"', "'.inf'", '"1_000"'])
def test_quotes_make_any_number_text(scalar: str) -> None:
    assert value_of(scalar) == scalar[1:-1]


def test_colons_and_question_marks_are_allowed_inside_plain_text_in_brackets_and_braces() -> None:
    text = "a: {url: http://box:8080/?x, n: [a:b, c?d, ?e, f?], 'q':1, t: 10:20x}"
    assert load(text).data == {
        "a": {"url": "http://box:8080/?x", "n": ["a:b", "c?d", "?e", "f?"], "q": 1, "t": "10:20x"}
    }


def test_private_use_characters_are_kept_even_if_all_are_used() -> None:
    every = "".join(chr(code) for code in range(0xE000, 0xF900))
    assert load(f"a: '{every}'\nb: {{c: x y}}").data == {"a": every, "b": {"c": "x y"}}


characters = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])
scalars = st.none() | st.booleans() | st.integers(-MAX_NUMBER, MAX_NUMBER) | st.text(characters)
documents = st.dictionaries(
    st.text(characters, min_size=1, max_size=20),
    st.recursive(
        scalars,
        lambda below: (
            st.lists(below, max_size=4) | st.dictionaries(st.text(characters, max_size=9), below, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=4,
)


@settings(max_examples=80, deadline=None)
@example({"\ue000": "http://box:8080"}, None)
@given(documents, st.sampled_from([None, 1, 2]))
def test_json_is_read_as_json(data: dict[str, Any], indent: int | None) -> None:
    """Characters that may not stand as they are can all be written as escapes."""
    assert load(json.dumps(data, indent=indent)).data == data


@settings(max_examples=80, deadline=None)
@given(documents)
def test_every_place_holds_what_it_names(data: dict[str, Any]) -> None:
    text = json.dumps(data)
    document = load(text)

    def check(value: Any, path: tuple[str | int, ...]) -> None:
        span = document.span(path)
        assert text[span.column - 1 : span.end_column - 1].startswith(json.dumps(value)[:1])
        if not isinstance(value, dict | list):
            assert text[span.column - 1 : span.end_column - 1] == json.dumps(value)
        for key, below in value.items() if isinstance(value, dict) else ():
            at = document.span((*path, key), key=True)
            assert text[at.column - 1 : at.end_column - 1] == json.dumps(key)
            check(below, (*path, key))
        for index, below in enumerate(value if isinstance(value, list) else ()):
            check(below, (*path, index))

    check(data, ())


TEXT = """\
version: 1
providers:
  box:
    url: "http://a"
    models: [x, {y: 1}]
    label:
"""


@pytest.mark.parametrize(
    ("path", "key", "span"),
    [
        (("version",), False, Span(1, 10, 11)),
        (("version",), True, Span(1, 1, 8)),
        (("providers", "box", "url"), False, Span(4, 10, 20)),
        (("providers", "box", "models", 1, "y"), False, Span(5, 21, 22)),
        (("providers", "box", "models", 1, "y"), True, Span(5, 18, 19)),
        (("providers", "box", "models"), False, Span(5, 13, 14)),
    ],
)
def test_value_and_key_have_their_places(path: tuple[str | int, ...], key: bool, span: Span) -> None:
    assert load(TEXT).span(path, key) == span


def test_block_mapping_has_the_position_of_its_key() -> None:
    assert load(TEXT).span(("providers", "box")) == Span(3, 3, 6)


def test_missing_value_has_the_position_of_its_key() -> None:
    assert load(TEXT).span(("providers", "box", "label")) == Span(6, 5, 10)


@pytest.mark.parametrize("key", [True, False])
def test_missing_part_has_the_position_of_the_nearest_part_above(key: bool) -> None:
    assert load(TEXT).span(("providers", "box", "kind", "x"), key) == Span(3, 3, 6)
    assert load(TEXT).span(("providers", "box", "url", 0), key) == Span(4, 10, 20)


def test_text_of_several_lines_has_a_place_on_each() -> None:
    document = load("a: |\n  one\n  two\nb: 1\n")
    assert [span.line for span in document.spans(("a",))][:3] == [1, 2, 3]


def test_faults_after_one_another_are_all_reported() -> None:
    assert codes_of("a: &x 010\na: *x\n1: !t b\n") == ["F014", "F019", "F012", "F014", "F013", "F016"]
