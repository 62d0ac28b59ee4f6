"""What the command line says of itself, and what it costs to ask."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from fleet_compiler.cli import COMMANDS, EXIT_CODES, POINTERS, SECTIONS
from fleet_compiler.cli import fleet as root
from tests.cli.conftest import Fleet

OURS = [name for name, entry in COMMANDS.items() if entry.target.startswith("fleet_compiler.")]


def command(name: str) -> click.Command:
    found = root.get_command(click.Context(root), name)
    assert found is not None
    return found


def test_help_loads_no_library_that_only_a_command_needs() -> None:
    """Each of these takes longer than the help itself."""
    program = (
        "import sys; sys.argv = ['fleet', '--help']\n"
        "from fleet_compiler.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'jinja2', 'pydantic', 'jsonschema', 'ruamel', 'ruamel.yaml', 'httpx',"
        " 'rapidfuzz', 'msgspec', 'asyncio', 'importlib.metadata'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == "[]\n"
    assert "Usage: fleet" in ran.stdout


def test_validating_loads_neither_the_network_nor_the_templates(fleet: Fleet) -> None:
    program = (
        "import sys\n"
        "import fleet_compiler.commands.validate\n"
        "print(sorted({'jinja2', 'httpx', 'asyncio'} & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_help_lists_every_command_and_exit_code(fleet: Fleet) -> None:
    ran = fleet("--help")
    assert ran.code == 0
    for name, entry in COMMANDS.items():
        assert f"  {name}" in ran.out
        assert entry.summary in ran.out
    for code, meaning in EXIT_CODES.items():
        assert f"  {code} " in ran.out
        assert meaning in ran.out


def test_every_command_is_in_one_section_of_the_help() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_where_the_list_says(name: str) -> None:
    module, _, attribute = COMMANDS[name].target.partition(":")
    assert getattr(import_module(module), attribute) is command(name)
    assert command(name).get_short_help_str(limit=200) == COMMANDS[name].summary


@pytest.mark.parametrize("name", OURS)
def test_every_commands_help_has_an_example_and_its_exit_codes(name: str, fleet: Fleet) -> None:
    ran = fleet(name, "--help")
    assert ran.code == 0
    assert f"Examples:\n    fleet {name}" in ran.out
    assert "Exit codes:\n    0  " in ran.out


@pytest.mark.parametrize("name", OURS)
def test_every_option_is_explained(name: str) -> None:
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_version_is_the_distributions(fleet: Fleet) -> None:
    from importlib.metadata import version

    for spelling in ("--version", "-V"):
        assert fleet(spelling).out == f"fleet {version('boofleet')}\n"


@pytest.mark.parametrize(
    "arguments", [["biuld"], ["build", "--nope"], ["--nope"], ["resolve"], ["schema", "x"]]
)
def test_wrong_usage_is_said_on_stderr_and_exits_2(fleet: Fleet, arguments: list[str]) -> None:
    ran = fleet(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "\nerror: " in ran.err
    assert not ran.err.rstrip().endswith(".")


@pytest.mark.parametrize("name", POINTERS)
def test_a_word_of_another_tool_gets_a_pointer(fleet: Fleet, name: str) -> None:
    assert name not in COMMANDS
    ran = fleet(name)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(f"error: no command '{name}'; {POINTERS[name]}\n")


@pytest.mark.parametrize("name", POINTERS)
def test_a_pointer_names_commands_that_there_are(name: str) -> None:
    named = [words.split() for words in re.findall(r"`fleet ([^`]+)`", POINTERS[name])]
    assert named
    assert all(words[0] in {*COMMANDS, "COMMAND"} or words[0].startswith("--") for words in named)


def options(command: click.Command) -> dict[str, click.Option]:
    """Every visible option of a command and of its own commands, by each of its spellings."""
    found = {
        spelling: option
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
        for spelling in option.opts
    }
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        found |= options(below)
    return found


def test_one_thing_has_one_word_in_every_command() -> None:
    """The folder, the file, the gateway and JSON are named alike; so are progress and detail."""
    names: dict[str, set[str]] = {}
    for name in COMMANDS:
        found = options(command(name))
        assert not {"--output", "--out", "--config-file"} & found.keys(), name
        for option in found.values():
            names.setdefault(option.name or "", set()).add(" ".join(option.opts))
    assert names["file"] == {"-f --file"}
    assert names["generated"] == {"--generated"}
    assert names["url"] == {"--url"}
    assert names["as_json"] == {"--json"}
    assert (names["quiet"], names["verbose"]) == ({"-q --quiet"}, {"-v --verbose"})


@pytest.mark.parametrize(
    "name", ["validate", "build", "lock", "models", "diff", "resolve", "config", "status", "doctor"]
)
def test_every_command_with_output_also_has_json(name: str) -> None:
    assert "--json" in options(command(name))


@pytest.mark.parametrize(
    "arguments",
    [["validate"], ["build"], ["lock"], ["models"], ["diff"], ["resolve", "x"], ["config"], ["remove", "x"],
     ["run", "opencode"], ["env", "opencode"], ["status"], ["doctor"], ["favorites", "list"], ["serve"]],
    ids=" ".join,
)  # fmt: skip
def test_no_configuration_anywhere_is_a_usage_error_everywhere(fleet: Fleet, arguments: list[str]) -> None:
    ran = fleet(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "error: no fleet.yaml in this folder or one above it: make one with `fleet init`, or " in ran.err


NO_RESULT = {"favorites export", "schema", "up", "serve", "run", "env", "completion", "demo", "top"}
"""Commands without `--json`: they print JSON or a script anyway, or run until they are stopped."""


def leaves(command: click.Command = root, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, by its words after `fleet`."""
    if not isinstance(command, click.Group):
        yield path.strip(), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from leaves(below, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), list(leaves()))
