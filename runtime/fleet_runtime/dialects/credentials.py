"""Read the secrets for a server from the places that fleet.yaml names; the file reader is passed in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fleet_runtime.artifacts.contract import ProviderOptions
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason, reason_text
from fleet_runtime.files import unreadable_reason


@dataclass(frozen=True, slots=True)
class Credentials:
    """A provider's API key and its additional headers, which every request contains."""

    key: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)


class MissingKeyError(Exception):
    """A configured key that is not available; `reason` names its source, never a value."""

    def __init__(self, reason: StatusReason) -> None:
        super().__init__(reason_text(reason))
        self.reason = reason


def find_credentials(
    config: ProviderOptions, environ: Mapping[str, str], read: Callable[[str], str]
) -> Credentials:
    """Return the credentials of a provider, read and validated as by `find_key`; raises as that does."""
    headers = [
        (name.lower().encode(), (find_key(secret.env, secret.file, environ, read) or "").encode())
        for name, secret in config.headers.items()
    ]
    if config.basic_auth is not None:
        secret = config.basic_auth.password
        password = find_key(secret.env, secret.file, environ, read) or ""
        pair = b64encode(f"{config.basic_auth.user}:{password}".encode())
        headers.append((b"authorization", b"Basic " + pair))
    key = find_key(config.api_key_env, config.api_key_file, environ, read)
    return Credentials(key, tuple(headers))


def find_key(
    env: str | None, file: str | None, environ: Mapping[str, str], read: Callable[[str], str]
) -> str | None:
    """Return the key without surrounding white space, or None if none is configured.

    `read` returns a file's text and may raise OSError. Raises `MissingKeyError` if the variable is unset or
    empty, if the file cannot be read, or if the value is not one word of printable ASCII.
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
