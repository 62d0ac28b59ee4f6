"""Text that a person names for a command: a file, or standard input as ``-``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fleet_runtime.files import UnreadableFileError, read_file, unreadable_reason

MAX_INPUT = 64 * 1024**2
STANDARD = Path("-")
"""The file name of standard input or output."""


def read_input(file: Path) -> str:
    """Return the UTF-8 text of a file or of standard input; raises click.ClickException."""
    name = "standard input" if file == STANDARD else f"'{file}'"
    try:
        data = sys.stdin.buffer.read(MAX_INPUT + 1) if file == STANDARD else read_file(file, MAX_INPUT)
        if len(data) > MAX_INPUT:
            raise UnreadableFileError(f"is larger than {MAX_INPUT // 1024**2} MiB", file)
        return data.decode("utf-8")
    except OSError as error:
        raise click.ClickException(f"{name} {unreadable_reason(error)}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{name} is not UTF-8 text") from None