def test_every_command_has_json_and_names_its_exit_codes_from_the_one_table(
    path: str, command: click.Command
) -> None:
    assert ("--json" in options(command)) != (path in NO_RESULT)
    text = (command.epilog or "").partition("Exit codes:")[2]
    named = {int(code) for code in re.findall(r"(?m)^  (\d+)  ", text)}
    assert {0, 2} <= named <= EXIT_CODES.keys()
    for option in options(command).values():
        assert not (option.name == "file" and option.opts != ["-f", "--file"]), path
        for short, long in (("-q", "--quiet"), ("-v", "--verbose"), ("-y", "--yes"), ("-f", "--file")):
            assert short not in option.opts or long in option.opts or option.name == "follow", path


def test_edits_and_what_they_built_are_json_too(fleet: Fleet, project: Path) -> None:
    before = (project / "fleet.yaml").read_text()
    planned = json.loads(fleet("rename", "desk", "loft", "--dry-run", "--json").out)
    assert (planned["status"], planned["build"]) == ("dry_run", None)
    assert (project / "fleet.yaml").read_text() == before
    renamed = json.loads(fleet("rename", "desk", "loft", "--json").out)
    assert (renamed["status"], renamed["build"]["status"]) == ("written", "written")
    assert renamed["diff"] == planned["diff"]
    assert json.loads(fleet("explain", "F010", "--json").out)["code"] == "F010"
    assert json.loads(fleet("init", "-f", "new.yaml", "--json").out) == {"file": "new.yaml", "providers": []}


def test_a_misspelt_command_brings_the_nearest_to_mind(fleet: Fleet) -> None:
    assert fleet("biuld").err.endswith("error: no command 'biuld'; did you mean 'build'?\n")


def test_no_command_at_all_gets_the_help(fleet: Fleet) -> None:
    ran = fleet()
    assert ran.code == 2
    assert "Commands:" in ran.err
    assert "error" not in ran.err.partition("Commands:")[0]
