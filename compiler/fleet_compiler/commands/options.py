"""What the compiler's commands have in common on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fleet_compiler.diagnostics.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

FLEET_FILE = "fleet.yaml"
OTHER_ENDING = "fleet.yml"


def file_option(command: Command) -> Command:
    """``-f FILE``, passed on as `file`: a path, or None where it was not given."""
    return click.option(
        "-f",
        "--file",
        type=click.Path(path_type=Path),
        help=f"The configuration; without it, {FLEET_FILE} of this folder or the nearest one above.",
    )(command)


def output_option(command: Command) -> Command:
    """``--output DIR``, passed on as `output`."""
    return click.option(
        "--output",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The folder of generated files instead of generated/ beside fleet.yaml.",
    )(command)


def fleet_file(given: Path | None) -> Path:
    """The configuration that was named, or the nearest one; as short as it can be written from here."""
    if given is not None:
        return given
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.lexists(folder / FLEET_FILE):
            return Path(os.path.relpath(folder / FLEET_FILE))
    for folder in (here, *here.parents):
        if os.path.lexists(other := folder / OTHER_ENDING):
            shown = os.path.relpath(other)
            raise UsageError(
                f"no {FLEET_FILE} in this folder or one above it, but a '{shown}': rename it to {FLEET_FILE},"
                f" or name it with -f {shown}"
            )
    raise UsageError(f"no {FLEET_FILE} in this folder or one above it: make one, or name it with -f FILE")


def epilog(*examples: str, exits: str) -> str:
    """The end of a command's help: examples, and the exit codes that it uses."""
    lines = "\n".join(f"  {example}" for example in examples)
    return f"\b\nExamples:\n{lines}\n\n\b\nExit codes:\n  {exits}"
