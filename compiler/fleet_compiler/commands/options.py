"""Options shared by the compiler's commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fleet_compiler.diagnostics.errors import UsageError
from fleet_runtime.targets import CONFIG_VARIABLE, FLEET_FILE, find_above, find_config

Command = TypeVar("Command", bound=Callable[..., Any])

OTHER_ENDING = "fleet.yml"


def file_option(command: Command) -> Command:
    """Add ``-f FILE``, passed as `file`: a path, or None if it was not given."""
    return click.option(
        "-f",
        "--file",
        type=click.Path(path_type=Path),
        help=f"The configuration file. Default: ${CONFIG_VARIABLE}, the nearest {FLEET_FILE} in this folder "
        "or above it, or the one set by `fleet use`.",
    )(command)


def generated_option(command: Command) -> Command:
    """Add ``--generated DIR``, passed as `generated`: a path, or None if it was not given."""
    return click.option(
        "--generated",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The folder of generated files. Default: generated/ next to fleet.yaml.",
    )(command)


def json_option(command: Command) -> Command:
    """Add ``--json``, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add ``--format``, passed as `form`; the first of `formats` is the default."""

    def add(command: Command) -> Command:
        return click.option(
            "--format",
            "form",
            type=click.Choice(formats),
            default=formats[0],
            show_default=True,
            help=f"The output format. All formats except {formats[0]} are written to stdout.",
        )(command)

    return add


def fleet_file(given: Path | None) -> Path:
    """Return the configuration that was named, or the one in force (`find_config`).

    Raises `UsageError` if there is none.
    """
    if given is not None:
        return given
    target = find_config(os.environ)
    other = find_above(OTHER_ENDING)
    if target is not None and target.config is not None and (other is None or target.source != "fleet use"):
        is_near = target.source == "nearest fleet.yaml"
        return Path(os.path.relpath(target.config)) if is_near else target.config
    if other is not None:
        shown = os.path.relpath(other)
        raise UsageError(
            f"no {FLEET_FILE} in this folder or one above it, but a '{shown}': rename it to {FLEET_FILE},"
            f" or name it with -f {shown}"
        )
    raise UsageError(
        f"no {FLEET_FILE} in this folder or one above it: make one with `fleet init`, or name it with -f FILE"
    )
