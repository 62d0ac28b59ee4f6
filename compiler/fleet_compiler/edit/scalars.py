"""Write values as YAML: plain if that parses to the same value, otherwise quoted."""

from __future__ import annotations

from typing import Any

from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode


def write_value(value: Any, *, flow: bool, like: str = "", like_key: str = "") -> str:
    """Return `value` on one line, collections in flow style.

    Texts are quoted like the scalar `like`, keys and list items like `like_key`.
    """
    if isinstance(value, dict):
        entries = (
            f"{write_text(key, flow=True, like=like_key)}: "
            f"{write_value(held, flow=True, like=like, like_key=like_key)}"
            for key, held in value.items()
        )
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, list):
        return f"[{', '.join(write_text(item, flow=True, like=like_key) for item in value)}]"
    return write_text(value, flow=flow, like=like)


def write_text(text: str, *, flow: bool, like: str = "") -> str:
    """Return `text` as a scalar, quoted like the scalar `like`; `flow`: inside braces or brackets."""
    if like[:1] == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    if like[:1] == '"' or not _is_plain(text, flow):
        return '"' + "".join(map(_escaped, text)) + '"'
    return text


def _is_plain(text: str, flow: bool) -> bool:
    """Return whether the unquoted `text` parses to itself, as a key and as a value."""
    written = f"k: {{{text}: {text}}}\n" if flow else f"k:\n  {text}: {text}\n"
    try:
        return bool(load_document(decode("", written.encode())).data == {"k": {text: text}})
    except (ConfigError, UnicodeEncodeError):
        return False


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
