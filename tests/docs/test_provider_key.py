"""A provider's settings are declared once: one edit of the contract reaches every place that knows a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.tree_copy import TreeCopy, copy_tree

CONTRACT = "runtime/fleet_runtime/artifacts/contract.py"
LAST = '    """`false` disables the provider without removing it."""\n'
DECLARATION = '''    rack: Label | None = Field(None, examples=["basement"])
    """Where the provider stands."""
'''
FLEET = """
version: 1
default_provider: desk
providers: {desk: {url: "http://127.0.0.1:8081", poll: false, models: [m], rack: attic}}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TreeCopy:
    """A tree with one more key, declared in the contract, and the pages and schemas made from it."""
    copy = copy_tree(tmp_path_factory.mktemp("tree"))
    copy.edit(CONTRACT, LAST, LAST + DECLARATION)
    for module in ("schemas", "yaml_page"):
        done = copy.run("-m", f"docs.generate.{module}")
        assert done.returncode == 0, done.stderr
    return copy


def schema(tree: TreeCopy, name: str) -> Any:
    return json.loads((tree.folder / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))


def test_the_schema_of_fleet_yaml_has_it_with_its_text_and_example(tree: TreeCopy) -> None:
    assert schema(tree, "fleet")["$defs"]["providerMapping"]["properties"]["rack"] == {
        "description": "Where the provider stands.",
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "examples": ["basement"],
    }


def test_the_schema_of_gateway_json_has_it(tree: TreeCopy) -> None:
    rack = schema(tree, "gateway")["$defs"]["ProviderConfig"]["properties"]["rack"]
    assert (rack["description"], rack["examples"]) == ("Where the provider stands.", ["basement"])


def test_the_page_of_fleet_yaml_has_its_row(tree: TreeCopy) -> None:
    page = (tree.folder / "docs" / "fleet-yaml.md").read_text(encoding="utf-8")
    assert "| `rack` | text | none | Where the provider stands. | `basement` |\n" in page


def test_a_fleet_yaml_may_have_it_and_gateway_json_holds_it(tree: TreeCopy, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    done = tree.run("-m", "fleet_compiler", "build", "--file", str(tmp_path / "fleet.yaml"))
    assert done.returncode == 0, done.stderr
    gateway = json.loads((tmp_path / "generated" / "gateway.json").read_bytes())
    assert gateway["providers"][0]["rack"] == "attic"


def failures(output: str) -> Iterator[str]:
    for line in output.splitlines():
        if line.startswith("FAILED "):
            yield line.removeprefix("FAILED ").partition(" - ")[0]


@pytest.mark.slow
def test_only_the_lists_of_tested_keys_miss_it(tree: TreeCopy) -> None:
    """Every other place that must know a key follows; these two want its test."""
    done = tree.run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("tests/compiler/config/test_agreement.py", "tests/compiler/emit/test_keys.py"),
        *("tests/docs/test_schemas.py", "tests/docs/test_contract_schemas.py", "tests/docs/test_pages.py"),
        *("-k", "key or schema or page or example or description or default or requires"),
    )
    assert set(failures(done.stdout)) == {
        "tests/compiler/config/test_agreement.py::test_every_key_is_in_some_valid_case",
        "tests/compiler/emit/test_keys.py::test_this_list_holds_every_key_of_the_schema",
    }, done.stdout[-3000:]
