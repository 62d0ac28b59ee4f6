"""``fleet explain``."""

from __future__ import annotations

from dataclasses import asdict

import click

from fleet_compiler.commands.fleet_names import complete_code
from fleet_compiler.commands.options import json_option
from fleet_compiler.commands.terminal import say, show_json
from fleet_compiler.diagnostics.codes import codes
from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.diagnostics.text import nearest
from fleet_runtime.commands.help_epilog import epilog


@click.command(
    epilog=epilog("fleet explain F010", exits={0: "success", 2: "usage error, or the code does not exist"}),
)
@click.argument("code", shell_complete=complete_code)
@json_option
def explain(code: str, as_json: bool) -> None:
    """Explain the CODE of an error or warning, with an invalid and a valid example."""
    registry = codes()
    known = registry.get(code.upper())
    if known is None:
        near = nearest(code.upper(), registry)
        hint = f"the nearest is '{near}'" if near else f"codes run from {min(registry)} to {max(registry)}"
        raise UsageError(f"no code '{code}'; {hint}")
    if as_json:
        show_json({"code": code.upper(), **asdict(known)})
        return
    say(f"{code.upper()}: {known.title}", bold=True)
    click.echo(f"\n{known.text}")
    for heading, example in (("Wrong", known.wrong), ("Right", known.right)):
        if example is not None:
            indented = "\n".join(f"    {line}".rstrip() for line in example.splitlines())
            click.echo(f"\n{heading}:\n\n{indented}")
