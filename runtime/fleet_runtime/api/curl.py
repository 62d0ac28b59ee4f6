"""Format a captured request as a shell command that repeats it, without credentials. Pure."""

from __future__ import annotations

from base64 import b64encode
from shlex import quote
from typing import Final

from fleet_runtime.client import KEY_VARIABLE
from fleet_runtime.proxy.capture import CapturedHead
from fleet_runtime.proxy.capture_masking import MASK

LONGEST: Final = 100_000
"""The maximum size of a body in bytes; Linux limits an argument to 128 KB."""

_CURLS_OWN: Final = frozenset(
    (
        *(b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"te", b"trailer"),
        *(b"expect", b"accept-encoding", b"x-request-id"),
    )
)
_KEYS: Final = (b"authorization", b"x-api-key")


def curl_command(url: str, head: CapturedHead, body: bytes, *, needs_key: bool) -> str:
    """Return the command for the gateway at `url`; the gateway's key, if it needs one, is a reference to
    ``$FLEET_KEY``. Other headers with credentials are omitted, and headers with unprintable characters."""
    method, target, _ = head.start.decode("latin-1").split(" ", 2)
    words = ["curl -sS -N", f"-X {quote(method)}", quote(url + target)]
    for name, value in head.headers:
        if name in _KEYS and needs_key:
            words.append(_key_option(name, value))
        elif name not in _CURLS_OWN and MASK not in value:
            line = (name + b": " + value).decode("latin-1")
            if line.isascii() and line.isprintable():
                words.append(f"-H {quote(line)}")
    command = " ".join(words)
    text = _text(body)
    if text is None:
        return f"printf %s {b64encode(body).decode()} | base64 -d | {command} --data-binary @-"
    if len(body) > LONGEST:
        return f"printf %s {quote(text)} | {command} --data-binary @-"
    return f"{command} --data-raw {quote(text)}"


def _key_option(name: bytes, value: bytes) -> str:
    scheme = value.removesuffix(MASK).decode("latin-1")
    return f'-H "{name.decode()}: {scheme}${KEY_VARIABLE}"'


def _text(body: bytes) -> str | None:
    """Return the body as printable text, None if that is impossible."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").replace("\t", "").isprintable() else None
