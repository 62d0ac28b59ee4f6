"""Generate docs/cli.md from the commands: ``python -m docs.generate.cli_page``, in a checkout."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from fleet_compiler.cli import COMMANDS, EXIT_CODES, SECTIONS, fleet

HEAD = """\
# The command line

`fleet COMMAND --help` shows what is on this page. Results are written to standard output; diagnostics,
progress and warnings to standard error. Both are coloured on a terminal; `NO_COLOR` turns colours off,
`FORCE_COLOR` turns them on.

<!-- generated from the commands: python -m docs.generate.cli_page -->
"""

EXAMPLES = re.compile(r"Examples?:\n(?P<lines>(?:  .*\n?)+)")
EXITS = re.compile(r"(?m)^  (?P<code>\d+)  (?P<meaning>.*)$")


def cli_page() -> str:
    """Return the page: every command in the order of `fleet --help`, a group before its subcommands."""
    index = [
        line
        for heading, names in SECTIONS.items()
        for line in (
            f"**{heading}**",
            "",
            *(f"- [`fleet {name}`](#fleet-{name}): {COMMANDS[name].summary}" for name in names),
            "",
        )
    ]
    sections = _sections(fleet, click.Context(fleet, info_name="fleet"), "##")
    return "\n".join([HEAD, *index, _exit_codes(), *sections])


def _sections(group: click.Group, context: click.Context, level: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, parent=context, info_name=name)
        yield f"{level} {below.command_path}\n\n{_section(command, below)}"
        if isinstance(command, click.Group):
            yield from _sections(command, below, f"{level}#")


def _exit_codes() -> str:
    rows = (f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    return "\n".join(["## Exit codes", "", "| code | |", "|---|---|", *rows, ""])


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = ["```", usage, "```", "", inspect.cleandoc(command.help or ""), ""]
    options = [
        _row(option) for option in command.params if isinstance(option, click.Option) and not option.hidden
    ]
    if options:
        lines += ["| option | |", "|---|---|", *options, ""]
    epilog = command.epilog or ""
    if examples := EXAMPLES.search(epilog):
        lines += ["```", inspect.cleandoc(examples["lines"]).strip(), "```", ""]
    exits = EXITS.findall(epilog.partition("Exit codes:")[2])
    if exits:
        lines += [f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in exits)}.", ""]
    return "\n".join(lines)


def _row(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_metavar(option)}"
    default = f" Default: `{option.default}`." if option.show_default else ""
    required = " Required." if option.required else ""
    return f"| `{', '.join(option.opts)}{value}` | {option.help}{required}{default} |".replace("\n", " ")


def _metavar(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "\\|".join(option.type.choices)
    return (option.metavar or option.type.name.upper().partition(" ")[0]).replace("|", "\\|")


if __name__ == "__main__":
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    page.write_text(cli_page(), encoding="utf-8")
