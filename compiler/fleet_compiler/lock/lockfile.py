"""fleet.lock: what each machine served when it was last asked. Reading, merging, writing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from pydantic import ValidationError

from fleet_compiler.diagnostics.diagnostic import Diagnostic, Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.files import write_files
from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts, ProviderConfig
from fleet_runtime.dialects.facts import merge
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.files import MAX_ARTIFACT, read_text, unreadable_reason

_MENDING = "restore it from version control, or delete it and run `fleet lock`"
_NO_JSON = re.compile(r"Invalid JSON: (.+) at line (\d+) column (\d+)", re.DOTALL)
"""How pydantic 2 says that a text is not JSON."""


def load_lock(path: Path) -> Lock:
    """The lock at `path`, an empty one where there is none; raises `ConfigError`."""
    try:
        text = read_text(path, MAX_ARTIFACT)
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise ConfigError([_fault(path, unreadable_reason(error))]) from None
    try:
        return Lock.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if place := _NO_JSON.fullmatch(first["msg"]):
            line, column = int(place[2]), max(1, int(place[3]))
            fault = _fault(path, f"is not JSON that can be read: {place[1]}", Span(line, column, column + 1))
            raise ConfigError([fault]) from None
        where = "/".join(str(part) for part in first["loc"]) or "the top level"
        raise ConfigError([_fault(path, f"is not a lock file: {where}: {first['msg']}")]) from None


def dump_lock(lock: Lock) -> bytes:
    """The file's bytes: sorted, without times, equal for equal locks."""
    known = lock.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    data = {"format": lock.format, "providers": {}} | known
    line = json.dumps(data, sort_keys=True, ensure_ascii=False).encode()
    return msgspec.json.format(line, indent=2) + b"\n"


def save_lock(path: Path, lock: Lock) -> None:
    """Replace the file as a whole; raises `OutputFailed` with the old one intact."""
    write_files([(path, dump_lock(lock))])


def current_entries(lock: Lock, connections: Iterable[ProviderConfig]) -> Lock:
    """The entries that were got from the present URL of a configured provider; no others count."""
    entries = {}
    for connection in connections:
        entry = lock.providers.get(connection.name)
        if entry is not None and entry.url == connection.url:
            entries[connection.name] = entry
    return Lock(providers=entries)


def merge_observations(
    lock: Lock, seen: Mapping[str, Observation], connections: Iterable[ProviderConfig]
) -> Lock:
    """The lock after looks at some machines; a machine that did not answer keeps its entry.

    A context that was seen running stays while the same model is merely unloaded.
    """
    entries = dict(lock.providers)
    for connection in connections:
        observation = seen.get(connection.name)
        if observation is not None and observation.status == "online":
            entries[connection.name] = _entry(connection.url, observation, entries.get(connection.name))
    return Lock(providers=entries)


def _entry(url: str, seen: Observation, known: LockedProvider | None) -> LockedProvider:
    before = known.models if known is not None and known.kind == seen.kind and known.url == url else {}
    models = {
        id: merge(before.get(id, ModelFacts()), facts).model_copy(update={"aliases": facts.aliases})
        for id, facts in seen.models.items()
    }
    return LockedProvider(url=url, kind=seen.kind, models=models)


def _fault(path: Path, message: str, span: Span | None = None) -> Diagnostic:
    return Diagnostic("F301", "error", f"'{path.name}' {message}", str(path), span, _MENDING)
