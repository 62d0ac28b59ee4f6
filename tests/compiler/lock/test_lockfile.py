"""fleet.lock on disk: what is written, what is read, and what is rejected, each at its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.diagnostics.diagnostic import Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.lock.lockfile import dump_lock, load_lock, save_lock
from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts

URL = "http://127.0.0.1:8080"
RUNNING = ModelFacts(context=32768, context_source="running")
LISTED = ModelFacts(context=8192, context_source="listed")


def locked(models: dict[str, ModelFacts], name: str = "desk", url: str = URL) -> Lock:
    return Lock(providers={name: LockedProvider(url=url, kind="llama-swap", models=models)})


def test_no_file_is_an_empty_lock(tmp_path: Path) -> None:
    assert load_lock(tmp_path / "fleet.lock") == Lock()


def test_a_lock_survives_its_file(tmp_path: Path) -> None:
    lock = locked({"über/模型:7b": RUNNING.model_copy(update={"aliases": ("b", "a"), "tools": False})})
    save_lock(tmp_path / "fleet.lock", lock)
    assert load_lock(tmp_path / "fleet.lock") == lock


def test_the_file_is_sorted_ends_in_a_newline_and_holds_no_unknown_facts() -> None:
    text = dump_lock(locked({"b": LISTED, "a": ModelFacts()})).decode()
    models = json.loads(text)["providers"]["desk"]["models"]
    assert list(models) == ["a", "b"]
    assert models["a"] == {}
    assert text.endswith("}\n")


def test_the_order_in_which_providers_respond_does_not_show() -> None:
    desk, attic = locked({"m": LISTED}).providers["desk"], locked({"n": LISTED}).providers["desk"]
    one = Lock(providers={"desk": desk, "attic": attic})
    assert dump_lock(one) == dump_lock(Lock(providers={"attic": attic, "desk": desk}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'fleet.lock' is not JSON"),
        (b"{", "'fleet.lock' is not JSON"),
        (b"\xff{}", "'fleet.lock' is not UTF-8 text"),
        (b"[]", "'fleet.lock' is not a lock file"),
        (b'{"format": 0}', "'fleet.lock' is not a lock file: format"),
        (b'{"format": "2"}', "'fleet.lock' is not a lock file: format"),
        (
            b'{"providers": {"a": {"url": 3, "kind": "ollama", "models": {}}}}',
            "'fleet.lock' is not a lock file: providers/a/url",
        ),
        (b"[" * 100_000, "'fleet.lock' is not JSON that can be read: recursion limit"),
        (b'{"providers": ' + b"9" * 5000 + b"}", "'fleet.lock' is not JSON that can be read: number out of"),
        (
            b'{"providers": {"\\ud800": {}}}',
            "'fleet.lock' is not JSON that can be read: unexpected end of hex",
        ),
    ],
)
def test_a_damaged_lock_is_rejected_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "fleet.lock").write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.message.startswith(message)
    assert diagnostic.help is not None


def test_a_merge_conflict_is_rejected_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").write_text('{\n  "format": 1,\n<<<<<<< HEAD\n}\n')
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.span == Span(3, 1, 13)
    assert diagnostic.message == "'fleet.lock' has a merge-conflict marker"
    assert diagnostic.help is not None
    assert "`git checkout --ours fleet.lock`" in diagnostic.help


def test_a_lock_of_a_newer_version_is_reported_as_that_alone(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").write_text('{"format": 2, "machines": []}\n')
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.message == "'fleet.lock' has format 2, which a newer version of fleet wrote"
    assert diagnostic.help is not None
    assert diagnostic.help.startswith("update fleet")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_lock_without_the_right_to_read_it_is_not_to_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").write_text("{}")
    (tmp_path / "fleet.lock").chmod(0)
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    assert [each.help for each in refusal.value.diagnostics] == ["make it readable for this user"]


def test_a_folder_instead_of_the_lock_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").mkdir()
    with pytest.raises(ConfigError, match="1 error"):
        load_lock(tmp_path / "fleet.lock")


def entry(**changes: Any) -> dict[str, Any]:
    return {"url": URL, "kind": "llama-swap", "models": {}} | changes


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"desk": entry(models={"\x1b]0;x": {}})},
            "the model id '\\x1b]0;x', which contains a control",
        ),
        ({"desk": entry(models={"a\nb": {}})}, "the model id 'a\\nb', which contains a control character"),
        (
            {"desk": entry(models={"../x": {}})},
            "the model id '../x', which contains a '.' or '..' path segment",
        ),
        ({"desk": entry(models={"": {}})}, "the model id '', which is empty"),
        ({"desk": entry(models={"x" * 600: {}})}, "which is longer than 512 bytes"),
        ({"desk": entry(models={"m": {"aliases": ["ok", "a\x9bb"]}})}, "the alias 'a\\x9bb', which contains"),
        (
            {"desk": entry(models={"m": {"name": "\u202egnp"}})},
            "the model name '\\u202egnp', which is not",
        ),
        ({"desk": entry(models={"m": {"name": "x" * 201}})}, "which is not 1 to 200 printable characters"),
        ({"desk": entry(models={f"m{n}": {} for n in range(2001)})}, "2001 models of a provider; 2000 are"),
        (
            {"desk": entry(url="file:///etc/passwd")},
            "the url 'file:///etc/passwd': not the http or",
        ),
        ({"De sk": entry()}, "an entry for 'De sk', which is not the name of a provider"),
        (
            {"desk": entry(models={"m": {"context": "8192"}})},
            "m/context: Input should be a valid integer",
        ),
        (
            {"desk": entry(models={"m": {"context": True}})},
            "m/context: Input should be a valid integer",
        ),
        ({"desk": entry(models={"m": {"context": 2**60}})}, "models/m/context: Input should be less than"),
        ({"desk": entry(models={"m": {"color": 1}})}, "models/m/color: Extra inputs are not permitted"),
        ({"desk": entry(stale="maybe")}, "providers/desk/stale: Input should be 'url changed'"),
    ],
)
def test_a_lock_is_checked_as_strictly_as_a_model_list(
    tmp_path: Path, entries: dict[str, Any], message: str
) -> None:
    (tmp_path / "fleet.lock").write_text(json.dumps({"format": 1, "providers": entries}))
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    [diagnostic] = refusal.value.diagnostics
    assert message in diagnostic.message
    assert diagnostic.span is not None
    assert diagnostic.message.isprintable()


def test_every_fault_of_a_lock_is_reported_at_its_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "fleet.lock").write_text(
        """{
  "format": 1,
  "providers": {
    "desk": {
      "kind": "llama-swap",
      "models": {
        "a/../b": {"aliases": ["ok", "."]}
      },
      "url": "http://127.0.0.1:0"
    }
  }
}
"""
    )
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    places = [(found.span.line, found.span.column) for found in refusal.value.diagnostics if found.span]
    assert places == [(7, 9), (7, 38), (9, 7)]


def test_a_merge_that_kept_both_sides_is_rejected_at_the_second(tmp_path: Path) -> None:
    one = json.dumps(entry())
    (tmp_path / "fleet.lock").write_text(f'{{"providers": {{\n"desk": {one},\n  "desk": {one}}}}}')
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.message == "'fleet.lock' has the key 'desk' twice in one object"
    assert diagnostic.span == Span(3, 3, 9)


def test_a_named_pipe_instead_of_the_lock_is_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fleet.lock")
    with pytest.raises(ConfigError) as refusal:
        load_lock(tmp_path / "fleet.lock")
    assert "is a named pipe, not a regular file" in refusal.value.diagnostics[0].message
