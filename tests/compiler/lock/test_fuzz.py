"""Whatever fleet.lock holds: a lock to build from, or diagnostics at their places; never a traceback."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.report import render
from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import load_fleet
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import dump_lock, load_lock, save_lock
from fleet_compiler.lock.model import Lock
from fleet_compiler.lock.validity import lock_problems
from fleet_compiler.pipeline import compile_fleet
from tests.support.golden import FLEETS
from tests.support.lock_mutation import mutate_lock

SECONDS = 2.0
BUILD_EVERY = 20


def load_damaged(path: Path, seed: int) -> Lock | None:
    """Load one damaged lock; return it if it is valid."""
    content = mutate_lock(Random(seed))
    path.write_bytes(content)
    started = time.process_time()
    lock, error = None, None
    try:
        lock = load_lock(path)
    except ConfigError as refusal:
        error = refusal
    assert time.process_time() - started < SECONDS, seed
    if error is not None:
        assert_well_formed(error, content.decode("utf-8", "replace"), seed)
    return lock


def assert_well_formed(error: ConfigError, content: str, seed: int) -> None:
    """Every diagnostic is visible text and points into the file."""
    assert error.diagnostics, seed
    lines = content.count("\n") + 1
    for diagnostic in error.diagnostics:
        assert diagnostic.code in ("F000", "F301"), seed
        assert diagnostic.message.isprintable(), (seed, diagnostic.message)
        if diagnostic.span is not None:
            assert 1 <= diagnostic.span.line <= lines + 1, seed
            assert 1 <= diagnostic.span.column < diagnostic.span.end_column, seed
    text = render(error.diagnostics, (), "text")
    assert all(character.isprintable() or character == "\n" for character in text), seed


def examine(folder: Path, seeds: range) -> int:
    """Load every damaged lock and build from some of those that are valid; return how many are."""
    loaded = load_fleet(FLEETS / "shipped" / "fleet.yaml")
    providers = resolve_connections(loaded.fleet)
    valid = 0
    for seed in seeds:
        lock = load_damaged(folder / "fleet.lock", seed)
        if lock is None:
            continue
        valid += 1
        assert list(lock_problems(lock)) == []
        save_lock(folder / "again.lock", lock)
        assert load_lock(folder / "again.lock") == lock, seed
        assert dump_lock(load_lock(folder / "again.lock")) == dump_lock(lock), seed
        if valid % BUILD_EVERY == 0:
            compiled = compile_fleet(loaded, current_entries(lock, providers), "..")
            for path, content in compiled.files.items():
                text = content.decode()
                assert all(each.isprintable() or each == "\n" for each in text), (seed, path)
    return valid


def test_a_damaged_lock_is_built_from_or_rejected_at_its_place(tmp_path: Path) -> None:
    seeds = range(1_000)
    assert len(seeds) * 0.1 < examine(tmp_path, seeds) < len(seeds) * 0.9


@pytest.mark.slow
def test_20_000_damaged_locks_are_built_from_or_rejected_at_their_places(tmp_path: Path) -> None:
    examine(tmp_path, range(1_000, 21_000))
