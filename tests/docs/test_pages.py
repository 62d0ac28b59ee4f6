"""The generated pages are current and complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from docs.generate.cli_page import cli_page
from docs.generate.yaml_page import SECTIONS, fleet_yaml_page, flow
from fleet_compiler.cli import COMMANDS, EXIT_CODES, fleet
from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.schema import schema
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode, read_source
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
MADE = {
    "fleet-yaml.md": lambda: fleet_yaml_page(schema(), (ROOT / "fleet.yaml").read_text(encoding="utf-8")),
    "cli.md": cli_page,
}


@pytest.mark.parametrize("name", MADE)
def test_a_made_page_is_current(name: str) -> None:
    """`make docs` writes them again."""
    assert (DOCS / name).read_text(encoding="utf-8") == MADE[name]()


def mappings(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            yield path, part
        for key, below in part.items():
            yield from mappings(below, f"{path}/{key}".lstrip("/"))


def test_every_key_of_fleet_yaml_has_its_row() -> None:
    sections = {section.path: section.heading for section in SECTIONS}
    page = MADE["fleet-yaml.md"]()
    for path, mapping in mappings(schema()):
        if "/allOf/" in path:
            continue
        _, _, rest = page.partition(f"\n{sections[path]}\n")
        rows = rest.partition("\n#")[0]
        assert re.findall(r"(?m)^\| `(\w+)` \|", rows) == list(mapping["properties"]), path
    for kind in CLIENTS.values():
        assert all(f"| `{kind.name}` | `{key}` |" in page for key in kind.options.model_fields), kind.name


def examples(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from part.get("examples", ())
        yield from ([part["default"]] if "default" in part else [])
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from examples(below)


@pytest.mark.parametrize("example", list(examples(schema())), ids=str)
def test_an_example_on_the_page_is_read_as_the_value_that_it_stands_for(example: Any) -> None:
    document = load_document(decode("page", f"example: {flow(example)}\n".encode()))
    assert document.data == {"example": example}


def test_the_editors_line_of_the_shipped_file_leads_to_its_own_schema() -> None:
    """The shipped file is valid by the schema with its own names, too."""
    first = (ROOT / "fleet.yaml").read_text(encoding="utf-8").partition("\n")[0]
    _, _, place = first.partition("# yaml-language-server: $schema=")
    assert place == "generated/fleet.schema.json"
    generated = json.loads((ROOT / place).read_text(encoding="utf-8"))
    assert generated["properties"]["default_provider"]["examples"][0] == "sam-desktop"
    Draft202012Validator(generated).validate(load_document(read_source(ROOT / "fleet.yaml")).data)


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for below in group.list_commands(context):
        command = group.get_command(context, below)
        assert command is not None
        yield f"{name} {below}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {below}")


EVERY_COMMAND = dict(commands(fleet, "fleet"))


@pytest.mark.parametrize(("name", "command"), EVERY_COMMAND.items(), ids=EVERY_COMMAND)
def test_the_page_has_every_command_with_its_options_and_examples(name: str, command: click.Command) -> None:
    """And the exit codes, of those that end by themselves with something to say."""
    (section,) = re.findall(rf"(?ms)^##+ {re.escape(name)}\n(.*?)(?=^##|\Z)", MADE["cli.md"]())
    assert f"```\n{name} " in section
    for option in command.params:
        for spelling in option.opts if isinstance(option, click.Option) and not option.hidden else ():
            assert spelling in section
    if not isinstance(command, click.Group):
        assert section.count("```\n") >= 4, "usage and examples"
        assert name == "fleet demo" or "\nExit codes: " in section


def test_the_page_has_every_command_in_its_list_and_every_exit_code() -> None:
    page = MADE["cli.md"]()
    for name, entry in COMMANDS.items():
        assert f"- [`fleet {name}`](#fleet-{name}): {entry.summary}\n" in page
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |\n" in page
