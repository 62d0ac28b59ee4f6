"""Keys, read from where fleet.yaml says they are; they go nowhere else than into requests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class KeyUnset(Exception):
    """A key that is configured cannot be read; the message says where it was looked for, never a value."""


def read_key(env: str | None, file: str | None, root: Path, environ: Mapping[str, str]) -> str | None:
    """The key, without surrounding white space; None where none is configured.

    `file` is relative to `root`. Raises `KeyUnset` where the variable is unset or empty, or the file is
    missing, unreadable, empty or not a single line of printable ASCII.
    """
    if env is not None:
        value = environ.get(env, "").strip()
        where = f"environment variable '{env}'"
    elif file is not None:
        where = f"file '{file}'"
        try:
            value = (root / file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise KeyUnset(f"{where} cannot be read") from None
    else:
        return None
    if not value:
        raise KeyUnset(f"{where} is not set" if env else f"{where} is empty")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise KeyUnset(f"{where} does not hold a key (one word of printable ASCII)")
    return value
