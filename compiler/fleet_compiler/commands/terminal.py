"""Talking to the person at the terminal: diagnostics and progress on stderr, in colour where wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import click

from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import ConfigError, FleetError
from fleet_compiler.diagnostics.report import render
from fleet_compiler.diagnostics.source import Source


def wants_color(*, err: bool) -> bool:
    """Colours on a terminal; never with NO_COLOR set, always with FORCE_COLOR set (NO_COLOR wins)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return (sys.stderr if err else sys.stdout).isatty()


def say(text: str, *, err: bool = False, **style: bool | str) -> None:
    """Print a line, styled where colours are wanted."""
    color = wants_color(err=err) and bool(style)
    click.echo(click.style(text, **style) if color else text, err=err, color=color)  # type: ignore[arg-type]


def note(text: str) -> None:
    """A line of progress."""
    say(text, err=True)


def warn(text: str) -> None:
    say(f"warning: {text}", err=True, fg="yellow")


def show_diagnostics(diagnostics: Sequence[Diagnostic], sources: Iterable[Source]) -> None:
    if diagnostics:
        text = render(diagnostics, sources, "text", wants_color(err=True))
        click.echo(text + "\n", err=True, color=True)


def show_failure(error: FleetError) -> None:
    if isinstance(error, ConfigError):
        show_diagnostics(error.diagnostics, error.sources)
    else:
        say(f"error: {error}", err=True, fg="red")


def change(line: str) -> None:
    """A line of what changed, coloured by its sign."""
    color = {"+": "green", "-": "red", "~": "yellow"}.get(line.lstrip()[:1])
    if color is None:
        say(line)
    else:
        say(line, fg=color)
