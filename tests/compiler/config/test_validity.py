"""What decides quickly that a document is valid agrees with the complete validator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_compiler.config.schema import schema
from fleet_compiler.config.schema_check import find_schema_problems
from fleet_compiler.config.validity import KEYWORDS, is_valid
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode
from tests.support.paths import CASES, ROOT

LOADER = (
    "from fleet_compiler.load import load_fleet; from pathlib import Path; load_fleet(Path('fleet.yaml'))"
)


def documents() -> Iterator[tuple[Path, Any]]:
    for path in sorted(CASES.rglob("*.yaml")):
        with suppress(ConfigError):
            yield path, load_document(decode("fleet.yaml", path.read_bytes())).data


def keywords(rules: Any) -> Iterator[str]:
    """Yield the keywords of a schema and of those below it."""
    if isinstance(rules, dict):
        yield from rules
        for keyword in ("properties", "$defs"):
            for below in rules.get(keyword, {}).values():
                yield from keywords(below)
        for keyword in ("items", "additionalProperties", "propertyNames", "not", "if", "then", "else"):
            yield from keywords(rules.get(keyword))
        for below in rules.get("allOf", ()):
            yield from keywords(below)


def test_every_case_gets_the_same_verdict() -> None:
    cases = list(documents())
    assert len(cases) > 200
    different = [path.name for path, data in cases if is_valid(data) == bool(find_schema_problems(data))]
    assert different == []


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2),
    st.sampled_from([0.5, 1.0, float("nan"), 10**30, "", "box", "http://a:1", "box/m", "5 MB", "a b", "é"]),
)
_PARTS = schema()["$defs"].values()
WORDS = sorted({*schema()["properties"], *(key for part in _PARTS for key in part.get("properties", ()))})
VALUES = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS) | st.sampled_from(["box", "nas", "Ä", ""]), below, max_size=4
        )
    ),
    max_leaves=8,
)
HEAD = {"version": 1, "default_provider": "box", "providers": {"box": "http://a:1"}}


SETTINGS = st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=2)


@settings(max_examples=400, deadline=None)
@given(SETTINGS, SETTINGS)
def test_what_is_called_valid_breaks_nothing(top: dict[str, Any], provider: dict[str, Any]) -> None:
    for data in (top, HEAD | top, HEAD | {"providers": {"box": {"url": "http://a:1"} | provider}}):
        if is_valid(data):
            assert find_schema_problems(data) == []


def test_no_keyword_of_the_schema_is_unknown() -> None:
    assert set(keywords(schema())) <= KEYWORDS


@pytest.mark.parametrize("library", ["jsonschema", "rapidfuzz", "jinja2", "asyncio"])
def test_a_valid_file_is_loaded_without(library: str) -> None:
    code = f"{LOADER}; import json, sys; print(json.dumps({library!r} in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) is False
