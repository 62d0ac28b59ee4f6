"""docs/cli.md, made from the commands themselves.

``python -m docs.generate.cli_page``, in a checkout, writes it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from fleet_compiler.cli import COMMANDS, EXIT_CODES, fleet

HEAD = """\
# The command line

Results go to standard output; diagnostics, progress and warnings go to standard error, coloured on a terminal
(`NO_COLOR` turns colours off, `FORCE_COLOR` on, for both streams). `fleet COMMAND --help` shows the same.

<!-- made from the commands; python -m docs.generate.cli_page writes it again -->
"""

EXAMPLES = re.compile(r"Examples?:\n(?P<lines>(?:  .*\n?)+)")
EXITS = re.compile(r"Exit codes:\s+(?P<line>.*)")


def cli_page() -> str:
    """The page: every command in the order of `fleet --help`, a group's own below it."""
    index = (f"- [`fleet {name}`](#fleet-{name}): {entry.summary}" for name, entry in COMMANDS.items())
    sections = _sections(fleet, click.Context(fleet, info_name="fleet"), "##")
    return "\n".join([HEAD, *index, "", _exit_codes(), *sections])


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
    options = [_row(option) for option in command.params if isinstance(option, click.Option)]
    if options:
        lines += ["| option | |", "|---|---|", *options, ""]
    epilog = command.epilog or ""
    if examples := EXAMPLES.search(epilog):
        lines += ["```", inspect.cleandoc(examples["lines"]).strip(), "```", ""]
    if exits := EXITS.search(epilog):
        lines += [f"Exit codes: {exits['line'].rstrip('.')}.", ""]
    return "\n".join(lines)


def _row(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_metavar(option)}"
    default = f" Default: `{option.default}`." if option.show_default else ""
    required = " Required." if option.required else ""
    return f"| `{', '.join(option.opts)}{value}` | {option.help}{required}{default} |".replace("\n", " ")


def _metavar(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "\\|".join(option.type.choices)
    return option.metavar or option.type.name.upper().partition(" ")[0]


if __name__ == "__main__":
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    page.write_text(cli_page(), encoding="utf-8")
