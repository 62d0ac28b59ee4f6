"""What is valid and yet probably not meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet_compiler.lock.model import LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts
from tests.support.projects import compile_text, lock_of

DESK = "http://127.0.0.1:8081"
ATTIC = "http://127.0.0.1:8082"
HEAD = f"""
version: 1
default_provider: desk
providers:
  desk: {DESK}
  attic: {{url: "{ATTIC}", formerly: [loft]}}
"""


def doubts(folder: Path, extra: str = "", **entries: LockedProvider) -> list[tuple[str, int, str]]:
    """Code, line and message of each warning; the first added line is line 6."""
    warnings = compile_text(folder, HEAD + extra, **entries).warnings
    assert all(warning.severity == "warning" and warning.help for warning in warnings)
    return [(each.code, each.span.line if each.span else 0, each.message) for each in warnings]


def sized(**contexts: int) -> dict[str, ModelFacts]:
    return {id: ModelFacts(context=tokens, context_source="listed") for id, tokens in contexts.items()}


def test_a_fleet_whose_models_are_listed_has_no_lock_warnings(tmp_path: Path) -> None:
    extra = "roles: {default: desk/a, task: [attic/b, a]}\n"
    assert doubts(tmp_path, extra, desk=lock_of(DESK, "a"), attic=lock_of(ATTIC, "b")) == []


def test_a_role_model_that_the_lock_does_not_know(tmp_path: Path) -> None:
    extra = "roles:\n  default: desk/a\n  task:\n    - desk/a\n    - desk/gone\n"
    [(code, line, message)] = doubts(tmp_path, extra, desk=lock_of(DESK, "a"))
    assert (code, line) == ("F302", 10)
    assert message == "role 'task': provider 'desk' has no model 'gone', according to fleet.lock"


def test_a_warning_about_a_role_model_of_a_surface_has_its_position(tmp_path: Path) -> None:
    extra = "surfaces:\n  chat:\n    roles:\n      default: desk/gone\n"
    assert [found[:2] for found in doubts(tmp_path, extra, desk=lock_of(DESK, "a"))] == [("F302", 9)]


def test_a_role_model_of_a_provider_without_an_entry_is_not_warned_about(tmp_path: Path) -> None:
    assert doubts(tmp_path, "roles: {default: desk/anything}\n") == []


@pytest.mark.parametrize("id", ["attic/m", "loft/m"])
def test_a_model_of_the_default_provider_that_reads_as_another_providers(tmp_path: Path, id: str) -> None:
    [(code, line, message)] = doubts(tmp_path, desk=lock_of(DESK, id, "desk/m", "other/m"))
    assert (code, line) == ("F304", 2)
    assert message == f"'desk' lists '{id}', but as a bare id that means a model of 'attic'"


def test_slashed_ids_of_other_providers_are_not_warned_about(tmp_path: Path) -> None:
    assert doubts(tmp_path, attic=lock_of(ATTIC, "desk/m")) == []


def test_a_compaction_role_smaller_than_the_default_one(tmp_path: Path) -> None:
    extra = "roles:\n  default: desk/big\n  compaction: desk/small\n"
    [(code, line, message)] = doubts(tmp_path, extra, desk=lock_of(DESK, known=sized(big=32768, small=8192)))
    assert (code, line) == ("F305", 8)
    assert message == "role 'compaction' has a context of 8192 tokens, role 'default' one of 32768"


@pytest.mark.parametrize("contexts", [{"big": 8192, "small": 8192}, {"big": 8192, "small": 9000}])
def test_a_compaction_role_that_is_large_enough(tmp_path: Path, contexts: dict[str, int]) -> None:
    extra = "roles: {default: desk/big, compaction: desk/small}\n"
    assert doubts(tmp_path, extra, desk=lock_of(DESK, known=sized(**contexts))) == []


def test_a_compaction_role_of_unknown_size_is_not_warned_about(tmp_path: Path) -> None:
    extra = "roles: {default: desk/big, compaction: desk/unknown}\n"
    known = sized(big=32768) | {"unknown": ModelFacts()}
    assert doubts(tmp_path, extra, desk=lock_of(DESK, known=known)) == []


def test_a_surface_whose_default_outgrows_the_fleets_compaction_role(tmp_path: Path) -> None:
    extra = "roles: {compaction: desk/small}\nsurfaces: {chat: {roles: {default: desk/big}}}\n"
    [(code, line, _)] = doubts(tmp_path, extra, desk=lock_of(DESK, known=sized(big=32768, small=8192)))
    assert (code, line) == ("F305", 7)
