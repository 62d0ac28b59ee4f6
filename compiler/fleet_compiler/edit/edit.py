"""Changes of a fleet.yaml's bytes: each is made, read again and compared with what was meant."""

from __future__ import annotations

import codecs
import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.redact import redact_source
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.document import Document
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode
from fleet_compiler.edit.changes import (
    AddEntry,
    AddItem,
    Change,
    RenameKey,
    SetValue,
    changed_data,
    describe_change,
)
from fleet_compiler.edit.layout import Layout, UnsafeChangeError
from fleet_compiler.edit.scalars import write_text, write_value
from fleet_compiler.edit.splice import splice_change
from fleet_compiler.load import Loaded, load_source

CONTEXT_LINES = 1


class InvalidEditError(ConfigError):
    """The changes would make a valid fleet.yaml invalid; the diagnostics point into what it would be."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A fleet.yaml before and after its changes; `data` are the bytes to write."""

    before: Loaded
    after: Loaded
    data: bytes

    @property
    def is_change(self) -> bool:
        return self.before.source.text != self.after.source.text

    def diff(self) -> list[str]:
        """Return the changed lines with their signs and what is around them, secrets masked."""
        before, after = (redact_source(each.source) for each in (self.before, self.after))
        name = self.before.source.name
        return list(difflib.unified_diff(before, after, name, name, n=CONTEXT_LINES, lineterm=""))


def edit_fleet(name: str, data: bytes, plan: Callable[[Loaded], Iterable[Change]]) -> Edited:
    """Return the fleet.yaml `data`, shown as `name`, with the changes that `plan` finds for it.

    Raises `ConfigError` where the file is invalid, `InvalidEditError` where it would be, and as `edit` does.
    """
    before = load_source(decode(name, data))
    edited = edit(name, data, plan(before))
    try:
        return Edited(before, load_source(decode(name, edited)), edited)
    except ConfigError as error:
        raise InvalidEditError(error.diagnostics, *error.sources) from None


def edit(name: str, data: bytes, changes: Iterable[Change]) -> bytes:
    """Return `data`, a fleet.yaml shown as `name`, with `changes` made one after the other.

    Every byte outside of the changes stays. Raises `ConfigError` where `data` cannot be read, or (F401) where
    a change cannot be made without touching more than it should; it names the place and what to write there.
    """
    for change in changes:
        data = _make(name, data, change)
    return data


def _make(name: str, data: bytes, change: Change) -> bytes:
    source = decode(name, data)
    document = load_document(source)
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    text = data[len(mark) :].decode()
    try:
        splices = splice_change(Layout(text, document), change)
    except UnsafeChangeError as reason:
        raise _refusal(source, document, change, str(reason)) from None
    for splice in sorted(splices, key=lambda splice: splice.extent.start, reverse=True):
        text = splice.apply(text)
    edited = mark + text.encode()
    if not _means(name, edited, changed_data(document.data, change)):
        raise _refusal(source, document, change, "the file would no longer mean the same")
    return edited


def _means(name: str, data: bytes, meant: Any) -> bool:
    """Whether `data` holds what is `meant`, in the same order."""
    try:
        return json.dumps(load_document(decode(name, data)).data) == json.dumps(meant)
    except ConfigError:
        return False


def _refusal(source: Source, document: Document, change: Change, reason: str) -> ConfigError:
    match change:
        case SetValue() | AddEntry():
            written = write_value(change.value, flow=True)
        case RenameKey(key=text) | AddItem(value=text):
            written = write_text(text, flow=True)
        case _:
            written = ""
    message = f"this cannot be changed safely: {reason}"
    remedy = f"by hand: {describe_change(change, written)}"
    diagnostic = Diagnostic(
        "F401", "error", message, source.name, document.span(change.path, key=True), remedy
    )
    return ConfigError([diagnostic], source)
