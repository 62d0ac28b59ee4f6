"""The API key of a server, found where fleet.yaml says; how a file is read is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason, reason_text
from fleet_runtime.files import unreadable_reason


class MissingKeyError(Exception):
    """A configured key that cannot be had; `reason` says where it was looked for, never a value."""

    def __init__(self, reason: StatusReason) -> None:
        super().__init__(reason_text(reason))
        self.reason = reason


def find_key(
    env: str | None, file: str | None, environ: Mapping[str, str], read: Callable[[str], str]
) -> str | None:
    """Return the key without surrounding white space, or None if none is configured.

    `read` returns a file's text and may raise OSError. Raises `MissingKeyError` if the
    variable is unset or empty, or the file cannot be read, is empty or holds more than one word of
    printable ASCII.
    """

    def missing(code: ReasonCode, detail: str = "") -> MissingKeyError:
        named = None if env is not None else file
        return MissingKeyError(StatusReason(code, env=env, file=named, detail=detail))

    if env is not None:
        value = environ.get(env, "")
    elif file is not None:
        try:
            value = read(file)
        except OSError as error:
            raise missing("key_unreadable", unreadable_reason(error)) from None
    else:
        return None
    value = value.strip()
    if not value:
        raise missing("key_empty" if env is None else "key_unset")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise missing("key_invalid")
    return value
