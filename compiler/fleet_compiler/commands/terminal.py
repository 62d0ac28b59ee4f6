"""Terminal output: results on stdout, diagnostics and progress on stderr."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from fleet_runtime.commands.wait_line import QUIET
from fleet_runtime.text import condense, escape, escape_json

if TYPE_CHECKING:
    from fleet_compiler.diagnostics.diagnostic import Diagnostic
    from fleet_compiler.diagnostics.errors import FleetError
    from fleet_compiler.diagnostics.source import Source

_VERBOSE = "verbose"


def color_choice(environ: Mapping[str, str] = os.environ) -> bool | None:
    """Return whether all output is coloured: False with NO_COLOR set, True with FORCE_COLOR set (NO_COLOR
    wins), else None: a stream is coloured if it is a terminal. click applies it to every command."""
    if environ.get("NO_COLOR"):
        return False
    return True if environ.get("FORCE_COLOR") else None


def say(text: str, *, err: bool = False, **style: bool | str) -> None:
    """Print one line, styled if colours are wanted; what is not visible in `text` is shown as an escape."""
    line = escape(text)
    click.echo(click.style(line, **style) if style else line, err=err, color=color_choice())  # type: ignore[arg-type]


def show_json(value: Any) -> None:
    """Print a value as JSON for programs; what is not visible is written as an escape of JSON."""
    click.echo(escape_json(json.dumps(value, indent=2, ensure_ascii=False)))


def note(text: str) -> None:
    """Print a line of progress, unless ``-q`` was given."""
    if not _was_given(QUIET):
        say(text, err=True)


def detail(text: str) -> None:
    """Print a line that only ``-v`` asks for."""
    if _was_given(_VERBOSE):
        say(text, err=True)


def verbosity_options() -> list[click.Parameter]:
    """Return ``-q`` and ``-v``, for every command that shows progress."""

    def option(flag: str, name: str, text: str) -> click.Option:
        def keep(ctx: click.Context, _: click.Parameter, given: bool) -> None:
            ctx.meta[name] = given

        return click.Option([flag, f"--{name}"], is_flag=True, expose_value=False, callback=keep, help=text)

    return [
        option("-q", QUIET, "Show only results, warnings and errors."),
        option("-v", _VERBOSE, "Also show each model found by a probe, and each file written."),
    ]


def _was_given(name: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(name))


def warn(text: str) -> None:
    say(f"warning: {text}", err=True, fg="yellow")


def say_error(text: str) -> None:
    """Print an error line without the bulk of an argument that it repeats."""
    say(f"error: {condense(text)}", err=True, fg="red")


def show_diagnostics(diagnostics: Sequence[Diagnostic], sources: Iterable[Source]) -> None:
    if diagnostics:
        from fleet_compiler.diagnostics.report import render

        click.echo(render(diagnostics, sources, "text", color=True) + "\n", err=True, color=color_choice())


def show_failure(error: FleetError) -> None:
    from fleet_compiler.diagnostics.errors import ConfigError

    if isinstance(error, ConfigError):
        show_diagnostics(error.diagnostics, error.sources)
    else:
        say_error(str(error))


def change(line: str) -> None:
    """Print a line of what changed, coloured by its sign."""
    color = {"+": "green", "-": "red", "~": "yellow"}.get(line.lstrip()[:1])
    if color is None:
        say(line)
    else:
        say(line, fg=color)
