"""Apply edits to the bytes of fleet.yaml; each result is parsed and compared with the intended data."""

from __future__ import annotations

import codecs
import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import groupby

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
from fleet_compiler.edit.comments import keep_comment_columns
from fleet_compiler.edit.layout import Layout, UnsafeChangeError
from fleet_compiler.edit.scalars import write_text, write_value
from fleet_compiler.edit.splice import splice_change
from fleet_compiler.load import Loaded, load_source

CONTEXT_LINES = 1


class InvalidEditError(ConfigError):
    """The changes would make a valid fleet.yaml invalid; the diagnostics point into the changed text."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A fleet.yaml before and after its changes; `original` are the bytes that were read, `data` those to
    write."""

    before: Loaded
    after: Loaded
    original: bytes
    data: bytes

    @property
    def is_change(self) -> bool:
        return self.before.source.text != self.after.source.text

    def diff(self) -> list[str]:
        """Return a diff with context, with secrets masked."""
        before, after = (redact_source(each.source) for each in (self.before, self.after))
        name = self.before.source.name
        return list(difflib.unified_diff(before, after, name, name, n=CONTEXT_LINES, lineterm=""))


def edit_fleet(name: str, data: bytes, plan: Callable[[Loaded], Iterable[Change]]) -> Edited:
    """Return the fleet.yaml `data`, displayed as `name`, with the changes that `plan` returns for it.

    Raises `ConfigError` if the file is invalid, `InvalidEditError` if the result would be, and as `edit`
    does.
    """
    before = load_source(decode(name, data))
    edited = edit(name, data, plan(before))
    try:
        return Edited(before, load_source(decode(name, edited)), data, edited)
    except ConfigError as error:
        raise InvalidEditError(error.diagnostics, *error.sources) from None


def edit(name: str, data: bytes, changes: Iterable[Change]) -> bytes:
    """Return `data`, a fleet.yaml displayed as `name`, with `changes` made one after the other.

    Other bytes do not change. Raises `ConfigError` if `data` cannot be read, or (F401) if a change cannot be
    made without affecting other parts, with the position and what to write there.
    """
    state = _read(name, data)
    for _, group in groupby(changes, lambda change: isinstance(change, SetValue)):
        batch = tuple(group)
        state = _make(state, batch) if isinstance(batch[0], SetValue) else _make_each(state, batch)
    return state.data


@dataclass(frozen=True, slots=True)
class _State:
    """A fleet.yaml between two changes."""

    data: bytes
    source: Source
    document: Document


def _read(name: str, data: bytes) -> _State:
    source = decode(name, data)
    return _State(data, source, load_document(source))


def _make(state: _State, batch: tuple[Change, ...]) -> _State:
    """Make one change, or several that replace different values, and read the result."""
    mark = codecs.BOM_UTF8 if state.data.startswith(codecs.BOM_UTF8) else b""
    text = state.data[len(mark) :].decode()
    layout = Layout(text, state.document)
    splices = []
    for change in batch:
        try:
            splices += splice_change(layout, change)
        except UnsafeChangeError as reason:
            raise _refusal(state, change, str(reason)) from None
    splices += keep_comment_columns(text, splices)
    for splice in sorted(splices, key=lambda splice: splice.extent.start, reverse=True):
        text = splice.apply(text)
    meant = reduce(changed_data, batch, state.document.data)
    try:
        made = _read(state.source.name, mark + text.encode())
    except ConfigError as error:
        if any(each.code == "F005" for each in error.diagnostics):  # it has become too large
            raise
        made = None
    if made is not None and json.dumps(made.document.data) == json.dumps(meant):
        return made
    if len(batch) == 1:
        raise _refusal(state, batch[0], "the file would no longer mean the same")
    return _make_each(state, batch)


def _make_each(state: _State, changes: Iterable[Change]) -> _State:
    for change in changes:
        state = _make(state, (change,))
    return state


def _refusal(state: _State, change: Change, reason: str) -> ConfigError:
    match change:
        case SetValue() | AddEntry():
            written = write_value(change.value, flow=True)
        case RenameKey(key=text) | AddItem(value=text):
            written = write_text(text, flow=True)
        case _:
            written = ""
    message = f"this cannot be changed safely: {reason}"
    remedy = f"by hand: {describe_change(change, written)}"
    span = state.document.span(change.path, key=True)
    return ConfigError([Diagnostic("F401", "error", message, state.source.name, span, remedy)], state.source)
