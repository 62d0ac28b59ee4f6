"""The key that a server is asked with, found where fleet.yaml says; how a file is read is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet_runtime.files import unreadable_reason


class MissingKeyError(Exception):
    """A key that is configured cannot be had; the message says where it was looked for, never a value."""


def find_key(
    env: str | None, file: str | None, environ: Mapping[str, str], read: Callable[[str], str]
) -> str | None:
    """The key, without surrounding white space; None where none is configured.

    `read` gives a file's text and may raise OSError. Raises `MissingKeyError` where the
    variable is unset or empty, or the file cannot be read, is empty or holds more than one word of
    printable ASCII.
    """
    if env is not None:
        value, where = environ.get(env, ""), f"environment variable '{env}'"
    elif file is not None:
        where = f"file '{file}'"
        try:
            value = read(file)
        except OSError as error:
            raise MissingKeyError(f"{where} {unreadable_reason(error)}") from None
    else:
        return None
    value = value.strip()
    if not value:
        raise MissingKeyError(f"{where} is not set" if env else f"{where} is empty")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise MissingKeyError(f"{where} does not hold a key (one word of printable ASCII)")
    return value
